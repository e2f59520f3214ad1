//! `ext.vm-packer` on this machine, which stands in for the virtual one: every command is really run, and any of them can fail.
//!
//! The test binary is the agent of that machine, as far as the end of a sandbox goes.

mod failing;
mod hostile;
mod lifecycle;
mod near;
mod users;

use libtest_mimic::{Arguments, Trial};
use std::process::ExitCode;

/// A test by its name.
pub(crate) fn trial(name: &str, test: impl Future<Output = ()> + 'static + Send) -> Trial {
    Trial::test(name.to_owned(), move || {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        runtime.block_on(test);
        Ok(())
    })
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().collect();
    if words.get(1).map(String::as_str) == Some("agent") {
        return near::agent(&words[2..]);
    }
    let mut trials = Vec::new();
    trials.extend(lifecycle::trials());
    trials.extend(failing::trials());
    trials.extend(hostile::trials());
    trials.extend(users::trials());
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}
