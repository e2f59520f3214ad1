use super::{must_leave_nothing, needs_witness};
use crate::asking::{may_pass, told};
use crate::bench::{Bench, Named};
use crate::check::{Stop, Verdict, check, hold};
use crate::fault::{Act, Fault, When};
use sandboxer_types::{ErrorKind, Failure, Lifecycle};

check!(
    L3,
    "asked-twice-at-once",
    rule: "Two that ask for one id at the same time get one sandbox",
    does: "provisions one id in two processes at once, counts what the backend has then, and tears it down in two at once; sends one request twice to one process",
    proves: "a host that was believed dead and was not does no harm"
);

async fn run(bench: &Bench) -> Verdict {
    needs_witness(bench)?;
    let alone = entries_of_one(bench).await?;
    let before = entries(bench).await?;
    let named = bench.name()?;
    let (one, other) = tokio::join!(bench.provision(&named), bench.provision(&named));
    let (one, other) = (one?, other?);
    bench.count_fault();
    hold!(
        one.is_ok() || other.is_ok() || all_may_pass(&[&one, &other]),
        "neither of two attempts at once succeeded: {}",
        shown(&[&one, &other])
    );
    let handle = bench.must_provision(&named).await?;
    bench.must_be_ready(&named, &handle).await?;
    let both = entries(bench).await?.saturating_sub(before);
    hold!(both == alone, "one sandbox has {alone} entries in the inventory, and what two made at once has {both}");
    let (one, other) = tokio::join!(bench.teardown(&named, &handle), bench.teardown(&named, &handle));
    bench.count_fault();
    for failure in [one?.err(), other?.err()].into_iter().flatten() {
        hold!(may_pass(&failure), "one of two teardowns at once failed: {}", told(&failure));
    }
    must_leave_nothing(bench, &named).await?;
    bench.nothing_new().await?;
    sent_twice(bench).await
}

/// How many entries of the inventory a sandbox has that nobody else asked for.
async fn entries_of_one(bench: &Bench) -> Result<usize, Stop> {
    let before = entries(bench).await?;
    let made = bench.make().await?;
    let alone = entries(bench).await?.saturating_sub(before);
    bench.remove(&made.named, &made.handle).await?;
    Ok(alone)
}

/// How many entries the inventory has; none where there is no inventory.
async fn entries(bench: &Bench) -> Result<usize, Stop> {
    Ok(bench.backend().inventory().await?.map_or(0, |lines| lines.len()))
}

async fn sent_twice(bench: &Bench) -> Verdict {
    if bench.subject().program.lifecycle == Lifecycle::Oneshot {
        return Ok(());
    }
    let named: Named = bench.name()?;
    let twice = Fault { act: Act::Repeat, when: When::Message(0) };
    // The first answer is the answer; a second one is no more than noise of the host's own making.
    bench.ask_with(&named, &bench.provision_of(&named), twice).await?;
    let handle = bench.must_provision(&named).await?;
    bench.must_be_ready(&named, &handle).await?;
    must_leave_nothing(bench, &named).await?;
    bench.nothing_new().await
}

fn all_may_pass<T>(outcomes: &[&Result<T, Failure>]) -> bool {
    let passes = |failure: &Failure| may_pass(failure) || failure.kind == ErrorKind::Conflict;
    outcomes.iter().all(|outcome| outcome.as_ref().err().is_some_and(passes))
}

fn shown<T>(outcomes: &[&Result<T, Failure>]) -> String {
    outcomes.iter().filter_map(|outcome| outcome.as_ref().err()).map(told).collect::<Vec<_>>().join("; ")
}
