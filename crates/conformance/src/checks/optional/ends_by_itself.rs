use super::make_short_lived;
use crate::bench::{Bench, needs_feature};
use crate::check::{Verdict, check, hold};
use sandboxer_types::Feature;
use std::time::{Duration, Instant};

check!(
    L4,
    "ends-by-itself",
    rule: "With `native_ttl` a sandbox ends when its time is over, whoever is there",
    does: "makes a sandbox of a few seconds, ends every process of the extension, asks nobody until its time is over, and then looks until nobody sees it any more",
    proves: "when every host is off and every record is lost, what was made still goes"
);

const LOOKING: Duration = Duration::from_millis(500);

async fn run(bench: &Bench) -> Verdict {
    needs_feature(bench, Feature::NativeTtl)?;
    super::super::crash::needs_witness(bench)?;
    // Each call is asked of a process that is killed once it has answered: nothing of the extension runs any more.
    let (made, ready) = make_short_lived(bench).await?;
    tokio::time::sleep(made.named.lifetime.saturating_sub(ready.elapsed())).await;
    let end = Instant::now() + bench.common.patience.expiring;
    while let Some(how) = bench.seen(&made.named).await? {
        hold!(Instant::now() < end, "its time has been over for {:?}, and {how}", bench.common.patience.expiring);
        tokio::time::sleep(LOOKING).await;
    }
    bench.must_stay_gone(&made.named).await
}
