//! What is done inside of a sandbox.

use crate::bench::Made;
use crate::check::{Stop, hold};
use bytes::Bytes;
use sandboxer_reach::{ExecEvent, ExecRequest, ReachError, Session};
use std::time::Duration;

/// How long a command of the suite may take inside.
const LIMIT: Duration = Duration::from_secs(120);

/// How a command ended, and what it said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ran {
    pub(crate) status: i32,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
}

impl Ran {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }
}

/// Runs a command to its end where a sandbox's commands start.
pub(crate) async fn run(session: &dyn Session, made: &Made, words: &[&str], input: &[u8]) -> Result<Ran, Stop> {
    let request = ExecRequest {
        cwd: made.reachability.starting_folder().map(str::to_owned),
        stdin: !input.is_empty(),
        ..ExecRequest::new(words.iter().copied())
    };
    let shown = words.join(" ");
    let cannot = |why: String| Stop::failed(format!("the command `{shown}` does not work inside: {why}"));
    match tokio::time::timeout(LIMIT, run_to_end(session, request, input)).await {
        Ok(ran) => ran.map_err(|error| cannot(error.to_string())),
        Err(_) => Err(cannot(format!("it takes longer than {LIMIT:?}"))),
    }
}

async fn run_to_end(session: &dyn Session, request: ExecRequest, input: &[u8]) -> Result<Ran, ReachError> {
    let has_input = request.stdin;
    let mut execution = session.exec(request).await?;
    let pipe = execution.input();
    let input = Bytes::copy_from_slice(input);
    let writing = async move {
        if has_input {
            for piece in input.chunks(64 * 1024) {
                pipe.write(Bytes::copy_from_slice(piece)).await?;
            }
            pipe.close_stdin().await?;
        }
        Ok::<_, ReachError>(())
    };
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let reading = async {
        while let Some(event) = execution.next_event().await? {
            match event {
                ExecEvent::Stdout(bytes) | ExecEvent::Pty(bytes) => stdout.extend_from_slice(&bytes),
                ExecEvent::Stderr(bytes) => stderr.extend_from_slice(&bytes),
                // Shows as bytes that lack.
                ExecEvent::Gap { .. } => {}
            }
        }
        execution.wait().await
    };
    let (written, status) = tokio::join!(writing, reading);
    let status = status?.shell_code();
    written?;
    Ok(Ran { status, stdout, stderr })
}

/// Keeps a word in a file of the sandbox's, where there must be none yet, and reads it back by the same command.
pub(crate) async fn leave_word(session: &dyn Session, made: &Made, word: &str) -> Result<(), Stop> {
    let script = "test ! -e sandboxer-word || exit 9; printf %s \"$1\" > sandboxer-word && cat sandboxer-word";
    let ran = run(session, made, &["sh", "-c", script, "sh", word], b"").await?;
    hold!(ran.status != 9, "a word of another sandbox is in {}", made.named.sandbox_id);
    hold!(
        ran.status == 0 && ran.text() == word,
        "a word that was written in {} came back as `{}` (status {}): {}",
        made.named.sandbox_id,
        ran.text(),
        ran.status,
        String::from_utf8_lossy(&ran.stderr)
    );
    Ok(())
}

/// That the word is still there.
pub(crate) async fn must_have_word(session: &dyn Session, made: &Made, word: &str) -> Result<(), Stop> {
    let ran = run(session, made, &["cat", "sandboxer-word"], b"").await?;
    hold!(
        ran.status == 0 && ran.text() == word,
        "the word that was left in {} is lost: `{}` (status {})",
        made.named.sandbox_id,
        ran.text(),
        ran.status
    );
    Ok(())
}
