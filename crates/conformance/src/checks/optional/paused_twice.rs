use super::must_answer;
use crate::bench::{Bench, Made};
use crate::check::{Stop, Verdict, check, hold};
use crate::inside::{leave_word, must_have_word};
use sandboxer_sdk::ObservedState;
use sandboxer_sdk::wire::{AskPause, AskResume};
use sandboxer_types::Verb;

check!(
    L4,
    "paused-twice",
    rule: "`pause` and `resume` keep what a sandbox is, and may be asked again",
    does: "leaves a word in a sandbox, pauses it twice, looks at its status, resumes it twice, and reads the word; removes another while it is paused",
    proves: "a sandbox that nobody uses can wait, and loses nothing by that"
);

async fn run(bench: &Bench) -> Verdict {
    bench.needs(Verb::Pause)?;
    bench.needs(Verb::Resume)?;
    let made = bench.make().await?;
    let word = bench.word();
    let entered = match bench.enter(&made).await {
        Err(Stop::Skipped(_)) => false,
        session => leave_word(session?.as_ref(), &made, &word).await.map(|()| true)?,
    };
    let pause = AskPause { handle: made.handle.clone() };
    for _ in 0..2 {
        must_answer(bench, &made.named, &pause).await?;
    }
    if bench.has(Verb::Status) {
        let state = bench.status(&made.named).await?;
        hold!(state == ObservedState::Paused, "of a paused sandbox `status` says {state:?}");
    }
    let mut reachability = None;
    for _ in 0..2 {
        let ask = AskResume { handle: made.handle.clone() };
        reachability = Some(must_answer(bench, &made.named, &ask).await?.reachability);
    }
    let made = Made { reachability: reachability.unwrap_or_default(), ..made };
    bench.remember(&made.named, &made.reachability);
    if entered {
        must_have_word(bench.enter(&made).await?.as_ref(), &made, &word).await?;
    }
    must_answer(bench, &made.named, &pause).await?;
    bench.remove(&made.named, &made.handle).await.map(drop)
}
