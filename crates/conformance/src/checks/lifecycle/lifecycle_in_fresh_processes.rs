use crate::bench::Bench;
use crate::check::{Verdict, check, hold};
use crate::making::must_say_something;

check!(
    L2,
    "lifecycle-in-fresh-processes",
    rule: "Each of the three methods works in a process that never saw the others",
    does: "makes a sandbox, waits for it twice and tears it down twice, each in a process of its own that is killed with its group once it has answered",
    proves: "the handle is enough, and what should stay does not hang on the process that made it"
);

async fn run(bench: &Bench) -> Verdict {
    let made = bench.make().await?;
    let again = bench.must_be_ready(&made.named, &made.handle).await?;
    hold!(again == made.reachability, "`wait_ready` says {:?} first, and then {again:?}", made.reachability);
    let report = bench.must_tear_down(&made.named, &made.handle).await?;
    hold!(
        !report.removed.is_empty() || !report.retained.is_empty(),
        "it removed a sandbox, and its report says of nothing that it was removed"
    );
    let again = bench.must_tear_down(&made.named, &made.handle).await?;
    must_say_something(&again)?;
    bench.remove(&made.named, &made.handle).await.map(drop)
}
