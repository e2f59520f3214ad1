use super::{must_leave_nothing, needs_witness};
use crate::bench::Bench;
use crate::check::{Verdict, check, hold};

check!(
    L3,
    "minimal-handle-is-enough",
    rule: "`teardown` removes a living sandbox by `sandbox_id` and `host` alone",
    does: "makes a sandbox, throws its handle away, and tears down by what is always known; the report must say that something was removed",
    proves: "a handle that was lost with a crash costs nothing"
);

async fn run(bench: &Bench) -> Verdict {
    needs_witness(bench)?;
    let made = bench.make().await?;
    let report = bench.must_tear_down(&made.named, &made.named.minimal_handle()).await?;
    hold!(
        !report.removed.is_empty() || !report.retained.is_empty(),
        "it was asked to remove a living sandbox, and says only what was absent already: {}",
        report.already_absent.join("; ")
    );
    must_leave_nothing(bench, &made.named).await
}
