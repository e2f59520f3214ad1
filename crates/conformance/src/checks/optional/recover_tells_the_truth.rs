use crate::bench::Bench;
use crate::check::{Verdict, check, hold};
use crate::making::checked;
use sandboxer_sdk::wire::Found;
use sandboxer_types::Verb;

check!(
    L4,
    "recover-tells-the-truth",
    rule: "`recover` says what is there under an id, with a handle that is as good as the first one",
    does: "recovers an id before anything is made, while its sandbox is ready, and once it was removed; reaches and removes it by the handle that was recovered",
    proves: "a host that lost everything but the id gets back what it had"
);

async fn run(bench: &Bench) -> Verdict {
    bench.needs(Verb::Recover)?;
    let named = bench.name()?;
    let before = bench.recovered(&named).await?;
    hold!(matches!(before, Found::Absent), "before anything is made it says {before:?}");
    let made = bench.make_named(named).await?;
    let found = bench.recovered(&made.named).await?;
    let Found::Present { handle } = found else {
        hold!(false, "of a sandbox that is ready it says {found:?}");
        return Ok(());
    };
    let handle = checked(handle, &made.named)?;
    bench.must_be_ready(&made.named, &handle).await?;
    bench.remove(&made.named, &handle).await?;
    let after = bench.recovered(&made.named).await?;
    hold!(matches!(after, Found::Absent), "once it was removed it says {after:?}");
    Ok(())
}
