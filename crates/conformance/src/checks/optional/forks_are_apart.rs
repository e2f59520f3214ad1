use super::must_answer;
use crate::bench::{Bench, Made};
use crate::check::{Verdict, check, hold};
use crate::inside::{leave_word, must_have_word, run as run_inside};
use crate::making::checked;
use sandboxer_sdk::wire::AskFork;
use sandboxer_types::Verb;

check!(
    L4,
    "forks-are-apart",
    rule: "A fork has what its source had, and from then on neither sees the other",
    does: "leaves a word in a sandbox, forks it, changes the word in the fork, reads both, and removes the source; the fork must stay",
    proves: "many can go on from one state without disturbing each other"
);

async fn run(bench: &Bench) -> Verdict {
    bench.needs(Verb::Fork)?;
    let source = bench.make().await?;
    // One after the other: in one statement the dice would be held while they are asked for.
    let word = bench.word();
    let other = bench.word();
    let session = bench.enter(&source).await?;
    leave_word(session.as_ref(), &source, &word).await?;
    let named = bench.name()?;
    let request = bench.provision_of(&named).into_request(named.sandbox_id.clone());
    let handle =
        checked(must_answer(bench, &named, &AskFork::of(source.handle.clone(), &request)).await?.handle, &named)?;
    let reachability = bench.must_be_ready(&named, &handle).await?;
    let fork = Made { named, handle, reachability };
    let inside = bench.enter(&fork).await?;
    must_have_word(inside.as_ref(), &fork, &word).await?;
    let changed =
        run_inside(inside.as_ref(), &fork, &["sh", "-c", "printf %s \"$1\" > sandboxer-word", "sh", &other], b"")
            .await?;
    hold!(changed.status == 0, "the fork cannot be written to");
    must_have_word(session.as_ref(), &source, &word).await?;
    bench.remove(&source.named, &source.handle).await?;
    must_have_word(inside.as_ref(), &fork, &other).await?;
    bench.remove(&fork.named, &fork.handle).await.map(drop)
}
