//! What clients come into.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use sandboxer_reach::{ExecRequest, ReachError, ReachErrorKind, Session};

/// The sandbox as a client sees it: a way in, and how commands are run there.
#[derive(Clone)]
pub struct Place {
    session: Arc<dyn Session>,
    /// The name that stands for the sandbox's own user.
    own_user: String,
    env: BTreeMap<String, String>,
    cwd: Option<String>,
    user: Option<String>,
}

impl fmt::Debug for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Place").field("user", &self.user).field("cwd", &self.cwd).finish_non_exhaustive()
    }
}

impl Place {
    /// Commands get the environment and the working directory of `like`. A client that logs in as `own_user` is the
    /// sandbox's default user.
    pub fn new(session: Arc<dyn Session>, own_user: impl Into<String>, like: ExecRequest) -> Self {
        Self { session, own_user: own_user.into(), env: like.env, cwd: like.cwd, user: like.user }
    }

    /// Everything is done as that user from now on.
    pub(crate) async fn become_user(&mut self, user: &str) -> Result<(), ReachError> {
        if user == self.own_user {
            return Ok(());
        }
        match self.session.stat(Path::new("."), Some(user)).await {
            // A user without a home is one, too.
            Err(error) if error.kind() != ReachErrorKind::NotFound => Err(error),
            Ok(_) | Err(_) => {
                self.user = Some(user.to_owned());
                Ok(())
            }
        }
    }

    pub(crate) fn session(&self) -> &Arc<dyn Session> {
        &self.session
    }

    pub(crate) fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// A command as the sandbox's profile wants it run.
    pub(crate) fn command<'a>(&self, argv: impl IntoIterator<Item = &'a str>) -> ExecRequest {
        ExecRequest { env: self.env.clone(), cwd: self.cwd.clone(), user: self.user.clone(), ..ExecRequest::new(argv) }
    }
}
