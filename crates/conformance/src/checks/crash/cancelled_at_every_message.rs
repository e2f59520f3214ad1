use super::{must_converge, must_leave_nothing, withdraw};
use crate::bench::Bench;
use crate::check::{Verdict, check, hold};
use crate::conversation::Ending;
use crate::fault::{Fault, When};
use sandboxer_sdk::wire::AskWaitReady;
use sandboxer_types::Lifecycle;

check!(
    L3,
    "cancelled-at-every-message",
    rule: "A withdrawn call is answered within five seconds, with the residue that is true",
    does: "withdraws `provision` as soon as it was asked and at each message, and `wait_ready` and `teardown` as soon as they were asked; then provisions again, or tears down what is always known",
    proves: "who presses Ctrl-C gets an answer, and nothing stays behind it"
);

const MOST_MESSAGES: usize = 40;

async fn run(bench: &Bench) -> Verdict {
    for number in 0..MOST_MESSAGES {
        let named = bench.name()?;
        let struck = withdraw(bench, &named, Fault::cancel(When::Message(number))).await?;
        must_converge(bench, &named).await?;
        if !struck {
            break;
        }
    }
    let at_once = Fault::cancel(When::Message(0));
    let named = bench.name()?;
    let handle = bench.must_provision(&named).await?;
    let waited = bench.ask_with(&named, &AskWaitReady { handle: handle.clone() }, at_once).await?;
    must_be_answered(bench, &waited.ending, "wait_ready")?;
    bench.must_be_ready(&named, &handle).await?;
    let removed = bench.ask_with(&named, &bench.teardown_of(&named, &handle), at_once).await?;
    must_be_answered(bench, &removed.ending, "teardown")?;
    must_leave_nothing(bench, &named).await
}

fn must_be_answered(bench: &Bench, ending: &Ending, verb: &str) -> Verdict {
    let may_end = bench.subject().program.lifecycle == Lifecycle::Oneshot;
    if let Ending::Died(how) = ending {
        hold!(may_end, "`{verb}` was withdrawn and never answered: it ended {how}");
    }
    Ok(())
}
