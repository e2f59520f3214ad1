//! What all services share.

use std::path::PathBuf;
use std::sync::Arc;

use http::HeaderMap;
use sandboxer_envd::connectrpc::ConnectError;

use crate::access::Access;
use crate::accounts::{AccountFiles, Accounts, User};
use crate::activity::Activity;
use crate::auth;
use crate::defaults::CurrentDefaults;
use crate::files::PolledWatches;
use crate::identity::{Identity, Power};
use crate::leases::Leases;
use crate::metrics::Meter;
use crate::process::Processes;
use crate::workers::Workers;

/// The agent's state.
pub(crate) struct Shared {
    pub(crate) power: Power,
    pub(crate) accounts: AccountFiles,
    pub(crate) access: Access,
    pub(crate) defaults: CurrentDefaults,
    pub(crate) default_home: Option<PathBuf>,
    pub(crate) workers: Workers,
    pub(crate) processes: Processes,
    pub(crate) watches: PolledWatches,
    pub(crate) leases: Leases,
    pub(crate) activity: Arc<Activity>,
    pub(crate) meter: Arc<Meter>,
}

/// A user that cannot be acted for.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UserFault {
    /// There is none of that name.
    #[error("there is no user `{0}` in this sandbox")]
    Unknown(String),
    /// The agent has no power over it.
    #[error("this sandbox's agent runs without privileges and cannot act as `{0}`")]
    OutOfReach(String),
}

impl From<UserFault> for ConnectError {
    fn from(fault: UserFault) -> Self {
        match &fault {
            UserFault::Unknown(_) => Self::unauthenticated(fault.to_string()),
            UserFault::OutOfReach(_) => Self::permission_denied(fault.to_string()),
        }
    }
}

impl Shared {
    /// The user that a request names, or the default user.
    pub(crate) fn requester(&self, headers: &HeaderMap) -> Result<User, UserFault> {
        self.user(auth::user_of(headers).as_deref())
    }

    /// A user by name, or the default user.
    pub(crate) fn user(&self, name: Option<&str>) -> Result<User, UserFault> {
        let defaults = self.defaults.get();
        let name = name.unwrap_or(&defaults.user);
        let accounts = self.accounts.read();
        let user = accounts.user(name).cloned().or_else(|| self.unlisted(name));
        let user = user.ok_or_else(|| UserFault::Unknown(name.to_owned()))?;
        if self.power.covers(&user) { Ok(user) } else { Err(UserFault::OutOfReach(name.to_owned())) }
    }

    /// The rights that an operation for `user` must take on; none where the agent has just those.
    pub(crate) fn identity(&self, user: &User) -> Option<Identity> {
        match self.power {
            Power::Root if user.uid != 0 => Some(Identity::of(user)),
            Power::Root | Power::Own { .. } => None,
        }
    }

    pub(crate) fn accounts(&self) -> Arc<Accounts> {
        self.accounts.read()
    }

    /// The default user of an agent that runs as that user, where no file lists it; of root, only by its number.
    fn unlisted(&self, name: &str) -> Option<User> {
        let uid = match self.power {
            Power::Own { uid } => uid,
            Power::Root if name == "0" => 0,
            Power::Root => return None,
        };
        if name != self.defaults.get().user {
            return None;
        }
        let gid = rustix::process::getegid().as_raw();
        let home = self.default_home.as_ref().map_or("/".into(), |home| home.to_string_lossy().into_owned());
        Some(User { name: name.to_owned(), uid, gid, home, shell: "/bin/sh".to_owned(), groups: [gid].into() })
    }
}
