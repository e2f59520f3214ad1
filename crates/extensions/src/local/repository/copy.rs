//! A folder copied into the workspace: everything that git would not ignore, committed or not, and the repository itself.
//!
//! Nothing is followed: every file is opened from its parent's descriptor, so a link that appears in the middle of the
//! copy leads nowhere.

use super::copy_file::FileCopier;
use super::{Workspace, is_withdrawn, withdrawn};
use crate::local::failure::Doing;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, Stat, Timespec, Timestamps};
use rustix::io::Errno;
use sandboxer_reach::work_tree::{GitTree, Question, unignored, way_to};
use sandboxer_sdk::{Call, CommandLine};
use sandboxer_types::{ErrorKind, Failure, Residue};
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
/// Looked at this often whether anybody still wants the copy, in entries.
const CHECK_EVERY: u64 = 32;
/// Told this often how far it is, in entries.
const TELL_EVERY: u64 = 2000;

/// Copies `source` into the workspace, on a thread that may wait.
pub(super) async fn into(
    source: &Path,
    workspace: Workspace,
    call: &Call,
    control: BorrowedFd<'_>,
) -> Result<(), Failure> {
    let opened = rustix::fs::open(source, OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
    let opened = opened.map_err(|error| unreadable(source, error))?;
    let forced = tracked_though_ignored(source, call).await;
    let control = control.try_clone_to_owned().doing("copy the folder");
    let control = control.map_err(|fault| fault.failure(Residue::Partial))?;
    let (source, call) = (source.to_owned(), call.clone());
    let copying = tokio::task::spawn_blocking(move || {
        Copy { source, opened, workspace, call, control, copier: FileCopier::new(), count: 0, modes: Vec::new() }
            .run(forced)
    });
    copying.await.map_err(|error| Failure::new(ErrorKind::Internal, format!("the copy broke off: {error}")))?
}

fn unreadable(source: &Path, error: Errno) -> Failure {
    let message = format!("cannot open the folder {}: {error}", source.display());
    let kind = match error {
        Errno::NOENT => ErrorKind::NotFound,
        Errno::ACCESS | Errno::PERM => ErrorKind::Forbidden,
        _ => ErrorKind::InvalidInput,
    };
    Failure::new(kind, message).with_residue(Residue::Partial).with_field("inputs.repo", error.to_string())
}

/// What the repository holds though its ignore files match it. Only git can tell; without git such files are left out.
async fn tracked_though_ignored(source: &Path, call: &Call) -> Vec<PathBuf> {
    let Some(folder) = source.to_str().filter(|_| GitTree::of(source) == GitTree::Whole) else { return Vec::new() };
    match call.runner.run(&asking(folder), Question::PATIENCE).await {
        Ok(output) if output.success() => Question::answer(&output.stdout),
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            call.warn(format!("tracked files that are also ignored are not copied: git said: {said}"));
            Vec::new()
        }
        Err(fault) => {
            call.warn(format!("tracked files that are also ignored are not copied: {fault}"));
            Vec::new()
        }
    }
}

fn asking(folder: &str) -> CommandLine {
    let words = Question::arguments(folder).into_iter().filter_map(OsStr::to_str);
    let command = CommandLine::new(["git"].into_iter().chain(words));
    Question::ENVIRONMENT.into_iter().fold(command, |command, (name, value)| command.with_env(name, value))
}

struct Copy {
    source: PathBuf,
    opened: OwnedFd,
    workspace: Workspace,
    call: Call,
    control: OwnedFd,
    copier: FileCopier,
    count: u64,
    /// Folders' modes, set last: a folder may not allow to be filled.
    modes: Vec<(PathBuf, Stat)>,
}

/// Why a copy stopped.
enum Stop {
    /// Nobody wants it any more.
    Failure(Box<Failure>),
    /// It cannot go on.
    Fault(PathBuf, io::Error),
}

impl Copy {
    fn run(mut self, forced: Vec<PathBuf>) -> Result<(), Failure> {
        match self.copy_all(forced) {
            Ok(()) => {
                self.call.progress("copy", format!("copied {} files", self.count));
                Ok(())
            }
            Err(Stop::Failure(failure)) => Err(*failure),
            Err(Stop::Fault(path, error)) => {
                let fault = Err::<(), _>(error).doing(format!("copy {}", path.display()));
                Err(fault.err().map_or_else(withdrawn, |fault| fault.failure(Residue::Partial)))
            }
        }
    }

    fn copy_all(&mut self, forced: Vec<PathBuf>) -> Result<(), Stop> {
        let git = GitTree::of(&self.source);
        if git == GitTree::Linked {
            self.call.warn(format!(
                "{} is linked to a repository elsewhere, so git will not work inside; give its repository as file:// URL \
                 to have that",
                self.source.display()
            ));
        }
        self.copy_unignored()?;
        for path in forced.iter().flat_map(|path| way_to(path)) {
            self.copy_entry(path)?;
        }
        if git == GitTree::Whole {
            self.copy_tree(Path::new(".git"))?;
        }
        self.set_folder_modes()
    }

    fn copy_unignored(&mut self) -> Result<(), Stop> {
        for found in unignored(&self.source, vec![self.workspace.sandboxes]) {
            match found {
                Ok(found) if found.is_repository => self.copy_tree(&found.path)?,
                Ok(found) => {
                    self.copy_entry(&found.path)?;
                }
                Err(error) => self.call.warn(format!("not copied: {error}")),
            }
        }
        Ok(())
    }

    /// A repository is copied as it is, whatever the ignore files say.
    fn copy_tree(&mut self, relative: &Path) -> Result<(), Stop> {
        if !self.copy_entry(relative)? {
            return Ok(());
        }
        let names = self.names_in(relative).map_err(|error| Stop::Fault(relative.to_owned(), error))?;
        names.into_iter().try_for_each(|name| self.copy_tree(&relative.join(name)))
    }

    fn names_in(&self, relative: &Path) -> io::Result<Vec<OsString>> {
        let folder = match open_below(&self.opened, relative, FOLDER) {
            Ok(folder) => folder,
            Err(Errno::NOENT | Errno::ACCESS | Errno::NOTDIR | Errno::LOOP) => return Ok(Vec::new()),
            Err(error) => return Err(error.into()),
        };
        let mut names = Vec::new();
        for entry in rustix::fs::Dir::read_from(&folder)? {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if !matches!(name, b"." | b"..") {
                names.push(OsStr::from_bytes(name).to_owned());
            }
        }
        Ok(names)
    }

    /// Copies one entry, without what is in it. Tells whether it is a folder.
    fn copy_entry(&mut self, relative: &Path) -> Result<bool, Stop> {
        self.keep_on().map_err(|failure| Stop::Failure(Box::new(failure)))?;
        match self.try_copy_entry(relative) {
            Ok(is_folder) => Ok(is_folder),
            Err(error) if is_of_the_source(&error) => {
                self.call.warn(format!("not copied: {}: {error}", relative.display()));
                Ok(false)
            }
            Err(error) => match self.stop_now() {
                Some(failure) => Err(Stop::Failure(Box::new(failure))),
                None => Err(Stop::Fault(relative.to_owned(), error)),
            },
        }
    }

    fn try_copy_entry(&mut self, relative: &Path) -> io::Result<bool> {
        let parent = relative.parent().unwrap_or(Path::new(""));
        let name = relative.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        let from = open_below(&self.opened, parent, FOLDER)?;
        let status = rustix::fs::statat(&from, name, AtFlags::SYMLINK_NOFOLLOW)?;
        let to = open_below(&self.workspace.file, parent, FOLDER)?;
        match FileType::from_raw_mode(status.st_mode) {
            FileType::Directory => {
                match rustix::fs::mkdirat(&to, name, Mode::RWXU) {
                    Ok(()) => self.modes.push((relative.to_owned(), status)),
                    Err(Errno::EXIST) => {}
                    Err(error) => return Err(error.into()),
                }
                self.workspace.give_entry(&to, name)?;
                return Ok(true);
            }
            FileType::RegularFile => self.copy_file(&from, &to, name)?,
            FileType::Symlink => {
                let target = rustix::fs::readlinkat(&from, name, Vec::new())?;
                absent_before(rustix::fs::symlinkat(&target, &to, name))?;
                self.workspace.give_entry(&to, name)?;
            }
            kind => self.call.log(format!("not copied: {} is a {kind:?}", relative.display())),
        }
        Ok(false)
    }

    fn copy_file(&mut self, from: &OwnedFd, to: &OwnedFd, name: &OsStr) -> io::Result<()> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let source = rustix::fs::openat(from, name, flags, Mode::empty())?;
        let status = rustix::fs::fstat(&source)?;
        if !FileType::from_raw_mode(status.st_mode).is_file() {
            return Err(io::ErrorKind::NotFound.into());
        }
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let target = match rustix::fs::openat(to, name, flags, Mode::RUSR | Mode::WUSR) {
            Ok(target) => target,
            Err(Errno::EXIST) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let (call, control) = (&self.call, self.control.as_fd());
        let mut keep_on = || {
            if call.check().is_err() || is_withdrawn(control) { Err(io::Error::other("stopped")) } else { Ok(()) }
        };
        self.copier.copy(&source, &target, &mut keep_on)?;
        self.workspace.give(&target)?;
        rustix::fs::fchmod(&target, Mode::from_raw_mode(status.st_mode & 0o777))?;
        Ok(rustix::fs::futimens(&target, &times(&status))?)
    }

    fn set_folder_modes(&mut self) -> Result<(), Stop> {
        for (path, status) in std::mem::take(&mut self.modes).into_iter().rev() {
            let set = || -> io::Result<()> {
                let folder = open_below(&self.workspace.file, &path, FOLDER)?;
                rustix::fs::fchmod(&folder, Mode::from_raw_mode(status.st_mode & 0o777))?;
                Ok(rustix::fs::futimens(&folder, &times(&status))?)
            };
            set().map_err(|error| Stop::Fault(path.clone(), error))?;
        }
        Ok(())
    }

    fn keep_on(&mut self) -> Result<(), Failure> {
        self.count += 1;
        if self.count.is_multiple_of(TELL_EVERY) {
            self.call.progress("copy", format!("copied {} files", self.count));
        }
        match self.count % CHECK_EVERY {
            0 => self.stop_now().map_or(Ok(()), Err),
            _ => Ok(()),
        }
    }

    fn stop_now(&self) -> Option<Failure> {
        match self.call.check() {
            Err(end) => Some(end.failure().with_residue(Residue::Partial)),
            Ok(()) => is_withdrawn(self.control.as_fd()).then(withdrawn),
        }
    }
}

/// Opens what lies below a folder, through no link.
fn open_below(folder: &OwnedFd, relative: &Path, flags: OFlags) -> rustix::io::Result<OwnedFd> {
    let relative = if relative.as_os_str().is_empty() { Path::new(".") } else { relative };
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    rustix::fs::openat2(folder, relative, flags, Mode::empty(), resolve)
}

fn times(status: &Stat) -> Timestamps {
    let time =
        |seconds: i64, nanoseconds| Timespec { tv_sec: seconds, tv_nsec: i64::try_from(nanoseconds).unwrap_or(0) };
    Timestamps {
        last_access: time(status.st_atime, status.st_atime_nsec),
        last_modification: time(status.st_mtime, status.st_mtime_nsec),
    }
}

fn absent_before(made: rustix::io::Result<()>) -> io::Result<()> {
    match made {
        Ok(()) | Err(Errno::EXIST) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// What may happen to a folder that somebody works in, and is no reason to give the rest up.
fn is_of_the_source(error: &io::Error) -> bool {
    let Some(error) = error.raw_os_error() else { return error.kind() == io::ErrorKind::NotFound };
    [libc::ENOENT, libc::EACCES, libc::ENOTDIR, libc::ELOOP, libc::ENXIO].contains(&error)
}
