use super::needs_witness;
use crate::bench::Bench;
use crate::check::{Verdict, check, hold};
use sandboxer_types::Verb;

check!(
    L3,
    "provisioned-ten-times",
    rule: "Asked again for one id, it makes nothing again",
    does: "provisions ten times under one id, each time in a fresh process, counts what the backend and `list` have after the first and after the last, and removes it once",
    proves: "a host that lost an answer may simply ask again"
);

async fn run(bench: &Bench) -> Verdict {
    needs_witness(bench)?;
    let made = bench.make().await?;
    let first = bench.backend().inventory().await?;
    for number in 2..=10 {
        let handle = bench.must_provision(&made.named).await?;
        bench.must_be_ready(&made.named, &handle).await?;
        hold!(
            handle.members().len() >= 2 && handle.check(&made.named.sandbox_id, &made.named.host).is_ok(),
            "the handle of attempt {number} breaks a rule"
        );
    }
    let last = bench.backend().inventory().await?;
    let count = |lines: &Option<Vec<String>>| lines.as_ref().map_or(0, Vec::len);
    hold!(
        count(&first) == count(&last),
        "after one attempt the backend had {} entries, and after ten {}",
        count(&first),
        count(&last)
    );
    if bench.has(Verb::List) {
        let listed = bench.listed(&made.named.owner).await?;
        let times = listed.iter().filter(|id| **id == made.named.sandbox_id).count();
        hold!(times == 1, "`list` has it {times} times");
    }
    bench.remove(&made.named, &made.handle).await?;
    bench.nothing_new().await
}
