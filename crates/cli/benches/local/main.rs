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
mod history;
mod memory;
mod peers;
mod sample;

use sample::Table;

fn main() {
    let mut table = Table::default();
    peers::measure(&mut table);
    docker::measure(&mut table);
    commands::measure(&mut table);
    agent::measure(&mut table);
    engine::measure(&mut table);
    memory::measure(&mut table);
    history::measure(&mut table);
    println!("{table}");
}
