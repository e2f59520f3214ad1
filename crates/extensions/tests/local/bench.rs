//! Measures, when asked: `local bench ROUNDS [PROFILE]`, `local bench live COUNT`. Not a test: compare with other programs in the same run only.

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
    if words.first().is_some_and(|word| word == "live") {
        let count = words.get(1).and_then(|word| word.parse().ok()).unwrap_or(100);
        return tell(&|runtime| runtime.block_on(live(count)));
    }
    let rounds = words.first().and_then(|word| word.parse().ok()).unwrap_or(200);
    let profile = words.get(1).map_or("{}", String::as_str).to_owned();
    tell(&|runtime| runtime.block_on(measure(rounds, &profile)))
}

fn tell(measure: &dyn Fn(&tokio::runtime::Runtime) -> String) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("starts");
    let told = measure(&runtime);
    if std::io::stdout().write_all(told.as_bytes()).is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Many at once: made four at a time, counted, and removed.
async fn live(count: usize) -> String {
    use futures::StreamExt;
    let lab = Lab::new();
    let free = || -> u64 {
        let text = std::fs::read_to_string("/proc/meminfo").expect("is there");
        let line = text.lines().find(|line| line.starts_with("MemAvailable")).expect("is told");
        line.split_whitespace().nth(1).and_then(|word| word.parse().ok()).expect("a number")
    };
    let before = free();
    let start = Instant::now();
    let names = (0..count).map(|number| format!("live-{number}")).collect::<Vec<_>>();
    let lab_reference = &lab;
    let making = futures::stream::iter(&names).map(|name| async move {
        let sandbox = lab_reference.make(name).await;
        let call = lab_reference.call(&sandbox.id);
        lab_reference.extension.wait_ready(&call, &sandbox.handle).await.expect("is ready");
        sandbox
    });
    let sandboxes: Vec<Sandbox> = making.buffer_unordered(4).collect().await;
    let made = start.elapsed();
    let used = before.saturating_sub(free());
    let pss = |name| sandboxes.iter().map(|sandbox| kilobytes(sandbox, name, "Pss:")).sum::<u64>();
    let (supervisors, agents) = (pss("supervisor"), pss("init"));
    let start = Instant::now();
    let reports = futures::future::join_all(sandboxes.iter().map(Sandbox::remove)).await;
    assert!(reports.iter().all(|report| report.complete));
    let each = |total: u64| total / u64::try_from(count).expect("small");
    format!(
        "{count} made in {made:?}, four at a time; removed in {:?}, all at once\n\
         each: supervisor {} kB PSS, agent {} kB PSS, {} kB less available in the machine\n",
        start.elapsed(),
        each(supervisors),
        each(agents),
        each(used)
    )
}

fn kilobytes(sandbox: &Sandbox<'_>, name: &str, key: &str) -> u64 {
    let rollup = std::fs::read_to_string(format!("/proc/{}/smaps_rollup", sandbox.recorded(name))).unwrap_or_default();
    let line = rollup.lines().find(|line| line.starts_with(key)).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|word| word.parse().ok()).unwrap_or(0)
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
