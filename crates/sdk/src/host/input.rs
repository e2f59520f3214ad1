//! What is written to a process: by a task of its own, so that a process that does not read holds nobody up.

use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// The input of a process, until it is closed.
#[derive(Clone)]
pub(super) struct Input {
    lines: mpsc::UnboundedSender<String>,
    closing: CancellationToken,
}

impl Input {
    /// Writes to `stream`, and closes it after the first line when that is the only one.
    pub(super) fn new(stream: Box<dyn AsyncWrite + Send + Unpin>, is_of_one_line: bool) -> Self {
        let (lines, written) = mpsc::unbounded_channel();
        let closing = CancellationToken::new();
        tokio::spawn(write(stream, written, closing.clone(), is_of_one_line));
        Self { lines, closing }
    }

    /// Has a whole line written, behind those before it. A process that takes none is about to be found dead, or late.
    pub(super) fn send(&self, line: String) {
        if self.lines.send(line).is_err() {
            tracing::debug!("an extension takes no line any more");
        }
    }

    /// Closes it at once, whatever is still to be written.
    pub(super) fn close(&self) {
        self.closing.cancel();
    }
}

async fn write(
    mut stream: Box<dyn AsyncWrite + Send + Unpin>,
    mut lines: mpsc::UnboundedReceiver<String>,
    closing: CancellationToken,
    is_of_one_line: bool,
) {
    let all = async {
        while let Some(line) = lines.recv().await {
            stream.write_all(line.as_bytes()).await?;
            stream.flush().await?;
            if is_of_one_line {
                break;
            }
        }
        std::io::Result::Ok(())
    };
    tokio::select! {
        biased;
        () = closing.cancelled() => {}
        written = all => {
            if let Err(error) = written {
                tracing::debug!(%error, "an extension does not take a line");
            }
        }
    }
}
