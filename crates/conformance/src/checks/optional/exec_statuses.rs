use crate::bench::Bench;
use crate::check::{Verdict, check, hold};
use crate::inside::run as run_inside;

check!(
    L4,
    "exec-statuses",
    rule: "A command's status is its own",
    does: "runs commands that end with 0, 1, 2, 126, 127, 137 and 255, one that is killed, and one that there is not",
    proves: "a build that fails inside fails outside, for the same reason"
);

async fn run(bench: &Bench) -> Verdict {
    let made = bench.make().await?;
    let session = bench.enter(&made).await?;
    for status in [0, 1, 2, 126, 127, 137, 255] {
        let script = format!("exit {status}");
        let ran = run_inside(session.as_ref(), &made, &["sh", "-c", &script], b"").await?;
        hold!(ran.status == status, "a command that ended with {status} is said to have ended with {}", ran.status);
    }
    let killed = run_inside(session.as_ref(), &made, &["sh", "-c", "kill -9 $$"], b"").await?;
    hold!(killed.status == 137, "a command that was killed by signal 9 is said to have ended with {}", killed.status);
    bench.remove(&made.named, &made.handle).await.map(drop)
}
