//! The durable log, followed.

use super::Session;
use crate::error::CommandResult;
use sandboxer_broker::store::EventFilter;
use sandboxer_types::{Event, SandboxId};
use std::process::ExitCode;
use std::time::Duration;

/// How often the log is looked at while it is followed. Other processes write it, and have no way to call us.
const INTERVAL: Duration = Duration::from_millis(100);

/// Tells every event, until Ctrl-C or until the record of `until_closed` is closed.
pub(super) async fn events(
    session: &Session<'_>,
    mut filter: EventFilter,
    until_closed: Option<SandboxId>,
    tell: impl Fn(Event),
) -> CommandResult<ExitCode> {
    let mut ticks = tokio::time::interval(INTERVAL);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = session.interrupts.cancel.cancelled() => return Ok(ExitCode::SUCCESS),
        }
        // Looked at first: what is written until it is closed must still be told.
        let is_over = match &until_closed {
            Some(id) => session.control().show(id).await?.state.is_closed(),
            None => false,
        };
        for event in session.control().events(&filter).await? {
            filter.after = event.sequence;
            tell(event);
        }
        if is_over {
            return Ok(ExitCode::SUCCESS);
        }
    }
}
