//! The program itself: what it says on its standard error, how it ends, and that it ends.

use std::collections::VecDeque;
use std::process::ExitStatus;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::{Child, ChildStderr};
use tokio::sync::{oneshot, watch};

/// So many of its last lines are kept.
const LINES: usize = 8;
/// Longer lines are cut into several.
const LONGEST_LINE: u64 = 400;
/// Time to end by itself once its input is closed.
const GRACE: Duration = Duration::from_secs(2);
/// Time for the last words of one that ended: something it started may hold its standard error open for ever.
const LAST_WORDS: Duration = Duration::from_millis(300);

/// Minds a program for as long as its stream lives, and ends it afterwards.
#[derive(Debug, Clone)]
pub(super) struct Minder {
    program: String,
    said: Arc<Mutex<VecDeque<String>>>,
    ended: watch::Receiver<Option<ExitStatus>>,
    /// The program is no longer wanted once the last of these is gone.
    _wanted: Arc<oneshot::Sender<()>>,
}

impl Minder {
    pub(super) fn watch(program: String, child: Child, stderr: ChildStderr) -> Self {
        let said: Arc<Mutex<VecDeque<String>>> = Arc::default();
        let (wanted, unwanted) = oneshot::channel();
        let (tell, ended) = watch::channel(None);
        let listening = tokio::spawn(listen(stderr, Arc::clone(&said)));
        tokio::spawn(async move {
            let status = outlast(child, unwanted).await;
            if tokio::time::timeout(LAST_WORDS, listening).await.is_err() {
                tracing::debug!("a program's standard error is still open after its end");
            }
            tell.send_replace(status);
        });
        Self { program, said, ended, _wanted: Arc::new(wanted) }
    }

    /// A failure in words, with how the program ended, if it is about to.
    pub(super) async fn explain(&self, what: &str) -> String {
        let mut ended = self.ended.clone();
        let status = match tokio::time::timeout(GRACE, ended.wait_for(Option::is_some)).await {
            Ok(Ok(status)) => *status,
            Ok(Err(_)) | Err(_) => None,
        };
        match status {
            Some(status) => self.say(&format!("{what} ({status})")),
            None => self.say(what),
        }
    }

    /// A failure in words, with what the program said last.
    pub(super) fn say(&self, what: &str) -> String {
        let said = lock(&self.said).iter().map(String::as_str).collect::<Vec<_>>().join("; ");
        if said.is_empty() {
            format!("`{}` {what}", self.program)
        } else {
            format!("`{}` {what}: {said}", self.program)
        }
    }
}

/// Waits for the end, which is brought about when nobody wants the program any more.
async fn outlast(mut child: Child, unwanted: oneshot::Receiver<()>) -> Option<ExitStatus> {
    tokio::select! {
        ended = child.wait() => return ended.ok(),
        _ = unwanted => {}
    }
    // Its input is closed by now, which ends what carries bytes.
    if let Ok(ended) = tokio::time::timeout(GRACE, child.wait()).await {
        return ended.ok();
    }
    if let Err(error) = child.kill().await {
        tracing::warn!(%error, "cannot end a program");
    }
    child.wait().await.ok()
}

/// Keeps the last lines.
async fn listen(stderr: ChildStderr, said: Arc<Mutex<VecDeque<String>>>) {
    let mut stderr = BufReader::new(stderr);
    let mut line = Vec::new();
    while let Ok(1..) = (&mut stderr).take(LONGEST_LINE).read_until(b'\n', &mut line).await {
        let text = String::from_utf8_lossy(&line).trim().to_owned();
        line.clear();
        if text.is_empty() {
            continue;
        }
        let mut said = lock(&said);
        if said.len() == LINES {
            said.pop_front();
        }
        said.push_back(text);
    }
}

fn lock<Value>(mutex: &Mutex<Value>) -> MutexGuard<'_, Value> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
