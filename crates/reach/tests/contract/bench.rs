//! What the checks work with.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use sandboxer_reach::{ExecRequest, ExitStatus, Session};

use crate::support::{finish, shell};

/// A kind of session: one sandbox, and ways into it.
#[async_trait]
pub(crate) trait Kind: Send + Sync {
    /// A session.
    async fn open(&self) -> Arc<dyn Session>;

    /// Whether a second session leads into the same sandbox.
    fn opens_more(&self) -> bool {
        true
    }

    /// A session whose connection breaks after so many bytes have come from the other side.
    async fn open_breaking(&self, after: u64) -> Option<Arc<dyn Session>>;

    /// An empty folder inside, where commands run.
    fn folder(&self) -> PathBuf;

    /// Another user than the default one, where it can be acted as: `nobody`.
    fn other_user(&self) -> Option<&str>;
}

/// One sandbox, fresh for one check.
pub(crate) struct Bench {
    pub(crate) session: Arc<dyn Session>,
    pub(crate) kind: Arc<dyn Kind>,
}

impl Bench {
    pub(crate) async fn new(kind: Arc<dyn Kind>) -> Self {
        Self { session: kind.open().await, kind }
    }

    /// A path in the folder where commands run.
    pub(crate) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.kind.folder().join(name)
    }

    /// The same as text.
    pub(crate) fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    /// A second session, where there can be one; else the first.
    pub(crate) async fn another(&self) -> Arc<dyn Session> {
        if self.kind.opens_more() { self.kind.open().await } else { Arc::clone(&self.session) }
    }

    /// What a shell script prints that must succeed.
    #[track_caller]
    pub(crate) fn sh(&self, script: &str) -> impl Future<Output = String> + Send + use<> {
        let (session, script) = (Arc::clone(&self.session), script.to_owned());
        async move {
            let finished = finish(&mut session.exec(shell(&script)).await.unwrap()).await.unwrap();
            let said = String::from_utf8_lossy(&finished.stderr);
            assert_eq!(finished.exit, ExitStatus::Code(0), "{script}: {said}");
            finished.text().to_owned()
        }
    }

    /// Runs a script that goes on; ends with the bench.
    pub(crate) fn python(script: &str) -> ExecRequest {
        ExecRequest::new(["python3", "-u", "-c", script])
    }
}
