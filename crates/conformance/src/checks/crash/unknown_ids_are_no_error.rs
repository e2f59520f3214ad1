use crate::bench::Bench;
use crate::check::{Verdict, check, hold};

check!(
    L3,
    "unknown-ids-are-no-error",
    rule: "Removing what was never made succeeds, once it was looked for",
    does: "tears down an id that nothing was ever made under",
    proves: "a host that does not know whether anything was made can always ask for its removal"
);

async fn run(bench: &Bench) -> Verdict {
    let named = bench.name()?;
    let report = bench.must_tear_down(&named, &named.minimal_handle()).await?;
    hold!(report.removed.is_empty(), "it says that it removed what never was: {}", report.removed.join("; "));
    let said = !report.already_absent.is_empty() || !report.retained.is_empty();
    hold!(said, "its report does not say in `already_absent` what it looked for");
    bench.must_be_gone(&named).await?;
    bench.strike(&named)
}
