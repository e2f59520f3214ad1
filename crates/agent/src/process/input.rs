//! A command's input.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use tokio::io::AsyncWriteExt as _;
use tokio::net::unix::pipe;
use tokio::sync::Mutex;

use super::terminal::Terminal;

/// Where input goes. Writers take turns in the order they came.
pub(super) enum Input {
    /// The command was started without.
    None,
    /// Its standard input, until it is closed.
    Pipe(Mutex<Option<pipe::Sender>>),
    /// Its terminal.
    Terminal { terminal: Arc<Terminal>, turn: Mutex<()> },
}

/// Why input was not taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum InputFault {
    /// There is nothing to write to.
    #[error("the command's standard input is not enabled or closed")]
    Closed,
    /// A terminal cannot be closed.
    #[error("a terminal's input cannot be closed: send 0x04 instead")]
    Terminal,
    /// The command does not take it.
    #[error("the command does not take the input: {0}")]
    Write(#[source] io::Error),
}

impl Input {
    /// Writes all of it; waits while the command does not read.
    pub(super) async fn write(&self, bytes: &Bytes) -> Result<(), InputFault> {
        match self {
            Self::None => Err(InputFault::Closed),
            Self::Pipe(pipe) => {
                let mut pipe = pipe.lock().await;
                let pipe = pipe.as_mut().ok_or(InputFault::Closed)?;
                pipe.write_all(bytes).await.map_err(InputFault::Write)
            }
            Self::Terminal { terminal, turn } => {
                let _turn = turn.lock().await;
                let mut left = &bytes[..];
                while !left.is_empty() {
                    let written = terminal.write(left).await.map_err(InputFault::Write)?;
                    left = &left[written..];
                }
                Ok(())
            }
        }
    }

    /// Ends the standard input, after the writes that came before.
    pub(super) async fn close(&self) -> Result<(), InputFault> {
        match self {
            Self::None => Ok(()),
            Self::Pipe(pipe) => {
                pipe.lock().await.take();
                Ok(())
            }
            Self::Terminal { .. } => Err(InputFault::Terminal),
        }
    }

    /// The terminal, if it is one.
    pub(super) fn terminal(&self) -> Option<&Terminal> {
        match self {
            Self::Terminal { terminal, .. } => Some(terminal),
            Self::None | Self::Pipe(_) => None,
        }
    }
}
