//! Where a package is added from.

use super::draft::{Draft, UnpackFault};
use super::{archive, folder};
use crate::error::{CommandResult, local_fault};
use crate::ui::text::harmless;
use sandboxer_types::{ErrorKind, Failure, Residue};
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// How large an archive may be as it is.
const LARGEST_ARCHIVE: u64 = 96 * 1024 * 1024;

/// A folder, or an archive that was read once, so that what was verified is what is unpacked.
pub(crate) enum Source {
    /// A folder.
    Folder(PathBuf),
    /// An archive.
    Archive {
        /// Where it was read.
        path: PathBuf,
        /// All of it.
        bytes: Vec<u8>,
    },
}

impl Source {
    /// Reads an archive; a folder is only looked at.
    pub(crate) fn open(path: &Path) -> CommandResult<Self> {
        let fault =
            |error| local_fault(format!("read the package `{}`", harmless(&path.display().to_string())), &error);
        let path = path.canonicalize().map_err(fault)?;
        let flags = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
        let file = File::options().read(true).custom_flags(flags).open(&path).map_err(fault)?;
        let metadata = file.metadata().map_err(fault)?;
        if metadata.is_dir() {
            return Ok(Self::Folder(path));
        }
        let shown = path.display();
        if !metadata.is_file() {
            return Err(Failure::invalid_input(format!("`{shown}` is neither a folder nor an archive")).into());
        }
        let mut bytes = Vec::new();
        file.take(LARGEST_ARCHIVE + 1).read_to_end(&mut bytes).map_err(fault)?;
        if bytes.len() as u64 > LARGEST_ARCHIVE {
            let most = LARGEST_ARCHIVE / 1024 / 1024;
            return Err(Failure::invalid_input(format!("`{shown}` has more than {most} MiB")).into());
        }
        Ok(Self::Archive { path, bytes })
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::Folder(path) | Self::Archive { path, .. } => path,
        }
    }

    /// Unpacks it, and says where in the draft the package is.
    pub(crate) fn unpack(&self, draft: &mut Draft) -> CommandResult<PathBuf> {
        let (unpacked, root) = match self {
            Self::Folder(path) => (folder::copy(path, draft), draft.content()),
            Self::Archive { bytes, .. } => {
                let unpacked = archive::unpack(bytes, draft);
                (unpacked, draft.root())
            }
        };
        unpacked.map_err(|fault| self.failure(&fault))?;
        Ok(root)
    }

    fn failure(&self, fault: &UnpackFault) -> Failure {
        let kind = match fault {
            UnpackFault::Refused { .. } | UnpackFault::TooMuch(_) | UnpackFault::Garbled(_) => ErrorKind::InvalidInput,
            UnpackFault::Io { .. } => ErrorKind::Internal,
        };
        let message = format!("the package `{}` cannot be unpacked", harmless(&self.path().display().to_string()));
        let failure = Failure::new(kind, message).with_residue(Residue::None).caused_by(fault);
        match fault {
            UnpackFault::Garbled(_) => failure.with_hint("a package is a folder, or a tar of one, as it is or by gzip"),
            UnpackFault::Refused { .. } | UnpackFault::TooMuch(_) | UnpackFault::Io { .. } => failure,
        }
    }
}
