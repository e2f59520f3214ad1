//! The SDKs, as `cargo xtask setup` installs them.

use crate::agent;
use crate::world::{Mode, World};
use std::path::{Path, PathBuf};
use std::process::Command;

/// One SDK.
pub(crate) struct Sdk {
    /// Its column in docs/e2b.md.
    pub(crate) column: &'static str,
    /// Its folder below the target directory.
    folder: &'static str,
    language: Language,
}

#[derive(PartialEq, Eq)]
enum Language {
    Python,
    JavaScript,
}

pub(crate) const PYTHON_2_24_0: Sdk = Sdk { column: "py 2.24.0", folder: "python-2.24.0", language: Language::Python };
pub(crate) const PYTHON_2_45_1: Sdk = Sdk { column: "py 2.45.1", folder: "python-2.45.1", language: Language::Python };
pub(crate) const PYTHON_2_63_0: Sdk = Sdk { column: "py 2.63.0", folder: "python-2.63.0", language: Language::Python };
pub(crate) const JS_2_51_0: Sdk = Sdk { column: "js 2.51.0", folder: "js-2.51.0", language: Language::JavaScript };

/// A file beside this one.
pub(crate) fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2b").join(name)
}

impl Sdk {
    fn installed(&self) -> PathBuf {
        // Cargo names a folder in the target directory; with a target of its own, one level deeper.
        let folders = Path::new(env!("CARGO_TARGET_TMPDIR")).ancestors().skip(1).take(2);
        let found = folders.map(|folder| folder.join("e2b").join(self.folder)).find(|folder| folder.exists());
        found.unwrap_or_else(|| panic!("{} is not installed: run cargo xtask setup", self.folder))
    }

    /// The interpreter.
    pub(crate) fn program(&self) -> PathBuf {
        match self.language {
            Language::Python => self.installed().join("bin/python"),
            Language::JavaScript => self.installed().join("node"),
        }
    }

    /// The command that makes all checks.
    pub(crate) fn checks(&self, world: &World, flavour: &str, mode: Mode) -> Command {
        let mut command = world.command(&self.program());
        match self.language {
            Language::Python => command.args(["-W", "ignore"]).arg(script("python/run.py")).arg(flavour),
            Language::JavaScript => command.arg(self.copied(world, &script("js")).join("run.mjs")),
        };
        command.arg(mode.name());
        command.env("CHECK_HOME", agent::home(world.folder())).env("CHECK_USER", agent::USER);
        command
    }

    /// The command that runs a program of a page.
    pub(crate) fn snippet(&self, world: &World, text: &str) -> Command {
        let folder = world.folder().join("snippet");
        std::fs::create_dir_all(&folder).expect("ours");
        let (folder, name) = match self.language {
            Language::Python => (folder, "snippet.py"),
            Language::JavaScript => (self.copied(world, &folder), "snippet.mjs"),
        };
        std::fs::write(folder.join(name), text).expect("ours");
        let mut command = world.command(&self.program());
        command.arg(folder.join(name));
        command
    }

    /// A copy of JavaScript modules where they find the SDK: they look for it beside themselves.
    fn copied(&self, world: &World, from: &Path) -> PathBuf {
        let modules = world.folder().join("js");
        std::fs::create_dir_all(&modules).expect("ours");
        for entry in std::fs::read_dir(from).expect("readable") {
            let path = entry.expect("readable").path();
            std::fs::copy(&path, modules.join(path.file_name().expect("a name"))).expect("ours");
        }
        let packages = self.installed().join("node_modules");
        std::os::unix::fs::symlink(packages, modules.join("node_modules")).expect("ours");
        modules
    }
}
