use super::{make_short_lived, must_answer};
use crate::bench::Bench;
use crate::check::{Verdict, check, hold};
use sandboxer_sdk::wire::AskExtend;
use sandboxer_sdk::{Clock, SystemClock};
use sandboxer_types::Verb;
use std::time::Duration;

check!(
    L4,
    "extend-moves-the-end",
    rule: "`extend` lets a sandbox live for that long from now, and says until when",
    does: "extends a sandbox of a few seconds to an hour, twice, and looks for it after its first end",
    proves: "work that takes longer is not cut off"
);

const HOUR: Duration = Duration::from_secs(3600);
/// Clocks differ, and calls take their time.
const TOLERANCE: i64 = 120;

async fn run(bench: &Bench) -> Verdict {
    bench.needs(Verb::Extend)?;
    let (made, ready) = make_short_lived(bench).await?;
    for _ in 0..2 {
        let ask = AskExtend { handle: made.handle.clone(), ttl_ms: 3_600_000 };
        let until = must_answer(bench, &made.named, &ask).await?.expires_at;
        let wanted = SystemClock.now().as_second() + 3600;
        let off = (until.as_second() - wanted).abs();
        hold!(off < TOLERANCE, "asked for {HOUR:?} it ends {off} s earlier or later than that");
    }
    let past = made.named.lifetime + Duration::from_secs(2);
    tokio::time::sleep(past.saturating_sub(ready.elapsed())).await;
    bench.must_be_there(&made).await?;
    bench.remove(&made.named, &made.handle).await.map(drop)
}
