//! The agent's start inside a sandbox.

use super::privileges;
use rustix::fd::{FromRawFd, OwnedFd, RawFd};
use std::error::Error;
use std::fs::File;
use std::io::Read;

/// Reads the options from the descriptor that the first argument names, and serves.
pub(crate) fn main(arguments: &[String]) -> Result<(), Box<dyn Error>> {
    let descriptor: RawFd = arguments.first().ok_or("the descriptor of the options is missing")?.parse()?;
    let mut text = String::new();
    take(descriptor).read_to_string(&mut text)?;
    privileges::leave_none_to_commands()?;
    Ok(sandboxer_agent::run(serde_json::from_str(&text)?, |_| {})?)
}

#[allow(unsafe_code, reason = "a descriptor that another process left open for this one is only known by its number")]
fn take(descriptor: RawFd) -> File {
    // SAFETY: the supervisor left the descriptor open for exactly this, and nothing else in this process knows of it.
    File::from(unsafe { OwnedFd::from_raw_fd(descriptor) })
}
