use crate::bench::Bench;
use crate::check::{Verdict, check, hold};
use sandboxer_sdk::ObservedState;
use sandboxer_types::Verb;

check!(
    L4,
    "status-follows",
    rule: "`status` says how a sandbox is now, whoever changed it",
    does: "asks before it is made, while it is ready, after the plan's `stop` has stopped it from outside, and once it was removed",
    proves: "what people read of a sandbox is the backend's truth, not a memory"
);

async fn run(bench: &Bench) -> Verdict {
    bench.needs(Verb::Status)?;
    let named = bench.name()?;
    let before = bench.status(&named).await?;
    hold!(before == ObservedState::Absent, "before anything is made it says {before:?}");
    let made = bench.make_named(named).await?;
    let ready = bench.status(&made.named).await?;
    hold!(
        matches!(ready, ObservedState::Running | ObservedState::Busy),
        "of a sandbox that is ready it says {ready:?}"
    );
    match bench.backend().stop(&made.named.sandbox_id).await {
        Err(crate::check::Stop::Skipped(_)) => {}
        stopped => {
            stopped?;
            let state = bench.status(&made.named).await?;
            hold!(state != ObservedState::Running, "of a sandbox that was stopped from outside it says {state:?}");
        }
    }
    bench.remove(&made.named, &made.handle).await?;
    let after = bench.status(&made.named).await?;
    hold!(after == ObservedState::Absent, "once it was removed it says {after:?}");
    Ok(())
}
