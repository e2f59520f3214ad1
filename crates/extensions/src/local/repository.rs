//! What is put into the workspace before the sandbox starts: a copy of a folder, or a clone of a repository.

mod clone;
mod copy;
mod copy_file;

pub(crate) use crate::source::Source;

use super::failure::{Doing, Fault};
use super::folder::{Folder, RootFolder, WORKSPACE};
use super::root_file_system::USER_ID;
use rustix::event::{PollFd, PollFlags};
use rustix::fd::{BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, Gid, Mode, OFlags, Uid};
use rustix::time::Timespec;
use sandboxer_sdk::Call;
use sandboxer_types::{ErrorKind, Failure, Residue};
use std::path::PathBuf;

/// The workspace, from outside, before anything runs in it.
#[derive(Debug)]
struct Workspace {
    /// Its path, for programs that need one.
    path: PathBuf,
    /// The folder.
    file: OwnedFd,
    /// Whose everything in it will be, where that is somebody else.
    owner: Option<(Uid, Gid)>,
    /// The folder of all sandboxes, which is never copied into one.
    sandboxes: sandboxer_reach::work_tree::Identity,
}

/// Fills the workspace. Stops when the call ends, and when somebody connects to `control` in order to end the sandbox.
pub(crate) async fn put(
    source: &Source,
    call: &Call,
    root: &RootFolder,
    folder: &Folder,
    control: BorrowedFd<'_>,
    first_uid: Option<u32>,
) -> Result<(), Failure> {
    let workspace = Workspace::open(root, folder, first_uid).map_err(|fault| fault.failure(Residue::Partial))?;
    match source {
        Source::Directory(path) => copy::into(path, workspace, call, control).await,
        Source::Url { url, reference } => clone::into(url, reference.as_deref(), workspace, call, control).await,
    }
}

impl Workspace {
    fn open(root: &RootFolder, folder: &Folder, first_uid: Option<u32>) -> Result<Self, Fault> {
        let what = "open the workspace";
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = rustix::fs::openat(folder, WORKSPACE, flags, Mode::empty()).doing(what)?;
        let owner = first_uid.map(|first| (Uid::from_raw(first + USER_ID), Gid::from_raw(first + USER_ID)));
        let status = rustix::fs::fstat(root).doing(what)?;
        Ok(Self { path: folder.path().join(WORKSPACE), file, owner, sandboxes: (status.st_dev, status.st_ino) })
    }

    /// Takes the workspace itself back for as long as it is filled by a program that works in no folder of somebody else's.
    fn take_back(&self) -> rustix::io::Result<()> {
        let own = (rustix::process::geteuid(), rustix::process::getegid());
        rustix::fs::fchown(&self.file, Some(own.0), Some(own.1))
    }

    /// Gives something in the workspace to the sandbox's user.
    fn give(&self, file: &OwnedFd) -> rustix::io::Result<()> {
        let Some((user, group)) = self.owner else { return Ok(()) };
        rustix::fs::fchown(file, Some(user), Some(group))
    }

    /// The same for something that is not opened, be it a link.
    fn give_entry(&self, parent: &OwnedFd, name: &std::ffi::OsStr) -> rustix::io::Result<()> {
        let Some((user, group)) = self.owner else { return Ok(()) };
        rustix::fs::chownat(parent, name, Some(user), Some(group), AtFlags::SYMLINK_NOFOLLOW)
    }
}

/// Whether somebody waits at the control socket, which before the supervisor starts can only be for the sandbox's end.
fn is_withdrawn(control: BorrowedFd<'_>) -> bool {
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    rustix::event::poll(&mut [PollFd::new(&control, PollFlags::IN)], Some(&now)).is_ok_and(|ready| ready > 0)
}

fn withdrawn() -> Failure {
    Failure::new(ErrorKind::Cancelled, "the sandbox was torn down while its workspace was filled")
        .with_residue(Residue::Partial)
}
