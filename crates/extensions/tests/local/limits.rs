//! Limits, and what is said of those that cannot be enforced.

use crate::support::{Lab, request_with, trial};
use libtest_mimic::Trial;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("a_fork_bomb_leaves_the_agent_answering", a_fork_bomb_leaves_the_agent_answering),
        trial("limits_are_in_force_or_named", limits_are_in_force_or_named),
    ]
}

const FORK_BOMB: &str = "bomb() { bomb | bomb & }; bomb 2>/dev/null; sleep 0.2; echo exploded";

async fn a_fork_bomb_leaves_the_agent_answering() {
    let lab = Lab::new();
    let sandbox = lab.make_from(request_with("bomb", r#"{"resources": {"pids": 60}}"#)).await;
    let session = sandbox.session().await;
    let mut request = sandboxer_reach::ExecRequest::new(["/bin/sh", "-c", FORK_BOMB]);
    request.timeout = Some(std::time::Duration::from_secs(3));
    let exploded = crate::support::run(&session, request).await;
    for _ in 0..20 {
        let answered = lab.extension.wait_ready(&lab.call(&sandbox.id), &sandbox.handle).await;
        assert!(answered.is_ok(), "{answered:?} after {exploded:?}");
    }
    let report = sandbox.remove().await;
    assert!(report.complete, "{report:?}");
    lab.assert_empty();
}

async fn limits_are_in_force_or_named() {
    let lab = Lab::new();
    let profile = r#"{"resources": {"pids": 100, "memory": "64MiB", "cpus": 0.5}}"#;
    let sandbox = lab.make_from(request_with("limited", profile)).await;
    let call = lab.call(&sandbox.id);
    let unenforced = lab.extension.wait_ready(&call, &sandbox.handle).await.expect("is ready").limits_unenforced;
    let groups = sandbox.recorded_groups();
    let names = |key: &str| unenforced.iter().any(|line| line.contains(&format!("`resources.{key}`")));
    assert!(!names("pids"), "always in force: {unenforced:?}");
    assert_eq!(groups.is_empty(), names("memory") && names("cpus"), "{groups:?} {unenforced:?}");
    if !names("memory") {
        let (status, output) = sandbox.run("head -c 200000000 /dev/zero | tail -c 190000000 | wc -c").await;
        assert!(status != 0 || output.trim() != "190000000", "more memory than allowed: {output}");
    }
    assert_eq!(sandbox.run("echo still").await.1, "still\n");
    assert!(sandbox.remove().await.complete);
    for path in groups {
        assert!(!std::path::Path::new(&path).exists(), "{path}");
    }
    lab.assert_empty();
}
