//! Installs what building and testing need, where it is missing.

use crate::{e2b, python, shell, tools};
use anyhow::bail;

const PACKAGES: &str = include_str!("../packages.txt");

fn packages() -> impl Iterator<Item = &'static str> {
    PACKAGES.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
}

fn is_installed(package: &str) -> bool {
    shell::read("dpkg-query", &["--show", "--showformat=${db:Status-Status}", package])
        .is_ok_and(|status| status == "installed")
}

/// Installs missing Debian packages, cargo-nextest, programs for the hosts of tests, E2B's SDKs, and what checks the Python
/// package.
pub(crate) fn run() -> anyhow::Result<()> {
    if shell::has("dpkg-query") {
        let missing: Vec<&str> = packages().filter(|package| !is_installed(package)).collect();
        if !missing.is_empty() {
            install(&missing)?;
        }
    } else {
        println!("not a Debian machine: install by hand what xtask/packages.txt lists");
    }
    if !shell::has("cargo-nextest") {
        shell::run("cargo", &["install", "cargo-nextest", "--locked"])?;
    }
    tools::install()?;
    e2b::install()?;
    python::install()
}

fn install(missing: &[&str]) -> anyhow::Result<()> {
    if !shell::is_root()? {
        bail!("missing packages: {0}\nrun: sudo apt-get install {0}", missing.join(" "));
    }
    shell::run("apt-get", &["update", "--quiet"])?;
    let mut arguments = vec!["install", "--quiet", "--yes", "--no-install-recommends"];
    arguments.extend(missing);
    shell::run("apt-get", &arguments)
}
