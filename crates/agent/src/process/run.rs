//! A command of the agent's own.

use std::sync::Arc;
use std::time::Duration;

use sandboxer_envd::process::ProcessConfig;
use tokio::time::Instant;

use super::command::Command;
use super::spawn::{Start, start};
use super::status::Exit;
use crate::shared::Shared;

/// What a fault quotes of the command's output, in bytes.
const QUOTED: u64 = 400;

/// Runs a command as the default user, and says in words why it did not succeed.
pub(crate) async fn run(
    shared: &Arc<Shared>,
    argv: Vec<String>,
    tag: String,
    patience: Duration,
) -> Result<(), String> {
    let user = shared.user(None).map_err(|fault| fault.to_string())?;
    let mut words = argv.into_iter();
    let cmd = words.next().unwrap_or_default();
    let config = ProcessConfig { cmd, args: words.collect(), ..ProcessConfig::default() };
    let deadline = Some(Instant::now() + patience);
    let wanted = Start {
        user,
        config,
        terminal: None,
        stdin: false,
        tag: Some(tag),
        lease: None,
        linger: None,
        tethered: false,
        deadline,
    };
    let (command, events) = start(Arc::clone(shared), wanted).await.map_err(|fault| fault.to_string())?;
    // Its output is only kept.
    drop(events);
    let end = command.ended().await;
    match end.exit {
        _ if end.timed_out => Err(format!("it was killed after {} seconds{}", patience.as_secs(), said(&command))),
        Exit::Code(0) => Ok(()),
        exit => Err(format!("{}{}", exit.text(), said(&command))),
    }
}

/// The end of what it said.
fn said(command: &Command) -> String {
    let (kept_from, end) = command.hub.extent();
    let from = kept_from.max(end.saturating_sub(QUOTED));
    let pieces = command.hub.look(Some(from)).map(|replay| replay.pieces).unwrap_or_default();
    let bytes: Vec<u8> = pieces.iter().flat_map(|piece| piece.bytes.to_vec()).collect();
    match String::from_utf8_lossy(&bytes).trim() {
        "" => String::new(),
        text => format!(": {text}"),
    }
}
