use crate::bench::{Bench, Named};
use crate::check::{Stop, Verdict, check, hold};
use crate::conversation::{Conversation, Ending};
use crate::fault::{Fault, When};
use sandboxer_sdk::TeardownReason;
use sandboxer_sdk::wire::{
    Ask, AskConnect, AskEstimateCost, AskExtend, AskList, AskListSnapshots, AskPause, AskPrices, AskRecover, AskResume,
    AskStatus, AskTeardown, AskValidate, AskWaitReady, Method, RpcErrorCode,
};
use sandboxer_types::Lifecycle;
use std::time::Duration;

check!(
    L1,
    "answers-first-in-a-fresh-process",
    rule: "Each verb that it has is answered, with a result or an error of the contract, as the first request of a process",
    does: "asks every verb that makes nothing about a sandbox that there is not, each in a process of its own; withdraws after five seconds",
    proves: "no verb needs that another one came before it, and every declared verb is there"
);

const PATIENCE: Duration = Duration::from_secs(5);

async fn run(bench: &Bench) -> Verdict {
    for method in methods(bench) {
        let conversation = ask_about_nothing(bench, method).await?;
        let withdrawn = conversation.answered_after.is_some();
        match conversation.ending {
            Ending::Answered(Ok(_)) => {}
            Ending::Answered(Err(error)) => hold!(
                error.code == RpcErrorCode::DOMAIN.0,
                "it refuses `{method}` with {}: {}; an error of the contract has {}",
                error.code,
                error.message,
                RpcErrorCode::DOMAIN.0
            ),
            // It hears of a withdrawal by a signal, and may end by that.
            Ending::Died(_) if withdrawn && bench.subject().program.lifecycle == Lifecycle::Oneshot => {}
            Ending::Died(how) => return Err(Stop::failed(format!("it ended {how} before it answered `{method}`"))),
            Ending::Cut => return Err(Stop::failed(format!("`{method}` was cut off"))),
        }
    }
    Ok(())
}

/// The methods that it has and that make nothing.
pub(super) fn methods(bench: &Bench) -> Vec<Method> {
    let makes =
        [Method::Provision, Method::Restore, Method::Fork, Method::Snapshot, Method::DeleteSnapshot, Method::Describe];
    let has = |method: &Method| method.verb().is_none_or(|verb| bench.has(verb));
    Method::ALL.iter().copied().filter(|method| !makes.contains(method) && has(method)).collect()
}

/// Asks about a sandbox that there is not.
pub(super) async fn ask_about_nothing(bench: &Bench, method: Method) -> Result<Conversation, Stop> {
    let named = bench.nobody();
    let handle = named.minimal_handle();
    let (host, owner, page, draft) = (named.host.clone(), named.owner.clone(), None, None);
    let (profile, inputs) = (bench.subject().profile.clone(), bench.subject().inputs(&bench.subject().plan.inputs));
    match method {
        Method::Validate => asked(bench, &named, &AskValidate { host, profile, inputs }).await,
        Method::WaitReady => asked(bench, &named, &AskWaitReady { handle }).await,
        Method::Teardown => {
            asked(bench, &named, &AskTeardown { host, handle, reason: TeardownReason::Requested }).await
        }
        Method::Recover => asked(bench, &named, &AskRecover { host, draft }).await,
        Method::List => asked(bench, &named, &AskList { host, owner, page }).await,
        Method::Status => asked(bench, &named, &AskStatus { handle }).await,
        Method::EstimateCost => {
            asked(bench, &named, &AskEstimateCost { host, profile, inputs, duration_ms: 3_600_000 }).await
        }
        Method::Prices => asked(bench, &named, &AskPrices {}).await,
        Method::Extend => asked(bench, &named, &AskExtend { handle, ttl_ms: 60_000 }).await,
        Method::Pause => asked(bench, &named, &AskPause { handle }).await,
        Method::Resume => asked(bench, &named, &AskResume { handle }).await,
        Method::ListSnapshots => asked(bench, &named, &AskListSnapshots { host, owner, page }).await,
        Method::Connect => asked(bench, &named, &AskConnect { handle }).await,
        Method::Describe
        | Method::Provision
        | Method::Restore
        | Method::Fork
        | Method::Snapshot
        | Method::DeleteSnapshot => Err(Stop::failed(format!("`{method}` is not asked about nothing"))),
    }
}

async fn asked<A: Ask>(bench: &Bench, named: &Named, ask: &A) -> Result<Conversation, Stop> {
    let mut peer = bench.peer()?;
    let conversation = bench.converse(&mut peer, named, ask, Some(Fault::cancel(When::After(PATIENCE)))).await?;
    peer.kill().await?;
    Ok(conversation)
}
