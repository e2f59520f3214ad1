use crate::bench::{Bench, Made};
use crate::check::{Stop, Verdict, check, hold};
use crate::evidence::route;
use crate::inside::run as run_inside;
use sandboxer_reach::{ExecRequest, Session};
use std::time::Duration;
use tokio::time::Instant;

check!(
    L2,
    "gone-means-gone",
    rule: "After a teardown nothing is left: no process, no file, no entry of the backend",
    does: "leaves two processes running in a sandbox, one of them in a session of its own, removes the sandbox, and looks for them, and for everything that any witness could still see",
    proves: "`gone` is a fact and not a hope"
);

const LOOKING: Duration = Duration::from_millis(200);

async fn run(bench: &Bench) -> Verdict {
    let made = bench.make().await?;
    let word = bench.word();
    let entered = match bench.enter(&made).await {
        Err(Stop::Skipped(_)) => false,
        session => {
            leave_processes(session?.as_ref(), &made, &word).await?;
            hold!(
                !processes_with(&word).is_empty() || made.reachability.ssh.is_some(),
                "the suite cannot see its own processes"
            );
            true
        }
    };
    bench.remove(&made.named, &made.handle).await?;
    if !entered {
        return Ok(());
    }
    let end = Instant::now() + bench.common.patience.vanishing;
    while let Some(process) = processes_with(&word).first() {
        hold!(Instant::now() < end, "a process that ran in it still runs: {process}");
        tokio::time::sleep(LOOKING).await;
    }
    no_process_on_its_machine(bench, &made, &word).await
}

async fn leave_processes(session: &dyn Session, made: &Made, word: &str) -> Result<(), Stop> {
    let wait = format!("while :; do sleep 1; done # {word}");
    let cannot = |error| Stop::failed(format!("a command cannot be started inside: {error}"));
    session.exec(ExecRequest::new(["sh", "-c", &wait])).await.map_err(cannot)?;
    let script = "if command -v setsid > /dev/null; then setsid sh -c \"$1\" < /dev/null > /dev/null 2>&1 & else sh -c \"$1\" < /dev/null > /dev/null 2>&1 & fi";
    run_inside(session, made, &["sh", "-c", script, "sh", &wait], b"").await.map(drop)
}

/// The command lines on this machine that have this word.
fn processes_with(word: &str) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let lines = entries.filter_map(|entry| {
        let words = std::fs::read(entry.ok()?.path().join("cmdline")).ok()?;
        let line = String::from_utf8_lossy(&words).replace('\0', " ");
        line.contains(word).then_some(line)
    });
    lines.collect()
}

/// The word comes by standard input, so that whoever looks for it does not find itself.
const LOOK: &str = r#"read -r word; for file in /proc/[0-9]*/cmdline; do
    words=$(tr '\0' ' ' < "$file" 2> /dev/null); case $words in *"$word"*) echo "$words";; esac
done"#;

async fn no_process_on_its_machine(bench: &Bench, made: &Made, word: &str) -> Verdict {
    let Some(route) = route(&made.reachability)?.filter(|_| !made.reachability.owns_machine) else { return Ok(()) };
    let Ok(machine) = bench.subject().doors.visit(&route).await else { return Ok(()) };
    let on_machine = Made { reachability: Default::default(), ..made.clone() };
    let end = Instant::now() + bench.common.patience.vanishing;
    loop {
        let found =
            run_inside(machine.session.as_ref(), &on_machine, &["sh", "-c", LOOK], format!("{word}\n").as_bytes())
                .await?;
        if found.text().trim().is_empty() {
            return Ok(());
        }
        hold!(Instant::now() < end, "a process that ran in it still runs on {route}: {}", found.text().trim());
        tokio::time::sleep(LOOKING).await;
    }
}
