//! One operation on files for one user.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sandboxer_envd::connectrpc::{ConnectError, RequestContext};

use crate::accounts::User;
use crate::identity::Identity;
use crate::paths::absolute;
use crate::shared::{Shared, UserFault};

/// Who asks, and with what rights it is done.
pub(crate) struct FileCall {
    pub(super) shared: Arc<Shared>,
    pub(super) user: User,
    pub(super) identity: Option<Identity>,
}

impl FileCall {
    /// For the user that a Connect request names.
    pub(crate) fn new(shared: &Arc<Shared>, ctx: &RequestContext) -> Result<Self, ConnectError> {
        let user = shared.requester(ctx.headers())?;
        Ok(Self { identity: shared.identity(&user), shared: Arc::clone(shared), user })
    }

    /// For a user by name, or the default user.
    pub(crate) fn of(shared: &Arc<Shared>, user: Option<&str>) -> Result<Self, UserFault> {
        let user = shared.user(user)?;
        Ok(Self { identity: shared.identity(&user), shared: Arc::clone(shared), user })
    }

    /// A request's path, made absolute.
    pub(crate) fn absolute(&self, path: impl AsRef<OsStr>) -> PathBuf {
        absolute(path, &self.user.home)
    }

    /// Does `work` with the user's rights, on a worker.
    pub(crate) async fn act<Output: Send + 'static>(
        &self,
        work: impl FnOnce() -> io::Result<Output> + Send + 'static,
    ) -> io::Result<Output> {
        self.shared.workers.run(self.identity.clone(), work).await
    }

    /// Does `work` on `path` with the user's rights, on a worker.
    pub(crate) async fn run<Output: Send + 'static>(
        &self,
        path: &Path,
        work: impl FnOnce(&Path) -> io::Result<Output> + Send + 'static,
    ) -> Result<Output, ConnectError> {
        let owned = path.to_owned();
        let result = self.act(move || work(&owned)).await;
        result.map_err(|error| fault(path, &error))
    }
}

/// A file operation's fault in Connect's words.
pub(crate) fn fault(path: &Path, error: &io::Error) -> ConnectError {
    let message = format!("`{}`: {error}", path.display());
    match error.kind() {
        io::ErrorKind::NotFound => ConnectError::not_found(message),
        io::ErrorKind::AlreadyExists => ConnectError::already_exists(message),
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => ConnectError::permission_denied(message),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ConnectError::resource_exhausted(message),
        io::ErrorKind::NotADirectory
        | io::ErrorKind::IsADirectory
        | io::ErrorKind::InvalidInput
        | io::ErrorKind::InvalidFilename => ConnectError::invalid_argument(message),
        io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::CrossesDevices | io::ErrorKind::ResourceBusy => {
            ConnectError::failed_precondition(message)
        }
        _ => match error.raw_os_error() {
            Some(libc::ELOOP) => ConnectError::failed_precondition(message),
            Some(libc::EMFILE | libc::ENFILE | libc::ENOMEM) => ConnectError::resource_exhausted(message),
            _ => ConnectError::internal(message),
        },
    }
}
