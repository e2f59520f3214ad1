use crate::bench::{Bench, Made};
use crate::check::{Stop, Verdict, check};
use crate::inside::{leave_word, must_have_word};
use sandboxer_types::SandboxId;

check!(
    L2,
    "neighbours-are-left-alone",
    rule: "Removing one sandbox touches no other, however alike their names are",
    does: "makes three sandboxes, of which the id of the first begins that of the second and ends that of the third, leaves a word in the first, and removes the other two",
    proves: "a teardown finds its own by the whole id and nothing else by a part of it"
);

async fn run(bench: &Bench) -> Verdict {
    let word = bench.word();
    let short = &word[..8];
    let middle = make(bench, &format!("n{short}")).await?;
    let others = [make(bench, &format!("n{short}-b")).await?, make(bench, &format!("a-n{short}")).await?];
    let session = match bench.enter(&middle).await {
        Err(Stop::Skipped(_)) => None,
        session => Some(session?),
    };
    if let Some(session) = &session {
        leave_word(session.as_ref(), &middle, &word).await?;
    }
    for other in &others {
        bench.remove(&other.named, &other.handle).await?;
        bench.must_be_there(&middle).await?;
        if let Some(session) = &session {
            must_have_word(session.as_ref(), &middle, &word).await?;
        }
    }
    bench.remove(&middle.named, &middle.handle).await.map(drop)
}

async fn make(bench: &Bench, id: &str) -> Result<Made, Stop> {
    let sandbox_id: SandboxId = id.parse().map_err(|fault| Stop::failed(format!("{fault}")))?;
    let inputs = bench.subject().inputs(&bench.subject().plan.inputs);
    bench.make_named(bench.name_as(sandbox_id, inputs)?).await
}
