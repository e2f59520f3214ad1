use super::{must_converge, needs_witness, provision_time};
use crate::bench::{Bench, Named};
use crate::check::{Verdict, check};
use crate::fault::{Fault, When};
use sandboxer_sdk::wire::AskWaitReady;

check!(
    L3,
    "killed-at-random",
    rule: "Killed at any instant, it loses nothing",
    does: "kills the extension with its group at random instants of `provision`, of `wait_ready` and of `teardown`, as often as `--kills` says; then provisions again, or tears down what is always known; in the end looks for late births",
    proves: "between its messages there is no instant at which something exists that nobody can find"
);

async fn run(bench: &Bench) -> Verdict {
    needs_witness(bench)?;
    // A little longer than the call takes, so that its end is hit, too.
    let span = provision_time(bench).await?.mul_f64(1.2);
    let mut struck = Vec::new();
    for _ in 0..bench.common.kills {
        let (verb, instant) = {
            let mut dice = bench.dice();
            (dice.below(4), dice.instant(span))
        };
        let named = bench.name()?;
        kill(bench, &named, verb, Fault::kill(When::After(instant))).await?;
        must_converge(bench, &named).await?;
        struck.push(named);
    }
    tokio::time::sleep(bench.common.patience.late).await;
    for named in &struck {
        bench.must_be_gone(named).await?;
    }
    bench.nothing_new().await
}

/// Half of them hit `provision`, where most can go wrong.
async fn kill(bench: &Bench, named: &Named, verb: u64, fault: Fault) -> Verdict {
    match verb {
        0 => {
            let handle = bench.must_provision(named).await?;
            bench.ask_with(named, &AskWaitReady { handle }, fault).await.map(drop)
        }
        1 => {
            let handle = bench.must_provision(named).await?;
            bench.must_be_ready(named, &handle).await?;
            bench.ask_with(named, &bench.teardown_of(named, &handle), fault).await.map(drop)
        }
        _ => bench.ask_with(named, &bench.provision_of(named), fault).await.map(drop),
    }
}
