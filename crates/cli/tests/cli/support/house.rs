//! A place of a test's own: state, configuration, home and working directory, and nothing of the caller's environment.

use super::leftovers::{self, Leftovers};
use super::running::{Outcome, Running};
use sandboxer_machinery::{Process, end};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The ordinary user of the tests. Nobody has to know it.
const USER: u32 = 4242;

/// As whom the program runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Who {
    /// As who runs the tests.
    Caller,
    /// As an ordinary user.
    User,
}

/// A place of a test's own. At its end nothing may be left of its sandboxes; whatever is left is ended, and fails the test.
pub(crate) struct House {
    folder: tempfile::TempDir,
    who: Who,
    program: PathBuf,
    prefix: RefCell<Vec<String>>,
    names: RefCell<BTreeSet<String>>,
}

impl House {
    pub(crate) fn new(who: Who) -> Self {
        let folder = tempfile::Builder::new().prefix("sandboxer-test-").tempdir().expect("a temporary folder");
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).expect("ours");
        let mut house = Self {
            folder,
            who,
            program: PathBuf::from(env!("CARGO_BIN_EXE_sandboxer")),
            prefix: RefCell::default(),
            names: RefCell::default(),
        };
        for name in ["state", "config", "home", "work"] {
            house.make_folder(name);
        }
        if who == Who::User {
            house.move_program_in();
            let user = USER.to_string();
            house.run_through(["setpriv", "--reuid", &user, "--regid", &user, "--clear-groups", "--"]);
        }
        house
    }

    /// From now on the program is one of this place's own: the build folder may be root's alone, and another build may change
    /// it in the middle.
    pub(crate) fn move_program_in(&mut self) {
        let own = self.path("sandboxer");
        if std::fs::hard_link(&self.program, &own).is_err() {
            std::fs::copy(&self.program, &own).expect("room for the program");
        }
        self.program = own;
    }

    fn make_folder(&self, name: &str) {
        std::fs::create_dir(self.path(name)).expect("a new folder");
        self.give(&self.path(name));
    }

    /// Gives a file to whom the program runs as.
    pub(crate) fn give(&self, path: &Path) {
        if self.who == Who::User {
            chown(path, Some(USER), Some(USER)).expect("only root runs as others");
        }
    }

    /// Starts everything through another program from now on, such as `nsenter`.
    pub(crate) fn run_through<'a>(&self, program: impl IntoIterator<Item = &'a str>) {
        self.prefix.borrow_mut().extend(program.into_iter().map(str::to_owned));
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.path("state")
    }

    /// Where the sandboxes' folders are.
    pub(crate) fn local(&self) -> PathBuf {
        self.state().join("local")
    }

    /// Where commands are typed.
    pub(crate) fn work(&self) -> PathBuf {
        self.path("work")
    }

    /// Writes a file below the working directory, with the folders that lead there.
    pub(crate) fn write(&self, name: &str, contents: impl AsRef<[u8]>) -> PathBuf {
        let path = self.work().join(name);
        let parent = path.parent().expect("below the working directory");
        std::fs::create_dir_all(parent).expect("ours");
        std::fs::write(&path, contents).expect("ours");
        self.give(parent);
        self.give(&path);
        path
    }

    /// Any program, in this place.
    pub(crate) fn program_command<S: AsRef<std::ffi::OsStr>>(&self, program: S) -> Command {
        let prefix = self.prefix.borrow();
        let mut words = prefix.iter().map(std::ffi::OsStr::new).chain([program.as_ref()]);
        let mut command = Command::new(words.next().expect("at least one"));
        command.args(words).current_dir(self.work()).env_clear();
        command.env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        command.env("HOME", self.path("home")).env("USER", "tester");
        command.env("XDG_CONFIG_HOME", self.path("config")).env("SANDBOXER_STATE", self.state());
        command
    }

    /// `sandboxer`, in this place.
    pub(crate) fn command<S: AsRef<std::ffi::OsStr>>(&self, arguments: &[S]) -> Command {
        let mut command = self.program_command(&self.program);
        command.args(arguments);
        command
    }

    /// Starts `sandboxer` and does not wait.
    pub(crate) fn start<S: AsRef<std::ffi::OsStr>>(&self, arguments: &[S]) -> Running {
        Running::start(self.command(arguments), None)
    }

    /// Runs `sandboxer`.
    #[track_caller]
    pub(crate) fn run<S: AsRef<std::ffi::OsStr>>(&self, arguments: &[S]) -> Outcome {
        self.noted(self.start(arguments).finish())
    }

    /// Runs `sandboxer` with something on its standard input.
    #[track_caller]
    pub(crate) fn run_with_input<S: AsRef<std::ffi::OsStr>>(&self, arguments: &[S], input: &[u8]) -> Outcome {
        self.noted(Running::start(self.command(arguments), Some(input.to_vec())).finish())
    }

    /// Remembers the names that sand-boxer said, so that what bears them is found at the end.
    pub(crate) fn noted(&self, outcome: Outcome) -> Outcome {
        let mut names = self.names.borrow_mut();
        for text in [&outcome.text(), &outcome.stderr] {
            names.extend(leftovers::names_in(text));
        }
        drop(names);
        outcome
    }

    /// Everything there is of this place's sandboxes.
    pub(crate) fn leftovers(&self) -> Leftovers {
        Leftovers::search(self.folder.path(), &self.local(), &self.names.borrow())
    }

    /// Ends what stays by itself for a while: agents on machines, and connections in the background.
    pub(crate) fn end_what_stays(&self) {
        let here = self.folder.path().to_str().expect("a plain path").as_bytes();
        let is_ours = |process: &Process| {
            let environment = std::fs::read(format!("/proc/{}/environ", process.pid)).unwrap_or_default();
            let text = [process.command.as_bytes(), &environment].concat();
            process.pid != std::process::id() && text.windows(here.len()).any(|window| window == here)
        };
        Process::all().filter(is_ours).for_each(|process| end(process.pid));
    }

    /// Where the store cannot be read, what was said before must do.
    pub(crate) fn learn_all_names(&self) {
        for name in ["store.sqlite", "store.sqlite-wal"] {
            let bytes = std::fs::read(self.state().join(name)).unwrap_or_default();
            self.names.borrow_mut().extend(leftovers::owners_in(&bytes));
        }
        let Ok(output) = self.command(&["ls", "--all", "--json"]).output() else { return };
        let listed: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        let ids = listed["sandboxes"].as_array().into_iter().flatten().filter_map(|one| one["sandbox_id"].as_str());
        self.names.borrow_mut().extend(ids.map(str::to_owned));
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.learn_all_names();
        let left = self.leftovers();
        left.remove();
        if !std::thread::panicking() {
            assert!(left.is_empty(), "left behind: {left:#?}");
        }
    }
}
