//! Any program that carries bytes on its standard streams, such as `ssh` or `docker exec`.

use std::ffi::OsString;
use std::process::Stdio;
use std::time::Duration;
use std::{fmt, io};

use async_trait::async_trait;
use bytes::BytesMut;
use tokio::io::AsyncReadExt as _;
use tokio::process::{ChildStdout, Command};

use super::{ByteStream, Connector};

mod child;
mod stream;

use child::Minder;
pub(crate) use stream::Joined;

/// More noise than this before the mark is no login shell's.
const MOST_NOISE: usize = 64 * 1024;
/// Time for the mark to come, unless told otherwise.
const PATIENCE: Duration = Duration::from_secs(30);

/// A program, by its list of arguments, whose standard input and output are the stream. It is ended, and waited for,
/// when the stream is dropped. The last lines of its standard error stand in every failure. It is in a process group of
/// its own, so that Ctrl-C on the terminal does not reach it, and must not ask anything there.
#[derive(Debug, Clone)]
pub struct ProcessStream {
    argv: Vec<OsString>,
    mark: Option<String>,
    patience: Duration,
    withheld: Vec<OsString>,
}

impl ProcessStream {
    /// The program and its arguments.
    pub fn new<Argument: Into<OsString>>(argv: impl IntoIterator<Item = Argument>) -> Self {
        Self { argv: argv.into_iter().map(Into::into).collect(), mark: None, patience: PATIENCE, withheld: Vec::new() }
    }

    /// The stream begins behind a line that ends with `word`, so that what a login shell says before is skipped. No
    /// more than 64 KiB of that are.
    #[must_use]
    pub fn after_mark(mut self, word: impl Into<String>) -> Self {
        self.mark = Some(word.into());
        self
    }

    /// How long to wait for the mark; 30 seconds otherwise.
    #[must_use]
    pub fn within(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// The program does not get these variables of this process's environment.
    #[must_use]
    pub fn without(mut self, variables: &[OsString]) -> Self {
        self.withheld.extend_from_slice(variables);
        self
    }

    fn program(&self) -> String {
        self.argv.first().map(|program| program.to_string_lossy().into_owned()).unwrap_or_default()
    }

    fn spawn(&self) -> io::Result<tokio::process::Child> {
        let (program, arguments) = self.argv.split_first().ok_or(io::ErrorKind::InvalidInput)?;
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.process_group(0).kill_on_drop(true);
        for variable in &self.withheld {
            command.env_remove(variable);
        }
        let started = command.spawn();
        started.map_err(|error| io::Error::new(error.kind(), format!("cannot start `{}`: {error}", self.program())))
    }

    /// Reads past the mark; gives what came behind it already.
    async fn skip_noise(&self, stdout: &mut ChildStdout, mark: &str) -> Result<BytesMut, String> {
        let mark = format!("{mark}\n");
        let mut read = BytesMut::new();
        loop {
            if let Some(start) = find(&read, mark.as_bytes()) {
                return Ok(read.split_off(start + mark.len()));
            }
            if read.len() > MOST_NOISE {
                return Err(format!("said more than {} KiB and did not connect", MOST_NOISE >> 10));
            }
            match stdout.read_buf(&mut read).await {
                Ok(0) => return Err("ended before it was connected".to_owned()),
                Ok(_) => {}
                Err(error) => return Err(format!("cannot be read: {error}")),
            }
        }
    }
}

impl fmt::Display for ProcessStream {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<_> = self.argv.iter().map(|word| word.to_string_lossy()).collect();
        formatter.write_str(&words.join(" "))
    }
}

impl ProcessStream {
    /// Starts the program; the stream begins behind the mark.
    pub(crate) async fn open(&self) -> io::Result<Joined> {
        let mut child = self.spawn()?;
        let streams = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(stdin), Some(mut stdout), Some(stderr)) = streams else {
            return Err(io::Error::other("a child without its streams"));
        };
        let minder = Minder::watch(self.program(), child, stderr);
        let mut begun = BytesMut::new();
        if let Some(mark) = &self.mark {
            let skipped = tokio::time::timeout(self.patience, self.skip_noise(&mut stdout, mark)).await;
            begun = match skipped {
                Ok(Ok(begun)) => begun,
                Ok(Err(what)) => {
                    drop(stdin);
                    return Err(io::Error::new(io::ErrorKind::ConnectionRefused, minder.explain(&what).await));
                }
                Err(_) => {
                    let what = format!("did not connect within {:?}", self.patience);
                    return Err(io::Error::new(io::ErrorKind::TimedOut, minder.say(&what)));
                }
            };
        }
        Ok(Joined::new(begun, stdin, stdout, minder))
    }
}

#[async_trait]
impl Connector for ProcessStream {
    async fn connect(&self) -> io::Result<Box<dyn ByteStream>> {
        Ok(Box::new(self.open().await?))
    }
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|window| window == wanted)
}
