//! Set-up, tests, code generation, benchmarks: `cargo xtask <command>`.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a tool for developers, on their terminals")]

mod codegen;
mod e2b;
mod fuzz;
mod python;
mod schemas;
mod setup;
mod shell;
mod test;
mod tidy;
mod tiers;
mod tools;

use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(name = "cargo xtask", about = "Set-up, tests, code generation, benchmarks")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Install every system package and tool that building and testing need
    Setup,
    /// Set up, then run every check and every test
    Test {
        /// Only tests that match this nextest filterset
        #[arg(long, short = 'E', value_name = "FILTER")]
        filter: Option<String>,
    },
    /// Check what no compiler checks: arrows between crates, file sizes, who imports what
    Tidy,
    /// Generate code from definitions
    Codegen {
        /// Fail when what is committed is stale
        #[arg(long)]
        check: bool,
    },
    /// Fuzz the agent, each target for a while
    Fuzz {
        /// So long each
        #[arg(long, value_name = "N", default_value_t = 60)]
        seconds: u32,
        /// Only this one
        target: Option<String>,
    },
    /// Measure, beside real peers, and print one table
    Bench {
        /// Only these parts: peers, docker, commands, agent, engine, extensions, ssh, stacks, memory, history
        parts: Vec<String>,
    },
    /// Kill our extensions thousands of times, go on where the last run ended, and write docs/soak.md
    Soak {
        /// What follows is described by `cargo xtask soak -- --help`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        words: Vec<String>,
    },
    /// Run the conformance suite over our extensions, and write docs/conformance.md
    Conformance {
        /// What follows is described by `cargo xtask conformance -- --help`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        words: Vec<String>,
    },
    /// Build the release binary
    Dist,
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().command {
        Command::Setup => setup::run(),
        Command::Test { filter } => test::run(filter.as_deref()),
        Command::Tidy => tidy::run(),
        Command::Codegen { check } => codegen::run(check),
        Command::Fuzz { seconds, target } => fuzz::run(target.as_deref(), seconds),
        Command::Bench { parts } => run_example("bench", &parts),
        Command::Soak { words } => run_example("soak", &[vec!["kills".to_owned()], words].concat()),
        Command::Conformance { words } => run_example("soak", &[vec!["publish".to_owned()], words].concat()),
        Command::Dist => shell::run("cargo", &["build", "--release", "--package", "sandboxer"]),
    }
}

/// Runs a tool of the command line's crate beside the binary as it is shipped.
fn run_example(name: &str, words: &[String]) -> anyhow::Result<()> {
    setup::run()?;
    shell::run("cargo", &["build", "--release", "--package", "sandboxer"])?;
    let run = ["run", "--release", "--quiet", "--package", "sandboxer", "--example", name, "--"];
    shell::run("cargo", &[&run[..], &words.iter().map(String::as_str).collect::<Vec<_>>()].concat())
}
