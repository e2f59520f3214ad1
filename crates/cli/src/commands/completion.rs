//! `sandboxer completion`: a completion script for a shell.

use crate::args::Arguments as All;
use crate::ui::Output;
use clap::{Args, CommandFactory};
use clap_complete::Shell;
use std::process::ExitCode;

/// What `completion` takes.
#[derive(Debug, Args)]
pub(crate) struct CompletionArguments {
    /// Which shell
    shell: Shell,
}

/// Prints it.
pub(crate) fn completion(arguments: &CompletionArguments, output: &Output) -> ExitCode {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut All::command(), "sandboxer", &mut script);
    let script = String::from_utf8_lossy(&script).into_owned();
    output.data(&serde_json::json!({ "script": script }), || script.clone())
}
