//! `sandboxer man`: man pages.

use crate::args::Arguments as All;
use crate::error::{CommandResult, local_fault};
use crate::ui::Output;
use clap::{Args, CommandFactory};
use std::path::PathBuf;
use std::process::ExitCode;

/// What `man` takes.
#[derive(Debug, Args)]
pub(crate) struct ManArguments {
    /// Directory to write them into; it must exist
    directory: PathBuf,
}

/// Writes them: one for the program and one a command.
pub(crate) fn man(arguments: &ManArguments, output: &Output) -> CommandResult<ExitCode> {
    clap_mangen::generate_to(All::command(), &arguments.directory)
        .map_err(|error| local_fault(format!("write into `{}`", arguments.directory.display()), &error))?;
    let shown = arguments.directory.display().to_string();
    Ok(output.data(&serde_json::json!({ "directory": shown }), || format!("wrote the man pages into {shown}")))
}
