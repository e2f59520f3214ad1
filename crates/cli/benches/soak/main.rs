//! Long runs of the conformance suite over our own extensions: `cargo xtask soak` kills them ten thousand times, `cargo xtask
//! conformance` runs everything once and publishes the result.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a tool for developers: it prints, and a failure ends it"
)]

mod kills;
mod publish;
mod record;
#[path = "../../tests/conformance/subjects.rs"]
mod subjects;
mod table;

use clap::{Parser, Subcommand};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Kill the extensions at random instants until they were killed this often together, and go on where the last run ended
    Kills(kills::Arguments),
    /// Run the whole suite over each, and write docs/conformance/ and docs/conformance.md
    Publish(publish::Arguments),
}

fn main() -> ExitCode {
    let program = program();
    match Arguments::parse().command {
        Command::Kills(arguments) => kills::run(&arguments, &program),
        Command::Publish(arguments) => publish::run(&arguments, &program),
    }
}

/// `sandboxer`, which was built beside this.
fn program() -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let program = own.parent().and_then(Path::parent).unwrap().join("sandboxer");
    assert!(program.is_file(), "{} is not built", program.display());
    program
}

/// The repository's documents.
fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").canonicalize().unwrap()
}
