//! Measures local sandboxes and the agent beside real peers, in one run, and prints one table. `cargo xtask bench` runs it.
//!
//! Timing is compared and reported, never asserted: the machine decides how fast a thing is.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a measuring tool: it prints, and a failure ends it"
)]

mod agent;
mod commands;
mod docker;
mod engine;
mod extensions;
mod history;
mod machines;
mod memory;
mod peers;
mod sample;

use sample::Table;
use std::process::ExitCode;

/// What is measured by itself, and the name that chooses it.
type Part = (&'static str, fn(&mut Table));

const PARTS: [Part; 10] = [
    ("peers", peers::measure),
    ("docker", docker::measure),
    ("commands", commands::measure),
    ("agent", agent::measure),
    ("engine", engine::measure),
    ("extensions", extensions::measure),
    ("ssh", machines::ways::measure),
    ("stacks", machines::stacks::measure),
    ("memory", memory::measure),
    ("history", history::measure),
];

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some(extensions::ARGUMENT) {
        return sandboxer_sdk::serve(sandboxer_sdk::testing::FolderExtension);
    }
    let chosen: Vec<String> = std::env::args().skip(1).collect();
    let mut table = Table::default();
    for (name, measure) in PARTS {
        if chosen.is_empty() || chosen.iter().any(|chosen| chosen == name) {
            measure(&mut table);
        }
    }
    println!("{table}");
    ExitCode::SUCCESS
}
