//! The command line of sand-boxer: reads what is asked for, and translates to and from the engine.

mod args;
mod commands;
mod config;
mod conformance;
mod digest;
mod error;
mod ext_page;
mod hosting;
mod hosts;
mod interrupt;
mod machines;
mod packages;
mod scaffold;
mod secrets;
mod ui;
mod wiring;

use clap::Parser;
use sandboxer_extensions::local;
use std::process::ExitCode;

fn main() -> ExitCode {
    if let Some(code) = inner_process() {
        return code;
    }
    let arguments = match args::Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return ui::usage(&error),
    };
    let passes_status_through = arguments.command.passes_status_through();
    let output = ui::Output::new(arguments.global.json, arguments.global.quiet, arguments.global.verbose);
    ui::log::start(arguments.global.verbose);
    match commands::execute(arguments, &output) {
        Ok(code) => code,
        Err(error) => output.error(&error, passes_status_through),
    }
}

/// The processes that the binary starts of itself: the supervisor outside a local sandbox, and the agent inside. They
/// come before everything else, since they are counted in milliseconds.
fn inner_process() -> Option<ExitCode> {
    let first = std::env::args_os().nth(1)?;
    let run = match first.to_str()? {
        local::SUPERVISOR_ARGUMENT => local::supervise,
        local::AGENT_ARGUMENT => local::agent_inside,
        _ => return None,
    };
    let rest: Vec<String> = std::env::args_os().skip(2).filter_map(|word| word.into_string().ok()).collect();
    Some(run(&rest))
}
