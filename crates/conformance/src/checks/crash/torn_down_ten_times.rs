use crate::bench::Bench;
use crate::check::{Verdict, check, hold};
use crate::making::must_say_something;

check!(
    L3,
    "torn-down-ten-times",
    rule: "Asked again to remove what is gone, it succeeds and removes nothing",
    does: "tears a sandbox down ten times, each time in a fresh process, beside another that must stay",
    proves: "a host may ask until it has heard that nothing is left"
);

async fn run(bench: &Bench) -> Verdict {
    let (made, other) = (bench.make().await?, bench.make().await?);
    for number in 1..=10 {
        let report = bench.must_tear_down(&made.named, &made.handle).await?;
        must_say_something(&report)?;
        hold!(
            number == 1 || report.removed.is_empty(),
            "attempt {number} says that it removed what was gone already: {}",
            report.removed.join("; ")
        );
    }
    bench.leave(&made.named).await?;
    bench.must_be_gone(&made.named).await?;
    bench.strike(&made.named)?;
    bench.must_be_there(&other).await?;
    bench.remove(&other.named, &other.handle).await.map(drop)
}
