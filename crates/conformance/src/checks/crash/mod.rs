//! L3: nothing is lost, whoever dies and whenever.

pub(super) mod answers_lost;
pub(super) mod asked_twice_at_once;
pub(super) mod backend_down_is_an_error;
pub(super) mod backend_fails_midway;
pub(super) mod cancelled_at_every_message;
pub(super) mod deadlines_are_kept;
pub(super) mod killed_at_every_message;
pub(super) mod killed_at_random;
pub(super) mod many_at_once;
pub(super) mod minimal_handle_is_enough;
pub(super) mod no_late_birth;
pub(super) mod none_means_none;
pub(super) mod not_read_for_a_while;
pub(super) mod other_inputs_conflict;
pub(super) mod owners_never_meet;
pub(super) mod provisioned_ten_times;
pub(super) mod somebody_knows_what_exists;
pub(super) mod torn_down_ten_times;
pub(super) mod unknown_ids_are_no_error;

use crate::asking::{read_if_answered, told};
use crate::bench::{Bench, Named};
use crate::check::{Stop, Verdict, hold};
use crate::conversation::{Conversation, Ending};
use crate::fault::Fault;
use crate::making::checked;
use sandboxer_sdk::wire::{Ask, AskProvision, AskWaitReady};
use sandboxer_types::{Lifecycle, Residue};
use std::time::Duration;

/// What every crash must come to. Which of the two is looked at is left to chance: provisioning again converges, or nothing is
/// done but a teardown with what is always known. Then nothing is left.
pub(super) async fn must_converge(bench: &Bench, named: &Named) -> Verdict {
    let provisions_again = bench.dice().below(2) == 0;
    if provisions_again {
        let handle = bench.must_provision(named).await?;
        bench.must_be_ready(named, &handle).await?;
    }
    must_leave_nothing(bench, named).await
}

/// That a teardown with what is always known leaves nothing.
pub(super) async fn must_leave_nothing(bench: &Bench, named: &Named) -> Verdict {
    bench.remove(named, &named.minimal_handle()).await.map(drop)
}

/// Skips the check where nobody could tell whether something is left.
pub(super) fn needs_witness(bench: &Bench) -> Result<(), Stop> {
    match bench.witnesses().is_empty() {
        true => Err(Stop::skipped(
            "nobody can tell what exists: it has neither `recover`, `list` nor `status`, and the plan no `inventory`",
        )),
        false => Ok(()),
    }
}

/// How long each of the three calls takes here.
pub(super) struct Spans {
    pub(super) provision: Duration,
    pub(super) wait_ready: Duration,
    pub(super) teardown: Duration,
}

/// Measures them by one sandbox, each in a fresh process, as they are killed later.
pub(super) async fn spans(bench: &Bench) -> Result<Spans, Stop> {
    let named = bench.name()?;
    let (provision, made) = timed(bench, &named, &bench.provision_of(&named)).await?;
    let handle = checked(made.handle, &named)?;
    let (wait_ready, reached) = timed(bench, &named, &AskWaitReady { handle: handle.clone() }).await?;
    bench.remember(&named, &reached.reachability);
    let (teardown, _) = timed(bench, &named, &bench.teardown_of(&named, &handle)).await?;
    must_leave_nothing(bench, &named).await?;
    Ok(Spans { provision, wait_ready, teardown })
}

async fn timed<A: Ask>(bench: &Bench, named: &Named, ask: &A) -> Result<(Duration, A::Answer), Stop> {
    let mut peer = bench.peer()?;
    let conversation = bench.converse(&mut peer, named, ask, None).await?;
    let took = conversation.took;
    let answer = crate::asking::read::<A>(conversation)?;
    let answer = answer.map_err(|failure| Stop::failed(format!("`{}` failed: {}", A::METHOD, told(&failure))))?;
    peer.kill().await?;
    Ok((took, answer))
}

/// How long a `provision` takes here.
pub(super) async fn provision_time(bench: &Bench) -> Result<Duration, Stop> {
    Ok(spans(bench).await?.provision)
}

/// Provisions, is withdrawn, and holds the answer to what it says: a handle that is one, or an error whose residue is true.
pub(super) async fn withdraw(bench: &Bench, named: &Named, fault: Fault) -> Result<bool, Stop> {
    let conversation = bench.ask_with(named, &bench.provision_of(named), fault).await?;
    let struck = conversation.struck;
    must_have_answered(bench, named, conversation).await?;
    Ok(struck)
}

/// That a withdrawn `provision` was answered with the truth.
pub(super) async fn must_have_answered(bench: &Bench, named: &Named, conversation: Conversation) -> Verdict {
    if let Ending::Died(how) = &conversation.ending {
        // A process of one request hears of it by a signal; what it did then counts as unknown.
        let may_end = bench.subject().program.lifecycle == Lifecycle::Oneshot && conversation.answered_after.is_some();
        hold!(may_end, "it was withdrawn and never answered: it ended {how}");
    }
    match read_if_answered::<AskProvision>(conversation)? {
        Some(Ok(made)) => checked(made.handle, named).map(drop),
        Some(Err(failure)) if failure.residue == Residue::None => match bench.seen(named).await? {
            Some(how) => {
                Err(Stop::failed(format!("it said that nothing is left ({}), and yet: {how}", told(&failure))))
            }
            None => Ok(()),
        },
        Some(Err(_)) | None => Ok(()),
    }
}
