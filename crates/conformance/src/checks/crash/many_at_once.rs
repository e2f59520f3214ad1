use crate::asking::told;
use crate::bench::{Bench, Made, Named};
use crate::check::{Stop, Verdict, check};
use crate::inside::{leave_word, must_have_word};
use crate::making::checked;
use crate::peer::{Heard, Peer};
use futures::future::try_join_all;
use sandboxer_sdk::wire::{FromExtension, Made as MadeAnswer};
use sandboxer_types::{Failure, Handle, Lifecycle};
use std::collections::BTreeMap;

check!(
    L3,
    "many-at-once",
    rule: "Calls at the same time do not meet",
    does: "makes several sandboxes at once, in one process as far as the manifest's `concurrency` allows; leaves a word in each, reads all words, and removes all at once",
    proves: "each answer is the answer to its own call, and each sandbox is its own"
);

const MOST: u32 = 6;

async fn run(bench: &Bench) -> Verdict {
    let program = &bench.subject().program;
    let in_one = program.lifecycle == Lifecycle::Persistent && program.concurrency > 1;
    let count = if in_one { program.concurrency.min(MOST) } else { 3 };
    let named = (0..count).map(|_| bench.name()).collect::<Result<Vec<Named>, Stop>>()?;
    let handles = if in_one {
        in_one_process(bench, &named).await?
    } else {
        try_join_all(named.iter().map(|named| bench.must_provision(named))).await?
    };
    let readied = named.into_iter().zip(handles).map(async |(named, handle)| {
        let reachability = bench.must_be_ready(&named, &handle).await?;
        Ok::<_, Stop>(Made { named, handle, reachability })
    });
    let made = try_join_all(readied).await?;
    if !matches!(bench.enter(&made[0]).await, Err(Stop::Skipped(_))) {
        words_stay_apart(bench, &made).await?;
    }
    try_join_all(made.iter().map(|made| bench.remove(&made.named, &made.handle))).await.map(drop)
}

async fn in_one_process(bench: &Bench, all: &[Named]) -> Result<Vec<Handle>, Stop> {
    let mut peer = bench.peer()?;
    let mut calls = BTreeMap::new();
    let mut limit = bench.limit_of("provision");
    for (place, named) in all.iter().enumerate() {
        let request = bench.request(named, &bench.provision_of(named))?;
        peer.send(&request.line).await;
        limit = request.limit;
        calls.insert(request.call, place);
    }
    let mut handles = vec![None; all.len()];
    while !calls.is_empty() {
        let (place, handle) = next_handle(&mut peer, limit, &mut calls).await?;
        handles[place] = Some(checked(handle, &all[place])?);
    }
    peer.kill().await?;
    Ok(handles.into_iter().flatten().collect())
}

async fn next_handle(
    peer: &mut Peer,
    limit: std::time::Duration,
    calls: &mut BTreeMap<String, usize>,
) -> Result<(usize, Handle), Stop> {
    loop {
        let answer = match peer.next(limit).await {
            Heard::Message(message) => match *message {
                FromExtension::Answer(answer) => answer,
                FromExtension::Progress(_) | FromExtension::Log(_) | FromExtension::Checkpoint(_) => continue,
            },
            heard => return Err(Stop::failed(format!("with several calls in flight it said {heard:?}"))),
        };
        let id = answer.id.unwrap_or_default();
        let place =
            calls.remove(&id).ok_or_else(|| Stop::failed(format!("it answered `{id}`, which is not in flight")))?;
        let made = answer.outcome.map_err(|error| {
            Stop::failed(format!("with several calls in flight `provision` failed: {}", told(&Failure::from(error))))
        })?;
        let made: MadeAnswer = serde_json::from_value(made).map_err(|error| Stop::failed(error.to_string()))?;
        return Ok((place, made.handle));
    }
}

async fn words_stay_apart(bench: &Bench, made: &[Made]) -> Verdict {
    let words: Vec<String> = made.iter().map(|_| bench.word()).collect();
    try_join_all(
        made.iter()
            .zip(&words)
            .map(async |(made, word)| leave_word(bench.enter(made).await?.as_ref(), made, word).await),
    )
    .await?;
    for (made, word) in made.iter().zip(&words) {
        must_have_word(bench.enter(made).await?.as_ref(), made, word).await?;
    }
    Ok(())
}
