//! Measures, when asked: `local bench ROUNDS`. Not a test: compare with other programs in the same run only.

use crate::support::{Lab, Sandbox, run};
use sandboxer_reach::ExecRequest;
use sandboxer_sdk::SandboxExtension;
use std::fmt::Write as _;
use std::io::Write as _;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// The first argument that makes the test binary measure.
pub(crate) const ARGUMENT: &str = "bench";

pub(crate) fn main(words: &[String]) -> ExitCode {
    let rounds = words.first().and_then(|word| word.parse().ok()).unwrap_or(200);
    let profile = words.get(1).map_or("{}", String::as_str).to_owned();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("starts");
    let told = runtime.block_on(measure(rounds, &profile));
    if std::io::stdout().write_all(told.as_bytes()).is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn measure(rounds: usize, profile: &str) -> String {
    let lab = Lab::new();
    let mut spans: [Vec<Duration>; 5] = Default::default();
    for round in 0..rounds {
        let request = crate::support::request_with(&format!("bench-{round}"), profile);
        let start = Instant::now();
        let sandbox = lab.make_from(request).await;
        let made = Instant::now();
        lab.extension.wait_ready(&lab.call(&sandbox.id), &sandbox.handle).await.expect("is ready");
        let ready = Instant::now();
        let session = sandbox.session().await;
        let connected = Instant::now();
        run(&session, ExecRequest::new(["/bin/true"])).await;
        let executed = Instant::now();
        drop(session);
        let removing = Instant::now();
        assert!(sandbox.remove().await.complete);
        let removed = Instant::now();
        for (place, span) in [made - start, ready - start, executed - connected, executed - start, removed - removing]
            .into_iter()
            .enumerate()
        {
            spans[place].push(span);
        }
    }
    let mut text = String::new();
    let names = ["provision", "create to ready", "first exec", "create to exec done", "teardown"];
    for (name, mut spans) in names.into_iter().zip(spans) {
        spans.sort();
        let at = |part: usize| spans[(spans.len() - 1) * part / 100].as_secs_f64() * 1000.0;
        writeln!(text, "{name:20} p50 {:.2} ms  p90 {:.2}  p99 {:.2}", at(50), at(90), at(99)).expect("a text");
    }
    let sandbox = lab.make("memory").await;
    sandbox.run("true").await;
    for name in ["supervisor", "init"] {
        writeln!(text, "{name}: {}", memory(&sandbox, name)).expect("a text");
    }
    assert!(sandbox.remove().await.complete);
    text
}

fn memory(sandbox: &Sandbox<'_>, name: &str) -> String {
    let pid = sandbox.recorded(name);
    let rollup = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let lines =
        rollup.lines().filter(|line| ["Rss:", "Pss:", "Private_Dirty:"].iter().any(|key| line.starts_with(key)));
    lines.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect::<Vec<_>>().join(", ")
}
