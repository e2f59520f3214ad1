//! What the services of a sandbox say.

use super::{Session, streams};
use crate::error::CommandResult;
use sandboxer_reach::{ExecEvent, Execution, ReachErrorKind};
use sandboxer_types::SandboxId;
use serde::Serialize;

const TERMINATE: i32 = 15;

/// A line of a service's.
#[derive(Serialize)]
struct ServiceLine {
    service_line: String,
}

/// Shows what they said.
pub(super) async fn show(session: &Session<'_>, id: &SandboxId) -> CommandResult<()> {
    match session.control().service_logs(id, false).await? {
        Some(mut execution) => pass_on(session, &mut execution).await,
        None => Ok(()),
    }
}

/// The same as lines.
pub(super) async fn lines(session: &Session<'_>, id: &SandboxId) -> CommandResult<Option<Vec<String>>> {
    let Some(mut execution) = session.control().service_logs(id, false).await? else { return Ok(None) };
    let mut all = Vec::new();
    while let Some(event) = execution.next_event().await? {
        all.extend_from_slice(bytes_of(&event));
    }
    Ok(Some(String::from_utf8_lossy(&all).lines().map(str::to_owned).collect()))
}

/// Shows what they say until they say nothing more, or until what is followed beside them ends.
pub(super) async fn follow<Ended>(
    session: &Session<'_>,
    id: &SandboxId,
    beside: impl Future<Output = CommandResult<Ended>>,
) -> CommandResult<Ended> {
    let mut beside = std::pin::pin!(beside);
    let started = tokio::select! {
        started = session.control().service_logs(id, true) => started?,
        ended = &mut beside => return ended,
    };
    let Some(mut execution) = started else { return beside.await };
    let input = execution.input();
    let ended = {
        let mut showing = std::pin::pin!(pass_on(session, &mut execution));
        tokio::select! {
            shown = &mut showing => shown.map(|()| None),
            ended = &mut beside => ended.map(Some),
        }
    };
    match ended {
        // It would go on over there.
        Ok(Some(ended)) => {
            match input.signal(TERMINATE).await {
                Err(error) if error.kind() != ReachErrorKind::NotFound => {
                    tracing::debug!(%error, "what prints the services' log was left behind");
                }
                Ok(()) | Err(_) => {}
            }
            Ok(ended)
        }
        Ok(None) => beside.await,
        Err(error) => Err(error),
    }
}

async fn pass_on(session: &Session<'_>, execution: &mut Execution) -> CommandResult<()> {
    let mut rest = Vec::new();
    while let Some(event) = execution.next_event().await? {
        if !session.output.is_json() {
            streams::pass_on(session.output, &event)?;
            continue;
        }
        rest.extend_from_slice(bytes_of(&event));
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            tell(session, &rest[..end]);
            rest.drain(..=end);
        }
    }
    if !rest.is_empty() {
        tell(session, &rest);
    }
    Ok(())
}

fn tell(session: &Session<'_>, line: &[u8]) {
    let line = ServiceLine { service_line: String::from_utf8_lossy(line).into_owned() };
    session.output.data_line(&line, || line.service_line.clone());
}

fn bytes_of(event: &ExecEvent) -> &[u8] {
    match event {
        ExecEvent::Stdout(bytes) | ExecEvent::Stderr(bytes) | ExecEvent::Pty(bytes) => bytes,
        ExecEvent::Gap { .. } => &[],
    }
}
