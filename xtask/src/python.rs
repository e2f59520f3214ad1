//! The Python package: its types, its tests, and the wheel that authors install.

use crate::e2b::{environment, in_folder, text};
use crate::shell;
use anyhow::{Context, bail};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Makes a virtual environment with what checking needs: `python` below the target directory.
pub(crate) fn install() -> anyhow::Result<()> {
    let requirements = shell::root().join("python/requirements-check.txt");
    in_folder(&folder()?, &[&requirements], |folder| environment(folder, &requirements))
}

/// Checks types, runs the tests with the `python3` of this machine, and builds the wheel.
pub(crate) fn check() -> anyhow::Result<()> {
    let folder = folder()?;
    let cache = folder.join("mypy");
    let mypy = folder.join("bin/mypy");
    let options = ["--config-file", "python/pyproject.toml", "--cache-dir", text(&cache)?];
    shell::run(text(&mypy)?, &[options.as_slice(), &["python/src", "python/launcher.py"]].concat())?;
    shell::run(text(&mypy)?, &[options.as_slice(), &["python/tests"]].concat())?;
    // `-B`: the sources are also what is compiled into the binary.
    shell::run("python3", &["-B", "-m", "unittest", "discover", "-s", "python/tests", "-t", "python/tests"])?;
    check_wheel(&folder)
}

fn folder() -> anyhow::Result<PathBuf> {
    Ok(shell::target_directory()?.join("python"))
}

/// Builds from a copy, since building writes beside the sources.
fn check_wheel(folder: &Path) -> anyhow::Result<()> {
    let (source, dist) = (folder.join("source"), folder.join("dist"));
    for stale in [&source, &dist] {
        if stale.exists() {
            fs::remove_dir_all(stale).with_context(|| format!("cannot remove {}", stale.display()))?;
        }
    }
    let files = files()?;
    for file in &files {
        let copy = source.join(file);
        fs::create_dir_all(copy.parent().unwrap_or(&source)).context("cannot make a folder")?;
        fs::copy(shell::root().join("python").join(file), &copy).with_context(|| format!("cannot copy {file}"))?;
    }
    let python = folder.join("bin/python");
    let pip = ["-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-deps", "--no-build-isolation"];
    shell::run(text(&python)?, &[pip.as_slice(), &["--wheel-dir", text(&dist)?, text(&source)?]].concat())?;
    let wheel = fs::read_dir(&dist)?.next().context("no wheel was built")??.path();
    let listed = shell::read(text(&python)?, &["-m", "zipfile", "--list", text(&wheel)?])?;
    let packed: BTreeSet<&str> = listed.lines().filter_map(|line| line.split_whitespace().next()).collect();
    let missing: Vec<&str> =
        files.iter().filter_map(|file| file.strip_prefix("src/")).filter(|file| !packed.contains(file)).collect();
    if !missing.is_empty() {
        bail!("{} is without {}", wheel.display(), missing.join(", "));
    }
    Ok(())
}

/// The package's files, by their paths below `python`.
fn files() -> anyhow::Result<Vec<String>> {
    let listed = shell::read("git", &["ls-files", "--cached", "--others", "--exclude-standard", "--", "python"])?;
    let below = listed.lines().filter_map(|path| path.strip_prefix("python/"));
    let present = below.filter(|path| shell::root().join("python").join(path).exists());
    Ok(present.map(str::to_owned).collect())
}
