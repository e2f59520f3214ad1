//! One connection to a machine, and sessions over it. All of it is the system's ssh, so that the user's config, keys and
//! jump hosts hold.

use super::arguments;
use super::reason::{Login, Reason};
use sandboxer_types::SshDestination;
use std::ffi::OsString;
use std::io::{Error, ErrorKind};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

/// No single step takes longer.
const STEP: Duration = Duration::from_secs(15);
/// Of what is printed before a word that is waited for, this much is kept.
const KEPT: usize = 4096;

/// A connection, and the folder of its socket.
pub(super) struct Connection {
    folder: TempDir,
}

/// ssh, as what it says is expected: in English, and without a terminal.
pub(super) fn ssh(arguments: impl IntoIterator<Item = OsString>) -> Command {
    let mut command = Command::new("ssh");
    command.args(arguments).env("LC_ALL", "C").kill_on_drop(true);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

impl Connection {
    /// Connects, or says why not. Asks nobody anything.
    pub(super) async fn open(place: &SshDestination, config: Option<&Path>) -> Result<(Self, Login), (Reason, String)> {
        let local = |error: Error| (Reason::Other, format!("cannot make a folder for a socket: {error}"));
        // Short, since a socket's path must be.
        let folder = tempfile::Builder::new().prefix("sbx-").tempdir_in("/tmp").map_err(local)?;
        let connection = Self { folder };
        let log = connection.path("log");
        let words = arguments::connection(&connection.path("c"), &log, place, config);
        let status = match timeout(STEP * 2, ssh(words).status()).await {
            Err(_) => return Err((Reason::TimedOut, format!("it did not answer within {} s", (STEP * 2).as_secs()))),
            Ok(Err(error)) if error.kind() == ErrorKind::NotFound => {
                return Err((Reason::NoSsh, "there is no command `ssh` here".to_owned()));
            }
            Ok(Err(error)) => return Err((Reason::Other, format!("cannot start `ssh`: {error}"))),
            Ok(Ok(status)) => status,
        };
        let log = String::from_utf8_lossy(&std::fs::read(log).unwrap_or_default()).into_owned();
        if status.success() { Ok((connection, Login::find(&log))) } else { Err(Reason::find(&log)) }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Ends it. Should this be missed, it ends by itself soon.
    pub(super) async fn close(self) {
        let words = arguments::control(&self.path("c"), &["-O", "exit"]);
        drop(timeout(STEP, ssh(words).status()).await);
    }

    /// Opens a session with a plain shell in it.
    pub(super) fn session(&self) -> std::io::Result<Session> {
        let words = arguments::session(&self.path("c"));
        Session::start(ssh(words))
    }

    /// Sends a word there and back through two sockets: one there that leads to one here, and one here that leads to that.
    pub(super) async fn loops_back(&self, word: &str) -> Result<(), String> {
        let there = format!("/tmp/.sandboxer-check-{word}");
        let (target, entry) = (self.path("t"), self.path("e"));
        let words = |error: Error| error.to_string();
        let listener = UnixListener::bind(&target).map_err(words)?;
        let forward = |flag: &str, from: String, to: String| {
            let words = arguments::control(&self.path("c"), &["-O", "forward", flag, &format!("{from}:{to}")]);
            async move { timeout(STEP, ssh(words).status()).await.is_ok_and(|done| done.is_ok_and(|s| s.success())) }
        };
        if !forward("-R", there.clone(), target.display().to_string()).await {
            return Err("it refuses to listen on a socket for us".to_owned());
        }
        if !forward("-L", entry.display().to_string(), there).await {
            return Err("ssh could not listen on a socket here".to_owned());
        }
        let exchange = async {
            let mut near = UnixStream::connect(&entry).await?;
            let (mut far, _) = tokio::select! {
                accepted = listener.accept() => accepted?,
                // Refused, it ends at once, with nothing said.
                read = near.read_u8() => return Err(read.err().unwrap_or_else(|| Error::other("it answered itself"))),
            };
            far.write_all(word.as_bytes()).await?;
            let mut heard = vec![0; word.len()];
            near.read_exact(&mut heard).await?;
            if heard == word.as_bytes() { Ok(()) } else { Err(Error::other("something else came back")) }
        };
        match timeout(STEP, exchange).await {
            Err(_) => Err("what was sent did not come back".to_owned()),
            Ok(Err(error)) if error.kind() == ErrorKind::UnexpectedEof => {
                Err("it refuses connections to its sockets".to_owned())
            }
            Ok(outcome) => outcome.map_err(words),
        }
    }
}

/// A plain shell, there or here.
pub(super) struct Session {
    child: Child,
    stdin: ChildStdin,
    stdout: ChildStdout,
}

impl Session {
    /// Starts it.
    pub(super) fn start(mut command: Command) -> std::io::Result<Self> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
        let mut child = command.spawn()?;
        match (child.stdin.take(), child.stdout.take()) {
            (Some(stdin), Some(stdout)) => Ok(Self { child, stdin, stdout }),
            _ => Err(Error::other("a pipe is missing")),
        }
    }

    /// Has the shell say a word, and waits for it. Whatever else is printed before is not kept.
    pub(super) async fn echoes(&mut self, word: &str) -> bool {
        let exchange = async {
            self.stdin.write_all(format!("echo; echo {word}\n").as_bytes()).await?;
            let (line, mut kept) = (format!("\n{word}\n"), Vec::new());
            let mut part = vec![0; KEPT];
            loop {
                let count = self.stdout.read(&mut part).await?;
                kept.extend_from_slice(&part[..count]);
                if kept.windows(line.len()).any(|window| window == line.as_bytes()) {
                    return Ok(true);
                }
                if count == 0 {
                    return Ok::<bool, Error>(false);
                }
                kept.drain(..kept.len().saturating_sub(KEPT));
            }
        };
        timeout(STEP, exchange).await.is_ok_and(|said| said.unwrap_or(false))
    }

    /// Has the shell run a script, and returns what is printed up to its end, but no more than `most`.
    pub(super) async fn runs(mut self, script: &str, most: u64, limit: Duration) -> Result<Vec<u8>, String> {
        let exchange = async {
            self.stdin.write_all(script.as_bytes()).await?;
            drop(self.stdin);
            let mut printed = Vec::new();
            (&mut self.stdout).take(most).read_to_end(&mut printed).await?;
            Ok::<_, Error>(printed)
        };
        match timeout(limit, exchange).await {
            Err(_) => Err(format!("a plain script did not end within {} s", limit.as_secs())),
            Ok(Err(error)) => Err(format!("a plain script could not be sent: {error}")),
            Ok(Ok(printed)) => Ok(printed),
        }
    }

    /// Lets the shell end.
    pub(super) async fn end(mut self) {
        drop((self.stdin, self.stdout));
        drop(timeout(STEP, self.child.wait()).await);
    }
}
