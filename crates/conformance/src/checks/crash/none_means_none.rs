use super::{must_leave_nothing, needs_witness, provision_time, withdraw};
use crate::asking::told;
use crate::bench::{Bench, Named};
use crate::check::{Verdict, check, hold};
use crate::fault::{Fault, When};
use sandboxer_sdk::wire::AskWaitReady;
use sandboxer_types::Residue;

check!(
    L3,
    "none-means-none",
    rule: "An error says that nothing is left only when nothing is left",
    does: "provokes errors about sandboxes that exist or are half made (a withdrawn `provision` and `wait_ready`, other inputs under their id), and holds each that says `none` against what can be seen",
    proves: "a host that believes an error does not forget a sandbox"
);

async fn run(bench: &Bench) -> Verdict {
    needs_witness(bench)?;
    let span = provision_time(bench).await?;
    for part in [0.2, 0.4, 0.6, 0.8, 0.95] {
        let named = bench.name()?;
        withdraw(bench, &named, Fault::cancel(When::After(span.mul_f64(part)))).await?;
        must_leave_nothing(bench, &named).await?;
    }
    let made = bench.make().await?;
    let waiting = AskWaitReady { handle: made.handle.clone() };
    let conversation = bench.ask_with(&made.named, &waiting, Fault::cancel(When::Message(0))).await?;
    if let Some(Err(failure)) = crate::asking::read_if_answered::<AskWaitReady>(conversation)? {
        hold!(
            failure.residue != Residue::None,
            "of a sandbox that is there it says that nothing is left: {}",
            told(&failure)
        );
    }
    if let Some(other) = &bench.subject().plan.other_inputs {
        let other = Named { inputs: bench.subject().inputs(other), ..made.named.clone() };
        if let Err(failure) = bench.provision(&other).await? {
            hold!(
                failure.residue != Residue::None,
                "of a sandbox that is there it says that nothing is left: {}",
                told(&failure)
            );
        }
    }
    bench.remove(&made.named, &made.handle).await.map(drop)
}
