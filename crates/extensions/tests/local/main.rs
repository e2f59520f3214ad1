//! `ext.local` against the machine's own kernel, as root and as an ordinary user.
//!
//! The test binary is its own sandbox binary: it dispatches to the supervisor and to the agent as the command line does.
//! It is also what the tests run inside: a program that tries what it must not.

mod crash;
mod endings;
mod hostile;
mod isolation;
mod lifecycle;
mod limits;
mod repository;
mod support;
mod tiers;

use libtest_mimic::{Arguments, Trial};
use sandboxer_extensions::local;
use std::process::ExitCode;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().collect();
    match words.get(1).map(String::as_str) {
        Some(local::SUPERVISOR_ARGUMENT) => return local::supervise(&words[2..]),
        Some(local::AGENT_ARGUMENT) => return local::agent_inside(&words[2..]),
        Some(hostile::ARGUMENT) => return hostile::main(),
        Some(hostile::CONNECT_ARGUMENT) => return hostile::connect(&words[2..]),
        Some(crash::BROKER_ARGUMENT) => return crash::broker(&words[2..]),
        _ => {}
    }
    let mut trials: Vec<Trial> = Vec::new();
    trials.extend(lifecycle::trials());
    trials.extend(endings::trials());
    trials.extend(isolation::trials());
    trials.extend(limits::trials());
    trials.extend(repository::trials());
    trials.extend(crash::trials());
    trials.extend(tiers::trials());
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}
