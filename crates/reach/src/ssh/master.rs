//! The one connection to a machine that everything goes through.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::net::UnixStream;

use super::files::{Files, private};
use super::{SshSettings, arguments, failure, run};
use crate::{ProcessStream, ReachError, ReachErrorKind};
use sandboxer_types::{SandboxMark, SshDestination};

/// A word to a living master is answered in a few milliseconds.
const WORD: Duration = Duration::from_secs(5);
/// A server that has too many logins under way drops some at random (`MaxStartups`): so long until the next attempt.
const PAUSES: [Duration; 4] =
    [Duration::from_millis(100), Duration::from_millis(300), Duration::from_millis(900), Duration::from_millis(2500)];

/// A connection to one machine, in the background and shared by all processes that name the same folder. It is made when
/// it is first needed, outlives whoever made it, and ends by itself when nobody has used it for a while.
#[derive(Debug, Clone)]
pub struct SshMaster {
    settings: SshSettings,
    destination: SshDestination,
    files: Files,
}

impl SshMaster {
    /// Names the connection; makes nothing yet. `InvalidInput` where a path in the settings does not do.
    pub fn new(settings: SshSettings, destination: SshDestination) -> Result<Self, ReachError> {
        for path in [&settings.config, &settings.identity].into_iter().flatten() {
            if !path.is_absolute() {
                let message = format!("`{}` is no absolute path", path.display());
                return Err(ReachError::new(ReachErrorKind::InvalidInput, message));
            }
        }
        let files = Files::of(&settings, &destination)?;
        Ok(Self { settings, destination, files })
    }

    /// The machine.
    pub fn destination(&self) -> &SshDestination {
        &self.destination
    }

    pub(crate) fn settings(&self) -> &SshSettings {
        &self.settings
    }

    /// Makes the connection unless it is there. Of several processes that do so at once, one logs in and the others wait.
    ///
    /// # Errors
    ///
    /// `UnknownHost`, `Refused`, `Deadline`, `Unreachable`, `HostKeyChanged`, `LoginRefused`, `Busy`; `Local` or
    /// `Precondition` where the folder or the program is not usable. Each but `Local` says what to do.
    pub async fn open(&self) -> Result<(), ReachError> {
        if self.answers().await {
            return Ok(());
        }
        self.files.prepare()?;
        let _lock = self.files.lock().await?;
        if self.answers().await {
            return Ok(());
        }
        self.start_patiently().await
    }

    /// The connection to the jump, if there is one.
    fn jump(&self) -> Result<Option<Self>, ReachError> {
        let Some(jump) = self.settings.jump.clone() else { return Ok(None) };
        Self::new(SshSettings { jump: None, ..self.settings.clone() }, jump).map(Some)
    }

    /// Logs in, and tries again where the machine has too much to do. To be called under the lock.
    async fn start_patiently(&self) -> Result<(), ReachError> {
        if let Some(jump) = self.jump()? {
            Box::pin(jump.open()).await?;
        }
        for pause in PAUSES {
            match self.start().await {
                Err(error) if error.kind() == ReachErrorKind::Busy => tokio::time::sleep(pause).await,
                other => return other,
            }
        }
        self.start().await
    }

    /// Makes the connection anew, after one through which nothing passed.
    pub(crate) async fn reopen(&self) -> Result<(), ReachError> {
        self.files.prepare()?;
        let _lock = self.files.lock().await?;
        // Somebody else may have done so meanwhile. One that is dead to the world loses its socket, and ends by itself.
        if self.says_it_runs().await { Ok(()) } else { self.start_patiently().await }
    }

    /// Whether the connection not only listens, but says a word.
    pub(crate) async fn says_it_runs(&self) -> bool {
        self.check().await.is_ok_and(|process| process.is_some())
    }

    /// A shell of the machine, through the connection; it reads its standard input.
    pub(crate) fn session(&self) -> ProcessStream {
        ProcessStream::new(self.session_argv())
    }

    /// The same as a list of arguments.
    pub(crate) fn session_argv(&self) -> Vec<OsString> {
        self.argv(arguments::session(&self.files))
    }

    /// The same by a connection of its own.
    pub(crate) fn alone(&self) -> ProcessStream {
        ProcessStream::new(self.argv(arguments::alone(&self.settings, &self.destination, &self.files)))
    }

    fn argv(&self, arguments: Vec<OsString>) -> Vec<OsString> {
        std::iter::once(self.settings.program.clone().into_os_string()).chain(arguments).collect()
    }

    /// A socket in the folder, which is nobody else's, by which that of the machine's agent is reached, or of a sandbox's there.
    pub(crate) fn socket_for(&self, sandbox: Option<&SandboxMark>) -> Result<PathBuf, ReachError> {
        self.files.check().map(|()| self.files.forwarded(sandbox))
    }

    /// Listens at `local`, a short path, and passes on who comes to the socket `remote` of the machine, for as long as the
    /// connection lives. That a machine which forbids it refuses shows only to who comes.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for paths that ssh would misread, `ForwardingRefused`, `Unreachable`.
    pub async fn forward(&self, local: &Path, remote: &str) -> Result<(), ReachError> {
        let is_plain = |path: &str| path.starts_with('/') && !path.chars().any(Files::is_misread);
        if !local.to_str().is_some_and(is_plain) || !is_plain(remote) {
            let message = format!("`{}` and `{remote}` cannot be joined by ssh", local.display());
            return Err(ReachError::new(ReachErrorKind::InvalidInput, message));
        }
        self.files.check()?;
        let ended = self.say(arguments::forward(&self.files, local, remote)).await?;
        if ended.status.success() { Ok(()) } else { Err(failure::explain(&self.destination, &ended.said)) }
    }

    /// The process id of the connection, if there is one.
    pub async fn check(&self) -> Result<Option<u32>, ReachError> {
        if !self.answers().await {
            return Ok(None);
        }
        let ended = self.say(arguments::control(&self.files, "check")).await?;
        // `Master running (pid=123)`
        let number = ended.said.split_once("pid=").and_then(|(_, rest)| rest.split_once(')'));
        Ok(number.and_then(|(number, _)| number.parse().ok()))
    }

    /// Ends the connection and all that goes through it; tells whether there was one.
    pub async fn exit(&self) -> Result<bool, ReachError> {
        if !self.answers().await {
            return Ok(false);
        }
        self.say(arguments::control(&self.files, "exit")).await.map(|ended| ended.status.success())
    }

    /// Whether somebody listens on the control socket. This costs no process; one that listens and is dead to the world
    /// shows when a session through it fails.
    async fn answers(&self) -> bool {
        if self.files.check().is_err() {
            return false;
        }
        match UnixStream::connect(self.files.control()).await {
            Ok(_) => true,
            // Its queue is full: it has much to do.
            Err(error) => error.kind() == io::ErrorKind::WouldBlock,
        }
    }

    /// Logs in.
    async fn start(&self) -> Result<(), ReachError> {
        // `ssh` would leave the socket of a dead connection alone, and go without.
        remove(&self.files.control())?;
        remove(&self.files.log())?;
        let log =
            private(&self.files.log()).map_err(|error| ReachError::local("cannot write the log of ssh", error))?;
        let arguments = arguments::master(&self.settings, &self.destination, &self.files);
        let ended = run::detached(&self.settings.program, arguments, log, self.settings.login_timeout).await;
        match ended {
            Ok(status) if status.success() && self.answers().await => Ok(()),
            Ok(_) => Err(failure::explain(&self.destination, &self.log())),
            Err(error) => Err(self.not_run(error)),
        }
    }

    fn log(&self) -> String {
        // Without a log there is a failure all the same.
        std::fs::read(self.files.log()).map(|log| String::from_utf8_lossy(&log).into_owned()).unwrap_or_default()
    }

    /// Says a word to the connection.
    async fn say(&self, arguments: Vec<OsString>) -> Result<run::Ended, ReachError> {
        run::through(&self.settings.program, arguments, WORD).await.map_err(|error| self.not_run(error))
    }

    fn not_run(&self, error: io::Error) -> ReachError {
        if error.kind() == io::ErrorKind::TimedOut {
            let message = format!("`{}` did not let us in in time", self.destination);
            return ReachError::new(ReachErrorKind::Deadline, message)
                .with_hint("log in once by hand with `ssh` to see what it waits for")
                .with_source(error);
        }
        ReachError::local(format!("cannot run `{}`", self.settings.program.display()), error)
    }
}

fn remove(path: &Path) -> Result<(), ReachError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(ReachError::local(format!("cannot remove `{}`", path.display()), error))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}
