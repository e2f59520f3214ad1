//! A script run in the sandbox, and what it says.

use bytes::Bytes;
use tokio::sync::mpsc::{self, Receiver};

use super::SyncOptions;
use super::archive::{Archive, Stop, Written};
use crate::{ExecEvent, ExecRequest, Execution, ExitStatus, InputHandle, ReachError, ReachErrorKind as Kind, Session};

use std::time::Duration;

/// More than what a folder of a million names says is nonsense.
const LONGEST_ANSWER: usize = 512 << 20;
/// Kept of what a script complains about.
const LONGEST_COMPLAINT: usize = 4096;
/// Pieces of an archive that may wait to be sent.
const AHEAD: usize = 4;
/// A script whose input never ends, since the way to it broke, is ended after this time where the sandbox can do that.
const LONGEST: Duration = Duration::from_secs(4 * 3600);

/// A script with its words.
pub(super) struct Call<'a> {
    session: &'a dyn Session,
    request: ExecRequest,
}

/// What it said, and how it ended.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) stdout: Vec<u8>,
    complaint: Vec<u8>,
    exit: ExitStatus,
}

impl Answer {
    pub(super) fn success(&self) -> bool {
        self.exit.success()
    }

    /// The error that its complaint is.
    pub(super) fn refused(&self) -> ReachError {
        said(&self.complaint)
    }
}

impl<'a> Call<'a> {
    pub(super) fn new(
        session: &'a dyn Session,
        options: &SyncOptions,
        script: &str,
        words: impl IntoIterator<Item = String>,
    ) -> Self {
        let own = ["/bin/sh", "-c", script, "sandboxer-sync"].map(str::to_owned);
        let argv = own.into_iter().chain(words).collect();
        Self {
            session,
            request: ExecRequest { argv, user: options.user.clone(), tethered: true, ..ExecRequest::default() },
        }
    }

    /// To its end, without input.
    pub(super) async fn run(self) -> Result<Answer, ReachError> {
        let mut execution = self.session.exec(self.request).await?;
        follow(&mut execution).await
    }

    /// To its end, with `first` and then the archive as its input.
    pub(super) async fn feed(
        mut self,
        first: Vec<u8>,
        archive: Archive,
    ) -> Result<(Answer, Result<Written, ReachError>), ReachError> {
        self.request.stdin = true;
        let mut execution = self.start_limited().await?;
        let (sender, receiver) = mpsc::channel(AHEAD);
        let writing = tokio::task::spawn_blocking(move || archive.write(sender));
        let input = Closing(Some(execution.input()));
        let (answer, ()) = tokio::join!(follow(&mut execution), send(input, first.into(), receiver));
        let written = match writing.await.map_err(|error| ReachError::local("the files cannot be read", error.into())) {
            Ok(Ok(written)) => Ok(written),
            Ok(Err(Stop::Unwanted)) => Err(ReachError::protocol("the sandbox took only a part of the files")),
            Ok(Err(Stop::Fault(error))) | Err(error) => Err(error),
        };
        match (answer, written) {
            // The other side complains of an input that ends too early.
            (Ok(answer), Err(error)) if !answer.success() && error.kind() == Kind::Local => Err(error),
            (answer, written) => Ok((answer?, written)),
        }
    }

    async fn start_limited(&self) -> Result<Execution, ReachError> {
        let limited = ExecRequest { timeout: Some(LONGEST), ..self.request.clone() };
        match self.session.exec(limited).await {
            Err(error) if error.kind() == Kind::Unsupported => self.session.exec(self.request.clone()).await,
            started => started,
        }
    }
}

/// An input that is closed even when nobody waits for that any more: else the script would wait for ever.
struct Closing(Option<InputHandle>);

impl Drop for Closing {
    fn drop(&mut self) {
        if let (Some(input), Ok(runtime)) = (self.0.take(), tokio::runtime::Handle::try_current()) {
            runtime.spawn(async move {
                // A script that has ended has nothing to close.
                input.close_stdin().await.ok();
            });
        }
    }
}

/// Sends all of it. A script that takes no more says by its end why.
async fn send(mut closing: Closing, first: Bytes, mut pieces: Receiver<Bytes>) {
    let Some(input) = closing.0.clone() else { return };
    let all = async {
        if !first.is_empty() {
            input.write(first).await?;
        }
        while let Some(piece) = pieces.recv().await {
            input.write(piece).await?;
        }
        input.close_stdin().await
    };
    match all.await {
        Ok(()) => closing.0 = None,
        Err(error) => tracing::debug!(%error, "the sandbox takes no more of a sync"),
    }
}

async fn follow(execution: &mut Execution) -> Result<Answer, ReachError> {
    let (mut stdout, mut complaint) = (Vec::new(), Vec::new());
    while let Some(event) = execution.next_event().await? {
        match event {
            ExecEvent::Stdout(bytes) | ExecEvent::Pty(bytes) => stdout.extend_from_slice(&bytes),
            ExecEvent::Stderr(bytes) => complaint.extend_from_slice(&bytes),
            ExecEvent::Gap { .. } => return Err(ReachError::protocol("a part of what the sandbox said is lost")),
        }
        complaint.truncate(LONGEST_COMPLAINT);
        if stdout.len() > LONGEST_ANSWER {
            return Err(ReachError::protocol("the sandbox names more files than any folder has"));
        }
    }
    Ok(Answer { stdout, complaint, exit: execution.wait().await? })
}

/// A script that failed, by its words.
fn said(complaint: &[u8]) -> ReachError {
    let said = String::from_utf8_lossy(complaint);
    let said = said.trim().trim_start_matches("error: ").to_owned();
    let signs = [
        ("tar is missing", Kind::Unsupported),
        ("ermission denied", Kind::PermissionDenied),
        ("not permitted", Kind::PermissionDenied),
        ("Read-only file system", Kind::PermissionDenied),
        ("No space left", Kind::Exhausted),
        ("quota", Kind::Exhausted),
    ];
    let kind = signs.iter().find(|(sign, _)| said.contains(sign)).map_or(Kind::Precondition, |(_, kind)| *kind);
    let message = if said.is_empty() { "the sandbox refused without a word".to_owned() } else { said };
    let error = ReachError::new(kind, format!("the sandbox does not take the files: {message}"));
    match kind {
        Kind::Unsupported => error.with_hint("install tar there"),
        _ => error,
    }
}
