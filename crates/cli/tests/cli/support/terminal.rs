//! A terminal with the program on it.

use super::house::House;
use super::running::Collected;
use rustix::fd::OwnedFd;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcgetattr, tcsetwinsize};
use sandboxer_machinery::{ends_within, until_or};
use std::fs::File;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command};
use std::time::Duration;

/// A terminal, seen from where the person sits.
pub(crate) struct Terminal {
    keyboard: File,
    screen: Collected,
    /// The program's side, held open: its mode is looked at afterwards.
    line: File,
    mode: String,
    child: Child,
    process: OwnedFd,
}

impl Terminal {
    /// Starts `sandboxer` on a terminal of that size.
    pub(crate) fn start(house: &House, arguments: &[&str], rows: u16, columns: u16) -> Self {
        Self::with(&house.command(arguments), rows, columns)
    }

    /// Starts a command on a terminal of that size.
    pub(crate) fn with(command: &Command, rows: u16, columns: u16) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).expect("a terminal");
        grantpt(&master).expect("ours");
        unlockpt(&master).expect("ours");
        let name = ptsname(&master, Vec::new()).expect("it has a name");
        let path = std::path::Path::new(std::ffi::OsStr::from_bytes(name.to_bytes()));
        let line = File::options().read(true).write(true).open(path).expect("the other side");
        let keyboard = File::from(master);
        set_size(&keyboard, rows, columns);
        let mode = mode_of(&line);
        let side = || line.try_clone().expect("a descriptor");
        let mut command = on_own_terminal(command);
        command.env("TERM", "xterm").stdin(side()).stdout(side()).stderr(side());
        let child = command.spawn().expect("the program starts");
        let process = pidfd_open(Pid::from_child(&child), PidfdFlags::empty()).expect("a child");
        let screen = Collected::from(keyboard.try_clone().expect("a descriptor"));
        Self { keyboard, screen, line, mode, child, process }
    }

    pub(crate) fn types(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).expect("the terminal takes it");
    }

    /// Waits until the screen has shown that.
    #[track_caller]
    pub(crate) fn shows(&self, text: &str) {
        let deadline = Duration::from_secs(60);
        let shown = until_or(deadline, || self.screen.so_far().contains(text).then_some(()));
        assert!(shown.is_some(), "no {text:?} on the screen:\n{}", self.screen.so_far());
    }

    pub(crate) fn screen(&self) -> String {
        self.screen.so_far()
    }

    pub(crate) fn resize(&self, rows: u16, columns: u16) {
        set_size(&self.keyboard, rows, columns);
    }

    /// Ends the program as the end of a connection does: nobody has the terminal any more.
    #[track_caller]
    pub(crate) fn hangs_up(mut self) {
        rustix::process::pidfd_send_signal(&self.process, rustix::process::Signal::HUP).expect("a child");
        let ended = ends_within(&self.process, Duration::from_secs(60));
        self.child.kill().expect("a child");
        self.child.wait().expect("a child");
        assert!(ended, "it did not end; the screen shows:\n{}", self.screen.so_far());
    }

    /// Waits for the program's end. The terminal must then be as it was.
    #[track_caller]
    pub(crate) fn ends_with(mut self, status: i32) {
        let ended = ends_within(&self.process, Duration::from_secs(60));
        if !ended {
            self.child.kill().expect("a child");
        }
        let ended_with = self.child.wait().expect("a child");
        assert!(ended, "it did not end; the screen shows:\n{}", self.screen.so_far());
        let code = ended_with.code().or_else(|| ended_with.signal().map(|number| 1000 + number));
        assert_eq!(code, Some(status), "the screen shows:\n{}", self.screen.so_far());
        assert_eq!(mode_of(&self.line), self.mode, "the terminal's mode was not set back");
    }
}

/// The terminal becomes the one that the program is controlled by, which is how it hears of a new size.
fn on_own_terminal(command: &Command) -> Command {
    let mut wrapped = Command::new("setsid");
    wrapped.arg("--ctty").arg(command.get_program()).args(command.get_args());
    wrapped.env_clear().envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    wrapped.current_dir(command.get_current_dir().expect("each has one"));
    wrapped
}

fn set_size(terminal: &File, rows: u16, columns: u16) {
    let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(terminal, size).expect("a terminal");
}

fn mode_of(terminal: &File) -> String {
    format!("{:?}", tcgetattr(terminal).expect("a terminal"))
}
