//! The two programs that this executable also is. The command line dispatches to them before anything else.

use super::{agent_inside as inside, probe, supervisor};
use std::io::Write;
use std::process::ExitCode;

/// The first argument that makes the executable a supervisor.
pub const SUPERVISOR_ARGUMENT: &str = "local-supervisor";
/// The first argument that makes the executable the agent inside a sandbox.
pub const AGENT_ARGUMENT: &str = "agent-inside";

/// Supervises one sandbox. It is told which through its stdin, by the process that started it.
pub fn supervise(arguments: &[String]) -> ExitCode {
    match arguments.first().map(String::as_str) {
        Some(probe::PROBE_ARGUMENT) => answer(probe::answer().map_err(Into::into)),
        _ => answer(supervisor::main()),
    }
}

/// Is the agent inside a sandbox. `arguments` are those after the first: the descriptor that holds its options.
pub fn agent_inside(arguments: &[String]) -> ExitCode {
    answer(inside::main(arguments))
}

/// Both write into the sandbox's log: that is what their stderr is.
fn answer(outcome: Result<(), Box<dyn std::error::Error>>) -> ExitCode {
    let Err(error) = outcome else { return ExitCode::SUCCESS };
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    // Without a log there is nobody left to tell; the status still says that it failed.
    writeln!(std::io::stderr(), "{text}").map_or(ExitCode::FAILURE, |()| ExitCode::FAILURE)
}
