//! Every check and every test.

use crate::{codegen, fuzz, python, setup, shell, tidy, tiers};
use anyhow::bail;

/// Of each fuzz target.
const SECONDS_OF_FUZZING: u32 = 10;

/// Sets up, checks, and tests. With a filter, only tests.
pub(crate) fn run(filter: Option<&str>) -> anyhow::Result<()> {
    setup::run()?;
    if filter.is_none() {
        check()?;
    }
    let left_out = tiers_that_cannot_run()?;
    let mut expression = filter.map_or_else(|| "all()".to_owned(), |filter| format!("({filter})"));
    for tier in &left_out {
        expression.push_str(&format!(" - ({tier})"));
    }
    // The binary as it is shipped: what tests measure and kill should be what people run.
    shell::run("cargo", &["build", "--package", "sandboxer"])?;
    shell::run("cargo", &["nextest", "run", "--workspace", "--no-fail-fast", "-E", &expression])?;
    if filter.is_none() {
        shell::run("cargo", &["test", "--workspace", "--doc", "--quiet"])?;
        fuzz::briefly(SECONDS_OF_FUZZING)?;
    }
    Ok(())
}

fn check() -> anyhow::Result<()> {
    shell::run("cargo", &["fmt", "--all", "--check"])?;
    shell::run("cargo", &["fmt", "--check", "--manifest-path", "fuzz/Cargo.toml"])?;
    tidy::run()?;
    codegen::run(true)?;
    shell::run("cargo", &["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"])?;
    python::check()
}

/// The filters of the tiers that cannot run. In CI there may be none.
fn tiers_that_cannot_run() -> anyhow::Result<Vec<String>> {
    let mut filters = Vec::new();
    let mut obstacles = Vec::new();
    for tier in tiers::read()? {
        match tier.obstacle()? {
            None => println!("tier {}: runs ({})", tier.name, tier.about),
            Some(obstacle) => {
                println!("tier {}: LEFT OUT, {obstacle} ({})", tier.name, tier.about);
                obstacles.push(format!("{}: {obstacle}", tier.name));
                filters.push(tier.filter);
            }
        }
    }
    if shell::in_ci() && !obstacles.is_empty() {
        bail!("required test tiers cannot run here: {}", obstacles.join("; "));
    }
    Ok(filters)
}
