//! From nothing to a running command and back to nothing.

use crate::support::{Lab, Sandbox, removal, request, request_with, trial};
use libtest_mimic::Trial;
use sandboxer_extensions::local::FindingStatus;
use sandboxer_sdk::{ObservedState, Recovered};
use sandboxer_types::{ErrorKind, HostId, Residue};
use std::path::Path;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("a_command_runs_and_nothing_is_left", a_command_runs_and_nothing_is_left),
        trial("making_it_again_finds_it_and_other_inputs_conflict", making_it_again_finds_it_and_other_inputs_conflict),
        trial("removing_it_twice_or_at_once_succeeds", removing_it_twice_or_at_once_succeeds),
        trial("it_is_listed_recovered_and_told_by_its_folder", it_is_listed_recovered_and_told_by_its_folder),
        trial("the_state_directory_may_have_a_long_path", the_state_directory_may_have_a_long_path),
        trial("twenty_are_made_at_once", twenty_are_made_at_once),
        trial("what_cannot_be_done_is_refused_by_name", what_cannot_be_done_is_refused_by_name),
        trial("a_folder_of_the_host_can_be_read_and_not_written", a_folder_of_the_host_can_be_read_and_not_written),
        trial("a_broken_program_leaves_nothing", a_broken_program_leaves_nothing),
        trial("the_machine_is_as_it_should_be", the_machine_is_as_it_should_be),
    ]
}

async fn a_command_runs_and_nothing_is_left() {
    let lab = Lab::new();
    let sandbox = lab.make("first").await;
    let (status, output) = sandbox.run("echo hello; id -un; pwd; hostname").await;
    assert_eq!((status, output.as_str()), (0, "hello\nuser\n/workspace\nfirst\n"));
    let report = sandbox.remove().await;
    assert!(report.complete, "{report:?}");
    assert!(report.removed.iter().any(|line| line.contains("first")), "{report:?}");
    lab.assert_empty();
}

async fn making_it_again_finds_it_and_other_inputs_conflict() {
    let lab = Lab::new();
    let sandbox = lab.make("again").await;
    sandbox.run("touch /workspace/mark").await;
    let again = lab.make("again").await;
    assert_eq!(again.handle, sandbox.handle);
    assert_eq!(again.run("ls /workspace").await.1, "mark\n");
    let other = request_with("again", r#"{"workdir": "/tmp"}"#);
    let failure = lab.extension.provision(&lab.call(&other.sandbox_id), &other).await.expect_err("conflicts");
    assert_eq!((failure.kind, failure.residue), (ErrorKind::Conflict, Residue::Present));
    assert!(again.remove().await.complete);
    // Once it is gone, the name is free for anything.
    let other = lab.make_from(other).await;
    assert_eq!(other.run("pwd").await.1, "/tmp\n");
    assert!(other.remove().await.complete);
    lab.assert_empty();
}

async fn removing_it_twice_or_at_once_succeeds() {
    let lab = Lab::new();
    let absent = "absent".parse().expect("valid");
    assert!(lab.remove(&absent).await.complete, "what never was is gone");
    for round in 0..5 {
        let sandbox = lab.make(&format!("twice-{round}")).await;
        let reports = futures_of((0..8).map(|_| lab.remove(&sandbox.id))).await;
        assert!(reports.iter().all(|report| report.complete), "{reports:#?}");
        lab.assert_empty();
        assert!(sandbox.remove().await.complete);
    }
}

async fn futures_of<F: Future>(futures: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    futures::future::join_all(futures).await
}

async fn it_is_listed_recovered_and_told_by_its_folder() {
    let lab = Lab::new();
    let host = HostId::localhost();
    let sandbox = lab.make("known").await;
    let call = lab.call(&sandbox.id);
    let listed = lab.extension.list().expect("offered").list(&call, &host).await.expect("lists");
    assert_eq!(listed.iter().map(|one| one.sandbox_id.as_str()).collect::<Vec<_>>(), ["known"]);
    assert_eq!(listed[0].labels["sandboxer.id"], "known");
    assert!(listed[0].created_at.is_some());
    let recover = lab.extension.recover().expect("offered");
    let Ok(Recovered::Present(handle)) = recover.recover(&call, &host, None).await else { panic!("not recovered") };
    assert_eq!(handle, sandbox.handle);
    assert_eq!(state(&sandbox).await, ObservedState::Running);
    let mut stranger = call.clone();
    stranger.owner = "ownother".parse().expect("valid");
    let others = lab.extension.list().expect("offered").list(&stranger, &host).await.expect("lists");
    assert!(others.is_empty(), "{others:?}");
    sandbox.remove().await;
    assert_eq!(state(&sandbox).await, ObservedState::Absent);
    assert!(matches!(recover.recover(&call, &host, None).await, Ok(Recovered::Absent)));
    let failure = lab.extension.wait_ready(&call, &sandbox.handle).await.expect_err("is gone");
    assert_eq!(failure.kind, ErrorKind::NotFound);
}

pub(crate) async fn state(sandbox: &Sandbox<'_>) -> ObservedState {
    let call = sandbox.lab.call(&sandbox.id);
    let status = sandbox.lab.extension.status().expect("offered").status(&call, &sandbox.handle).await;
    status.expect("is told").state
}

async fn the_state_directory_may_have_a_long_path() {
    let lab = Lab::at(|folder| folder.join("a".repeat(120)).join("b".repeat(120)).join("with space"));
    let sandbox = lab.make("long").await;
    let answered = lab.extension.wait_ready(&lab.call(&sandbox.id), &sandbox.handle).await.expect("is ready");
    assert!(answered.agent.expect("an agent").len() > 250);
    assert!(sandbox.remove().await.complete);
}

async fn twenty_are_made_at_once() {
    let lab = Lab::new();
    let names: Vec<String> = (0..20).map(|number| format!("many-{number}")).collect();
    let made = futures_of(names.iter().map(|name| lab.make(name))).await;
    let ranges: Vec<String> = futures_of(made.iter().map(|sandbox| sandbox.run("cat /proc/self/uid_map")))
        .await
        .into_iter()
        .map(|(_, map)| map)
        .collect();
    if rustix::process::geteuid().is_root() {
        let different: std::collections::BTreeSet<_> = ranges.iter().collect();
        assert_eq!(different.len(), 20, "each has ids of its own: {ranges:?}");
    }
    let reports = futures_of(made.iter().map(Sandbox::remove)).await;
    assert!(reports.iter().all(|report| report.complete), "{reports:#?}");
    lab.assert_empty();
}

async fn what_cannot_be_done_is_refused_by_name() {
    let lab = Lab::new();
    let refused = [
        (r#"{"network": {"allow": ["*.example.org:443"]}}"#, "network", ErrorKind::Unsupported),
        (r#"{"resources": {"disk": "1GiB"}}"#, "resources.disk", ErrorKind::Unsupported),
        (r#"{"expose": [{"path": "/srv", "mode": "overlay"}]}"#, "expose", ErrorKind::Unsupported),
        (r#"{"expose": [{"path": "~/x", "mode": "ro"}]}"#, "expose", ErrorKind::InvalidInput),
        (r#"{"expose": [{"path": "/", "mode": "ro"}]}"#, "expose", ErrorKind::InvalidInput),
        (r#"{"expose": [{"path": "/proc/1", "mode": "ro"}]}"#, "expose", ErrorKind::InvalidInput),
        (r#"{"caches": [{"name": "c", "path": "/c", "share": "consumer"}]}"#, "caches", ErrorKind::Unsupported),
        (r#"{"secrets": [{"name": "T", "env": "T"}]}"#, "secrets", ErrorKind::Unsupported),
        (r#"{"options": {"disk_bound": "tmpfs"}}"#, "options.disk_bound", ErrorKind::Unsupported),
        (r#"{"resources": {"cpus": 0}}"#, "resources.cpus", ErrorKind::InvalidInput),
        (r#"{"workdir": "here"}"#, "workdir", ErrorKind::InvalidInput),
    ];
    for (profile, field, kind) in refused {
        let request = request_with("refused", profile);
        let failure = lab.extension.provision(&lab.call(&request.sandbox_id), &request).await.expect_err(field);
        assert_eq!((failure.kind, failure.residue), (kind, Residue::None), "{failure:?}");
        assert!(failure.fields.iter().any(|fault| fault.field == field), "{failure:?}");
    }
    let state = lab.folder.path().join("local");
    let request =
        request_with("refused", &format!(r#"{{"expose": [{{"path": "{}", "mode": "ro"}}]}}"#, state.display()));
    lab.extension.provision(&lab.call(&request.sandbox_id), &request).await.expect_err("its own folder");
    let mut request = crate::support::request("refused");
    request.inputs.insert("bse".to_owned(), "host".into());
    let failure = lab.extension.provision(&lab.call(&request.sandbox_id), &request).await.expect_err("unknown");
    assert_eq!(failure.kind, ErrorKind::InvalidInput);
    lab.assert_empty();
}

async fn a_folder_of_the_host_can_be_read_and_not_written() {
    let lab = Lab::new();
    let shown = lab.folder.path().join("shown");
    std::fs::create_dir(&shown).expect("made");
    std::fs::write(shown.join("file"), "from outside").expect("written");
    let path = shown.display();
    let profile =
        format!(r#"{{"expose": [{{"path": "{path}", "mode": "ro"}}, {{"path": "{path}/file", "mode": "ro"}}]}}"#);
    let sandbox = lab.make_from(request_with("shows", &profile)).await;
    let (status, output) = sandbox.run(&format!("cat {path}/file; ls {path}/..; touch {path}/new")).await;
    assert_ne!(status, 0, "{output}");
    assert!(output.starts_with("from outsideshown\n"), "{output}");
    assert!(output.contains("Read-only file system"), "{output}");
    assert!(sandbox.remove().await.complete);
    assert_eq!(std::fs::read_to_string(shown.join("file")).expect("still there"), "from outside");
}

async fn a_broken_program_leaves_nothing() {
    let lab = Lab::new();
    for program in ["/bin/true", "/nonexistent", "/etc/passwd"] {
        let extension = lab.with_executable(Path::new(program));
        let request = request("broken");
        let failure = extension.provision(&lab.call(&request.sandbox_id), &request).await.expect_err("cannot work");
        assert_eq!(failure.residue, Residue::None, "{program}: {failure:?}");
        lab.assert_empty();
    }
    let id = "broken".parse().expect("valid");
    let report = lab.extension.teardown(&lab.call(&id), &removal(&id)).await.expect("is told");
    assert!(report.complete);
}

async fn the_machine_is_as_it_should_be() {
    let findings = sandboxer_extensions::local::probe(Path::new("/proc/self/exe"));
    let missing: Vec<_> = findings.iter().filter(|finding| finding.status == FindingStatus::Missing).collect();
    assert!(missing.is_empty(), "{missing:#?}");
    assert!(findings.iter().any(|finding| finding.name == "proc"), "{findings:#?}");
}
