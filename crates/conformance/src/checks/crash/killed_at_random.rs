use super::{Spans, must_converge, needs_witness, spans};
use crate::bench::{Bench, Named};
use crate::check::{Stop, Verdict, check};
use crate::fault::{Fault, When};
use sandboxer_sdk::wire::AskWaitReady;
use sandboxer_types::Verb;
use std::time::Duration;

check!(
    L3,
    "killed-at-random",
    rule: "Killed at any instant, it loses nothing",
    does: "kills the extension with its group at random instants of `provision`, of `wait_ready` and of `teardown`, as often as `--kills` says; then provisions again, or tears down what is always known; in the end looks for late births",
    proves: "between its messages there is no instant at which something exists that nobody can find"
);

async fn run(bench: &Bench) -> Verdict {
    needs_witness(bench)?;
    let spans = spans(bench).await?;
    let mut struck = Vec::new();
    for _ in 0..bench.common.kills {
        let named = bench.name()?;
        kill(bench, &named, &spans).await?;
        must_converge(bench, &named).await?;
        struck.push(named);
    }
    tokio::time::sleep(bench.common.patience.late).await;
    nothing_born(bench, &struck).await
}

/// Most of them hit `provision`, where most can go wrong.
async fn kill(bench: &Bench, named: &Named, spans: &Spans) -> Verdict {
    let verb = bench.dice().below(6);
    if verb > 1 {
        return bench.ask_with(named, &bench.provision_of(named), within(bench, spans.provision)).await.map(drop);
    }
    let handle = bench.must_provision(named).await?;
    if verb == 0 {
        let ask = AskWaitReady { handle };
        return bench.ask_with(named, &ask, within(bench, spans.wait_ready)).await.map(drop);
    }
    bench.must_be_ready(named, &handle).await?;
    bench.ask_with(named, &bench.teardown_of(named, &handle), within(bench, spans.teardown)).await.map(drop)
}

/// An instant of the call, or shortly after it, so that its end is hit, too.
fn within(bench: &Bench, span: Duration) -> Fault {
    Fault::kill(When::After(bench.dice().instant(span.mul_f64(1.1))))
}

/// Each was seen gone once; now all are looked for together.
async fn nothing_born(bench: &Bench, struck: &[Named]) -> Verdict {
    if bench.has(Verb::List) {
        let listed = bench.listed(&bench.common.owner).await?;
        let born = struck.iter().find(|named| listed.contains(&named.sandbox_id));
        if let Some(named) = born {
            return Err(Stop::failed(format!("{} was born late: `list` has it", named.sandbox_id)));
        }
    } else {
        for named in struck {
            bench.must_be_gone(named).await?;
        }
    }
    bench.nothing_new().await
}
