use super::{must_converge, needs_witness};
use crate::bench::{Bench, Named};
use crate::check::{Stop, Verdict, check};
use crate::fault::{Fault, When};
use sandboxer_sdk::wire::{Ask, AskWaitReady};

check!(
    L3,
    "killed-at-every-message",
    rule: "Killed at any message, it loses nothing",
    does: "kills the extension with its group as soon as it was asked, after each message, and instead of its answer, in `provision`, `wait_ready` and `teardown`; then provisions again, or tears down what is always known",
    proves: "whatever an extension has told, and whatever it has not, what it began can be finished or removed"
);

/// So many messages are tried of a call; one that says more is tried at its first ones.
const MOST_MESSAGES: usize = 40;

async fn run(bench: &Bench) -> Verdict {
    needs_witness(bench)?;
    for number in 0..MOST_MESSAGES {
        let named = bench.name()?;
        let struck = kill(bench, &named, &bench.provision_of(&named), number).await?;
        must_converge(bench, &named).await?;
        if !struck {
            break;
        }
    }
    for number in 0..MOST_MESSAGES {
        let named = bench.name()?;
        let handle = bench.must_provision(&named).await?;
        let struck = kill(bench, &named, &AskWaitReady { handle }, number).await?;
        must_converge(bench, &named).await?;
        if !struck {
            break;
        }
    }
    for number in 0..MOST_MESSAGES {
        let made = bench.make().await?;
        let struck = kill(bench, &made.named, &bench.teardown_of(&made.named, &made.handle), number).await?;
        must_converge(bench, &made.named).await?;
        if !struck {
            break;
        }
    }
    Ok(())
}

/// Whether there were so many messages.
async fn kill<A: Ask>(bench: &Bench, named: &Named, ask: &A, number: usize) -> Result<bool, Stop> {
    let conversation = bench.ask_with(named, ask, Fault::kill(When::Message(number))).await?;
    Ok(conversation.struck)
}
