use crate::bench::Bench;
use crate::check::{Stop, Verdict, check};
use crate::inside::{leave_word, must_have_word};
use futures::future::try_join_all;

check!(
    L2,
    "ready-means-usable",
    rule: "The first command after `wait_ready` works, in this very sandbox",
    does: "makes twenty sandboxes, a few at a time; in each runs a command at once, which leaves a word that no other has, and reads it in a second session",
    proves: "nobody has to wait or to try again after `ready`, and nobody gets somebody else's sandbox"
);

const SANDBOXES: usize = 20;
const AT_ONCE: usize = 4;

async fn run(bench: &Bench) -> Verdict {
    let numbers: Vec<usize> = (0..SANDBOXES).collect();
    for batch in numbers.chunks(AT_ONCE) {
        try_join_all(batch.iter().map(|number| once(bench, *number))).await?;
    }
    Ok(())
}

async fn once(bench: &Bench, number: usize) -> Verdict {
    let counted = |stop| match stop {
        Stop::Failed(why) => Stop::Failed(format!("number {} of {SANDBOXES}: {why}", number + 1)),
        skipped @ Stop::Skipped(_) => skipped,
    };
    let made = bench.make().await.map_err(counted)?;
    let word = bench.word();
    let session = bench.enter(&made).await.map_err(counted)?;
    leave_word(session.as_ref(), &made, &word).await.map_err(counted)?;
    let again = bench.enter(&made).await.map_err(counted)?;
    must_have_word(again.as_ref(), &made, &word).await.map_err(counted)?;
    bench.remove(&made.named, &made.handle).await.map(drop).map_err(counted)
}
