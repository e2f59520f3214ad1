use super::must_answer;
use crate::bench::{Bench, Made};
use crate::check::{Verdict, check};
use crate::inside::{leave_word, must_have_word};
use sandboxer_sdk::wire::AskConnect;
use sandboxer_types::Verb;

check!(
    L4,
    "connect-again-and-again",
    rule: "`connect` may be asked for every stream, and each leads into the same sandbox",
    does: "asks three times, opens a session by each, leaves a word by the first, and reads it by the others",
    proves: "commands, files and ports can be had at the same time"
);

async fn run(bench: &Bench) -> Verdict {
    bench.needs(Verb::Connect)?;
    let made = bench.make().await?;
    must_answer(bench, &made.named, &AskConnect { handle: made.handle.clone() }).await?;
    // By `connect` alone, whatever else leads into it.
    let mut reachability = made.reachability.clone();
    (reachability.agent, reachability.ssh, reachability.enter) = (None, None, None);
    let by_connect = Made { reachability, ..made.clone() };
    let word = bench.word();
    let first = bench.enter(&by_connect).await?;
    leave_word(first.as_ref(), &by_connect, &word).await?;
    for _ in 0..2 {
        must_have_word(bench.enter(&by_connect).await?.as_ref(), &by_connect, &word).await?;
    }
    must_have_word(first.as_ref(), &by_connect, &word).await?;
    bench.remove(&made.named, &made.handle).await.map(drop)
}
