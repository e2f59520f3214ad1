//! The suite, tested by extensions that are broken on purpose.
//!
//! There is one good extension, the *model*, over a backend of its own (`cloud.rs`), and a list of ways to break it
//! (`mutation.rs`). For every check there is one that fails it; the model itself passes them all. This binary is also the model,
//! the backend's tool, and what the backend starts, so that nothing else is needed to run it.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod cleaning;
mod cloud;
mod copying;
mod good;
mod inhabitants;
mod matrix;
mod model;
mod mutation;
mod processes;
mod replay;
mod subject;
mod table;
mod wire;

use libtest_mimic::{Arguments, Trial};
use std::process::ExitCode;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().collect();
    match words.get(1).map(String::as_str) {
        Some("model") => return model::serve(&words[2..]),
        Some("backend") => return cloud::tool(&words[2..]),
        Some(inhabitants::AGENT) => return inhabitants::agent(&words[2..]),
        Some(inhabitants::WATCHDOG) => return inhabitants::watchdog(&words[2..]),
        Some(inhabitants::LATE) => return inhabitants::late(&words[2..]),
        _ => {}
    }
    let mut trials: Vec<Trial> = Vec::new();
    trials.extend(good::trials());
    trials.extend(mutation::trials());
    trials.extend(table::trials());
    trials.extend(matrix::trials());
    trials.extend(cleaning::trials());
    trials.extend(replay::trials());
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}
