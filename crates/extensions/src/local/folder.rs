//! Where the sandboxes' folders are, and what is in one.

use super::record::{Journal, Record};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use sandboxer_types::SandboxId;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// Names in a sandbox's folder.
pub(crate) const JOURNAL: &str = "journal";
pub(crate) const CONTROL: &str = "control";
pub(crate) const AGENT_SOCKET: &str = "agent.sock";
pub(crate) const LOG: &str = "log";
pub(crate) const WORKSPACE: &str = "workspace";
pub(crate) const HOME: &str = "home";
pub(crate) const TEMPORARY: &str = "tmp";

/// Bytes after which nothing more is logged.
const LARGEST_LOG: i64 = 256 * 1024;

const DIRECTORY: OFlags = OFlags::DIRECTORY.union(OFlags::CLOEXEC).union(OFlags::NOFOLLOW);

/// The folder that holds all sandboxes of a state directory, opened.
#[derive(Debug)]
pub(crate) struct RootFolder {
    path: PathBuf,
    file: OwnedFd,
}

impl RootFolder {
    /// Opens it and makes it when it is not there. It is its owner's alone, whatever the umask.
    pub(crate) fn open_or_make(path: &Path) -> io::Result<Self> {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)?;
        let root = Self::open(path)?.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        if rustix::fs::fstat(&root.file)?.st_mode & 0o777 != 0o700 {
            rustix::fs::fchmod(&root.file, Mode::RWXU)?;
        }
        Ok(root)
    }

    /// Opens it, when it is there.
    pub(crate) fn open(path: &Path) -> io::Result<Option<Self>> {
        match rustix::fs::open(path, OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()) {
            Ok(file) => Ok(Some(Self { path: path.to_owned(), file })),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Makes the folder of a sandbox. `None` when there is one.
    pub(crate) fn make(&self, id: &SandboxId, mode: Mode) -> io::Result<Option<Folder>> {
        match rustix::fs::mkdirat(&self.file, id.as_str(), mode) {
            Ok(()) => {}
            Err(Errno::EXIST) => return Ok(None),
            Err(error) => return Err(error.into()),
        }
        let folder = self.find(id)?;
        if let Some(folder) = &folder {
            rustix::fs::fchmod(&folder.file, mode)?;
        }
        Ok(folder)
    }

    /// Opens the folder of a sandbox, when there is one.
    pub(crate) fn find(&self, id: &SandboxId) -> io::Result<Option<Folder>> {
        match rustix::fs::openat(&self.file, id.as_str(), DIRECTORY, Mode::empty()) {
            Ok(file) => Ok(Some(Folder { path: self.path_of(id), file })),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The ids of all sandboxes that have a folder.
    pub(crate) fn ids(&self) -> io::Result<Vec<SandboxId>> {
        let mut ids = Vec::new();
        for entry in rustix::fs::Dir::read_from(&self.file)? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            ids.extend(name.parse::<SandboxId>());
        }
        ids.sort();
        Ok(ids)
    }

    /// The path of a sandbox's folder.
    pub(crate) fn path_of(&self, id: &SandboxId) -> PathBuf {
        self.path.join(id.as_str())
    }
}

impl AsFd for RootFolder {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// The folder of one sandbox, opened.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    file: OwnedFd,
}

impl Folder {
    /// A folder that another process opened and handed on. Its path is not needed there.
    pub(crate) fn handed_over(file: OwnedFd) -> Self {
        Self { path: PathBuf::new(), file }
    }

    /// The same folder once more.
    pub(crate) fn try_clone(&self) -> io::Result<Self> {
        Ok(Self { path: self.path.clone(), file: self.file.try_clone()? })
    }

    /// Its path, for people.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// A path of something in it that is short enough for a socket's address however long its own path is.
    pub(crate) fn short_path(&self, name: &str) -> PathBuf {
        use rustix::fd::AsRawFd;
        PathBuf::from(format!("/proc/self/fd/{}/{name}", self.file.as_raw_fd()))
    }

    /// Writes a record down, after those that are there.
    pub(crate) fn record(&self, record: &Record) -> io::Result<()> {
        let mut line = serde_json::to_vec(record)?;
        line.push(b'\n');
        let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let file = rustix::fs::openat(&self.file, JOURNAL, flags, Mode::RUSR | Mode::WUSR)?;
        // One write: a process that is killed in the middle leaves no half of a line.
        io::Write::write_all(&mut std::fs::File::from(file), &line)
    }

    /// Reads what was written down.
    pub(crate) fn journal(&self) -> io::Result<Journal> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let file = match rustix::fs::openat(&self.file, JOURNAL, flags, Mode::empty()) {
            Ok(file) => file,
            Err(Errno::NOENT) => return Ok(Journal::default()),
            Err(error) => return Err(error.into()),
        };
        let mut text = String::new();
        io::Read::read_to_string(&mut std::fs::File::from(file), &mut text)?;
        Ok(Journal::parse(&text))
    }

    /// Adds to the log, which takes only so much.
    pub(crate) fn log(&self, text: &[u8]) -> io::Result<()> {
        let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let file = rustix::fs::openat(&self.file, LOG, flags, Mode::RUSR | Mode::WUSR)?;
        if rustix::fs::fstat(&file)?.st_size > LARGEST_LOG {
            return Ok(());
        }
        io::Write::write_all(&mut std::fs::File::from(file), text)
    }

    /// The end of the log, for error messages.
    pub(crate) fn log_tail(&self) -> String {
        let open = || rustix::fs::openat(&self.file, LOG, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty());
        let mut text = Vec::new();
        if let Ok(file) = open()
            && let Err(error) = io::Read::read_to_end(&mut std::fs::File::from(file), &mut text)
        {
            return error.to_string();
        }
        let start = text.len().saturating_sub(2000);
        String::from_utf8_lossy(&text[start..]).trim().to_owned()
    }
}

impl AsFd for Folder {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}
