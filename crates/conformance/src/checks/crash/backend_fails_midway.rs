use super::{must_leave_nothing, needs_witness};
use crate::asking::{read_if_answered, told};
use crate::bench::{Bench, Named};
use crate::check::{Stop, Verdict, check};
use crate::conversation::{Conversation, Hold, converse};
use crate::fault::{Act, Fault, When};
use crate::making::checked;
use sandboxer_sdk::wire::AskProvision;
use sandboxer_types::Residue;
use std::sync::Arc;
use tokio::sync::Notify;

check!(
    L3,
    "backend-fails-midway",
    rule: "A backend that goes away in the midst of a create leaves nothing that nobody can find",
    does: "takes the backend away (`outage` of the test plan) as soon as `provision` was asked and at each of its messages, brings it back, and tears down what is always known",
    proves: "after every step of a create the next one may fail"
);

const MOST_MESSAGES: usize = 40;

async fn run(bench: &Bench) -> Verdict {
    needs_witness(bench)?;
    if !bench.backend().can_be_taken_away() {
        return Err(Stop::skipped("the test plan has no `outage`"));
    }
    for number in 0..MOST_MESSAGES {
        let named = bench.name()?;
        let conversation = provision_with_outage(bench, &named, number).await?;
        let struck = conversation.struck;
        match read_if_answered::<AskProvision>(conversation)? {
            Some(Ok(made)) => drop(checked(made.handle, &named)?),
            Some(Err(failure)) if failure.residue == Residue::None => {
                if let Some(how) = bench.seen(&named).await? {
                    let told = told(&failure);
                    return Err(Stop::failed(format!("it said that nothing is left ({told}), and yet: {how}")));
                }
            }
            Some(Err(_)) | None => {}
        }
        must_leave_nothing(bench, &named).await?;
        if !struck {
            break;
        }
    }
    bench.nothing_new().await
}

async fn provision_with_outage(bench: &Bench, named: &Named, number: usize) -> Result<Conversation, Stop> {
    let hold = Arc::new(Hold::default());
    let mut request = bench.request(named, &bench.provision_of(named))?;
    request.hold = Some(hold.clone());
    let mut peer = bench.peer()?;
    let fault = Fault { act: Act::Hold, when: When::Message(number) };
    let finished = Notify::new();
    let outage = async {
        tokio::select! {
            () = hold.reached.notified() => {
                let taken = bench.backend().take_away().await;
                hold.done.notify_one();
                taken
            }
            // There were not so many messages.
            () = finished.notified() => Ok(()),
        }
    };
    let talking = async {
        let conversation = converse(&mut peer, &request, Some(fault), bench.common.patience.answering).await;
        finished.notify_one();
        conversation
    };
    let (taken, conversation) = tokio::join!(outage, talking);
    bench.backend().bring_back().await?;
    taken?;
    bench.count_fault();
    peer.kill().await?;
    conversation
}
