//! The private folder: which file is whose, and that it is private.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use sha2::{Digest as _, Sha256};

use super::{PROTOCOL, SshSettings};
use crate::{ReachError, ReachErrorKind};
use sandboxer_types::{SandboxMark, SshDestination};

/// `sun_path` holds 108 bytes with its closing zero.
const LONGEST_SOCKET: usize = 107;
/// `ssh` binds its control socket by a name with a dot and sixteen letters more, then renames it.
const SUFFIX: usize = 17;
/// Of the digest that names a destination's files, in hexadecimal digits.
const NAME: usize = 16;

/// The files of one destination.
#[derive(Debug, Clone)]
pub(super) struct Files {
    folder: PathBuf,
    name: String,
    jump: Option<PathBuf>,
}

impl Files {
    /// Finds names for them; makes nothing.
    pub(super) fn of(settings: &SshSettings, destination: &SshDestination) -> Result<Self, ReachError> {
        let folder = &settings.folder;
        let refused = |why: &str| {
            let message = format!("`{}` cannot hold the sockets of ssh: {why}", folder.display());
            Err(ReachError::new(ReachErrorKind::InvalidInput, message))
        };
        if !folder.is_absolute() {
            return refused("it is no absolute path");
        }
        let Some(text) = folder.to_str() else { return refused("it is not UTF-8") };
        if let Some(wrong) = text.chars().find(|character| Self::is_misread(*character)) {
            return refused(&format!("it contains {wrong:?}"));
        }
        let longest = LONGEST_SOCKET - SUFFIX - NAME - "/".len();
        if text.len() > longest {
            return refused(&format!("its path has {} bytes, and {longest} are the most", text.len()));
        }
        if settings.jump.is_some()
            && settings.program.to_str().is_none_or(|program| program.chars().any(Self::is_misread))
        {
            return refused("the path of `ssh` has signs that a shell would read");
        }
        let straight = SshSettings { jump: None, ..settings.clone() };
        let jump = settings.jump.as_ref().map(|jump| folder.join(name_of(&straight, jump)));
        Ok(Self { folder: folder.clone(), name: name_of(settings, destination), jump })
    }

    /// Whether it means something to ssh where that takes a path.
    pub(super) fn is_misread(character: char) -> bool {
        character.is_control() || "\"'\\$%:".contains(character)
    }

    /// Makes the folder, and holds that it is the user's alone.
    pub(super) fn prepare(&self) -> Result<(), ReachError> {
        let failed = |source| ReachError::local(format!("cannot use `{}` for ssh", self.folder.display()), source);
        match DirBuilder::new().mode(0o700).recursive(true).create(&self.folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(failed(error)),
            Ok(()) | Err(_) => self.check(),
        }
    }

    /// Holds that the folder is the user's alone: whoever else can write there could be at the other end of a socket.
    pub(super) fn check(&self) -> Result<(), ReachError> {
        let failed = |source| ReachError::local(format!("cannot use `{}` for ssh", self.folder.display()), source);
        let status = std::fs::symlink_metadata(&self.folder).map_err(failed)?;
        let own = rustix::process::geteuid().as_raw();
        if status.is_dir() && status.uid() == own && status.mode() & 0o077 == 0 {
            return Ok(());
        }
        let message = format!("others can use `{}`, and with it the connections of ssh", self.folder.display());
        Err(ReachError::new(ReachErrorKind::Precondition, message)
            .with_hint("name a folder of your own that is closed to others: `chmod 700`"))
    }

    pub(super) fn control(&self) -> PathBuf {
        self.folder.join(&self.name)
    }

    /// The control socket of the connection to the jump.
    pub(super) fn jump(&self) -> Option<&Path> {
        self.jump.as_deref()
    }

    /// Where the agent's socket is forwarded to: the machine's, or that of a sandbox there.
    pub(super) fn forwarded(&self, sandbox: Option<&SandboxMark>) -> PathBuf {
        let of_sandbox = |sandbox: &SandboxMark| hexadecimal(&Sha256::digest(format!("{PROTOCOL} {sandbox}")));
        let mut name = sandbox.map_or_else(|| PROTOCOL.to_owned(), of_sandbox);
        name.truncate(NAME);
        self.folder.join(format!("{}-{name}", self.name))
    }

    pub(super) fn log(&self) -> PathBuf {
        self.folder.join(format!("{}.log", self.name))
    }

    pub(super) fn known_hosts(&self) -> PathBuf {
        self.folder.join("known_hosts")
    }

    /// Waits until nobody else starts a connection to this destination. The lock goes with the file.
    pub(super) async fn lock(&self) -> Result<File, ReachError> {
        let path = self.folder.join(format!("{}.lock", self.name));
        let failed = move |source| ReachError::local("cannot lock the connection of ssh", source);
        let locked = tokio::task::spawn_blocking(move || {
            let file = private(&path)?;
            flock(&file, FlockOperation::LockExclusive)?;
            Ok(file)
        });
        locked.await.map_err(|error| failed(io::Error::other(error)))?.map_err(failed)
    }
}

/// A file for its owner alone, written at its end.
pub(super) fn private(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(0o600).open(path)
}

/// A connection may be shared by all who mean the same machine in the same way.
fn name_of(settings: &SshSettings, destination: &SshDestination) -> String {
    let mut digest = Sha256::new();
    digest.update(destination.to_string());
    for path in [&settings.config, &settings.identity] {
        digest.update([0]);
        digest.update(path.as_deref().unwrap_or(Path::new("")).as_os_str().as_encoded_bytes());
    }
    if let Some(jump) = &settings.jump {
        digest.update([0]);
        digest.update(jump.to_string());
    }
    let mut name = hexadecimal(&digest.finalize());
    name.truncate(NAME);
    name
}

pub(super) fn hexadecimal(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing into a text cannot fail.
        write!(text, "{byte:02x}").ok();
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(folder: &str) -> Result<Files, ReachError> {
        Files::of(&SshSettings::new(folder), &"host".parse().unwrap())
    }

    #[test]
    fn folders_that_ssh_would_misread_or_that_are_too_long_are_refused() {
        let longest = format!("/{}", "x".repeat(72));
        assert!(files("/a b/c").is_ok());
        assert_eq!(files(&longest).unwrap().control().as_os_str().len() + SUFFIX, LONGEST_SOCKET);
        for wrong in
            ["", "relative", "/a%h", "/${HOME}", "/a\"b", "/a'b", "/a\\b", "/a:b", "/a\nb", &format!("{longest}x")]
        {
            assert_eq!(files(wrong).unwrap_err().kind(), ReachErrorKind::InvalidInput, "{wrong:?}");
        }
    }

    #[test]
    fn others_folders_are_refused() {
        use std::os::unix::fs::PermissionsExt as _;
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("deep/ssh");
        let files = files(folder.to_str().unwrap()).unwrap();
        files.prepare().unwrap();
        files.prepare().unwrap();
        assert_eq!(std::fs::metadata(&folder).unwrap().mode() & 0o777, 0o700);
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o750)).unwrap();
        assert_eq!(files.prepare().unwrap_err().kind(), ReachErrorKind::Precondition);
    }

    #[test]
    fn each_way_to_a_machine_has_a_name_of_its_own() {
        let name = |destination: &str, change: fn(&mut SshSettings)| {
            let mut settings = SshSettings::new("/s");
            change(&mut settings);
            name_of(&settings, &destination.parse().unwrap())
        };
        let plain = name("host", |_| {});
        assert_eq!((plain.len(), &plain), (NAME, &name("ssh://host", |_| {})));
        assert_ne!(plain, name("host:22", |_| {}));
        assert_ne!(plain, name("host", |settings| settings.config = Some("/x".into())));
        assert_ne!(
            name("host", |settings| settings.config = Some("/x".into())),
            name("host", |settings| settings.identity = Some("/x".into()))
        );
    }
}
