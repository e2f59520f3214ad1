//! The key by which a client knows that it speaks to us.

use std::fmt;
use std::io::{self, Write as _};
use std::path::Path;

use russh::keys::key::safe_rng;
use russh::keys::ssh_key::LineEnding;
use russh::keys::{Algorithm, PrivateKey};

/// A private key of this server's.
pub struct HostKey(PrivateKey);

impl fmt::Debug for HostKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("HostKey").finish_non_exhaustive()
    }
}

impl HostKey {
    /// Reads the key that is kept at `path`, making it where there is none: a file for its owner alone, which appears
    /// whole or not at all, so that processes that make it at once agree on one.
    pub fn kept(path: &Path) -> io::Result<Self> {
        match std::fs::read_to_string(path) {
            Ok(text) => return Self::parse(&text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let made = PrivateKey::random(&mut safe_rng(), Algorithm::Ed25519).map_err(io::Error::other)?;
        let text = made.to_openssh(LineEnding::LF).map_err(io::Error::other)?;
        let folder = path.parent().unwrap_or(Path::new("."));
        // A temporary file is for its owner alone.
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(text.as_bytes())?;
        file.as_file().sync_all()?;
        match file.persist_noclobber(path) {
            Ok(_) => Ok(Self(made)),
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => {
                Self::parse(&std::fs::read_to_string(path)?)
            }
            Err(error) => Err(error.error),
        }
    }

    fn parse(text: &str) -> io::Result<Self> {
        let wrong = |error| io::Error::new(io::ErrorKind::InvalidData, format!("it is not our key: {error}"));
        PrivateKey::from_openssh(text).map(Self).map_err(wrong)
    }

    /// The public key, as a line of `known_hosts` has it behind the name of the host.
    pub fn public_line(&self) -> io::Result<String> {
        self.0.public_key().to_openssh().map_err(io::Error::other)
    }

    pub(crate) fn into_inner(self) -> PrivateKey {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_key_is_made_once_and_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let first = HostKey::kept(&path).unwrap().public_line().unwrap();
        assert!(first.starts_with("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5"), "{first}");
        assert_eq!(HostKey::kept(&path).unwrap().public_line().unwrap(), first);
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(folder.path().read_dir().unwrap().count(), 1);
        std::fs::write(&path, "no key").unwrap();
        assert_eq!(HostKey::kept(&path).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
