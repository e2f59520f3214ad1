//! L3: nothing is lost, whoever dies and whenever.

pub(super) mod killed_at_every_message;

use crate::bench::{Bench, Named};
use crate::check::{Stop, Verdict};

/// What every crash must come to. Which of the two is looked at is left to chance: provisioning again converges, or nothing is
/// done but a teardown with what is always known. Then nothing is left.
pub(super) async fn must_converge(bench: &Bench, named: &Named) -> Verdict {
    let provisions_again = bench.dice().below(2) == 0;
    if provisions_again {
        let handle = bench.must_provision(named).await?;
        bench.must_be_ready(named, &handle).await?;
    }
    must_leave_nothing(bench, named).await
}

/// That a teardown with what is always known leaves nothing.
pub(super) async fn must_leave_nothing(bench: &Bench, named: &Named) -> Verdict {
    bench.remove(named, &named.minimal_handle()).await.map(drop)
}

/// Skips the check where nobody could tell whether something is left.
pub(super) fn needs_witness(bench: &Bench) -> Result<(), Stop> {
    match bench.witnesses().is_empty() {
        true => Err(Stop::skipped(
            "nobody can tell what exists: it has neither `recover`, `list` nor `status`, and the plan no `inventory`",
        )),
        false => Ok(()),
    }
}
