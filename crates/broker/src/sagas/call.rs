//! Calling an extension that may be late, and trying again where that may help.

use crate::control::Context;
use crate::engine::Patience;
use sandboxer_sdk::Call;
use sandboxer_types::{ErrorKind, Failure, Residue, Retry};
use std::time::Duration;

/// Waits for `work`. Once the call is cancelled or out of time it has `patience.answer` left to say what is left behind.
pub(crate) async fn supervised<T>(
    call: &Call,
    patience: &Patience,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    tokio::pin!(work);
    let end = tokio::select! {
        biased;
        answer = &mut work => return answer,
        end = call.ended() => end,
    };
    match tokio::time::timeout(patience.answer, work).await {
        Ok(answer) => answer,
        Err(_) => {
            let mut failure = end.failure().with_residue(Residue::Unknown);
            failure.causes.push(format!("the extension gave no answer within {:?} after that", patience.answer));
            Err(failure)
        }
    }
}

/// Whether `failure`, of the attempt of this number, is worth another one.
pub(super) fn try_again(failure: &Failure, attempt: u32, patience: &Patience, context: &Context) -> bool {
    failure.retry == Retry::Backoff
        && attempt < patience.attempts
        && !context.cancel.is_cancelled()
        && !matches!(failure.kind, ErrorKind::Cancelled | ErrorKind::Deadline)
}

/// Waits before the next attempt of the call that failed. When the caller withdraws meanwhile, or time runs out, there is
/// none: the failure then says so, and leaves behind what the failed attempt did.
pub(super) async fn back_off(failure: &Failure, call: &Call, patience: &Patience) -> Result<(), Failure> {
    let asked = failure.retry_after_ms.map(Duration::from_millis);
    let doubled = patience.backoff.saturating_mul(1 << (call.attempt - 1).min(6));
    tokio::select! {
        () = tokio::time::sleep(asked.unwrap_or(doubled)) => Ok(()),
        end = call.ended() => {
            let mut ended = end.failure().with_residue(failure.residue);
            ended.causes.push(failure.message.clone());
            Err(ended)
        }
    }
}
