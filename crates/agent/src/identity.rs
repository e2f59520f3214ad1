//! Whose rights an operation has.

use std::io;
use std::sync::Arc;

use crate::accounts::User;

/// Whether this process can act for others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Power {
    /// Root with the right to set user and group ids: it acts as whoever asks.
    Root,
    /// It acts as itself only.
    Own {
        /// Its user id.
        uid: u32,
    },
}

impl Power {
    /// Finds out by doing: root in a user namespace that maps nobody else may not set its groups either.
    pub(crate) fn probe() -> Self {
        let uid = rustix::process::geteuid();
        if uid.is_root() && set_groups(&[]).is_ok() { Self::Root } else { Self::Own { uid: uid.as_raw() } }
    }

    /// Whether it can act as that user.
    pub(crate) fn covers(self, user: &User) -> bool {
        match self {
            Self::Root => true,
            Self::Own { uid } => uid == user.uid,
        }
    }
}

/// The ids to take on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) groups: Arc<[u32]>,
}

impl Identity {
    pub(crate) fn of(user: &User) -> Self {
        Self { uid: user.uid, gid: user.gid, groups: Arc::clone(&user.groups) }
    }

    /// Runs `work` with this identity's rights on files, on this thread alone. The file system ids give up root's
    /// capabilities over files and bring them back, and leave the thread out of the user's reach by signals.
    pub(crate) fn act<Output>(&self, work: impl FnOnce() -> Output) -> io::Result<Output> {
        let _restored = Restored(restore);
        set_groups(&self.groups)?;
        set_file_group(self.gid)?;
        set_file_user(self.uid)?;
        Ok(work())
    }

    /// The same with the effective ids, which others see whom this thread speaks to. The real and the saved ones stay
    /// root's, so that the user's signals do not reach the thread either, and it finds its way back.
    pub(crate) fn act_fully<Output>(&self, work: impl FnOnce() -> Output) -> io::Result<Output> {
        let _restored = Restored(restore_fully);
        set_groups(&self.groups)?;
        set_effective_group(self.gid)?;
        set_effective_user(self.uid)?;
        Ok(work())
    }
}

/// Gives root's rights back when it goes, whether or not the work came to its end.
struct Restored(fn() -> io::Result<()>);

impl Drop for Restored {
    fn drop(&mut self) {
        if let Err(error) = self.0() {
            // The thread would do the next one's work with this one's rights.
            tracing::error!(%error, "cannot take root's rights back");
            std::process::abort();
        }
    }
}

fn restore() -> io::Result<()> {
    set_file_user(0)?;
    set_file_group(0)?;
    set_groups(&[])
}

/// The user first: it brings back the right to set the others. The file system ids follow the effective ones.
fn restore_fully() -> io::Result<()> {
    set_effective_user(0)?;
    set_effective_group(0)?;
    set_groups(&[])
}

#[allow(unsafe_code, reason = "libc's own wrappers change every thread, these must not")]
mod calls {
    use std::io;

    /// Sets this thread's supplementary groups.
    pub(crate) fn set_groups(groups: &[u32]) -> io::Result<()> {
        // SAFETY: the pointer and the length describe `groups`, which the kernel only reads.
        check(unsafe { libc::syscall(libc::SYS_setgroups, groups.len(), groups.as_ptr()) })
    }

    pub(super) fn set_file_user(uid: u32) -> io::Result<()> {
        set(libc::SYS_setfsuid, uid)
    }

    pub(super) fn set_file_group(gid: u32) -> io::Result<()> {
        set(libc::SYS_setfsgid, gid)
    }

    pub(super) fn set_effective_user(uid: u32) -> io::Result<()> {
        set_effective(libc::SYS_setresuid, uid)
    }

    pub(super) fn set_effective_group(gid: u32) -> io::Result<()> {
        set_effective(libc::SYS_setresgid, gid)
    }

    /// Of the real, the effective and the saved id only the second.
    fn set_effective(call: libc::c_long, id: u32) -> io::Result<()> {
        // SAFETY: the call takes numbers only.
        check(unsafe { libc::syscall(call, u32::MAX, id, u32::MAX) })
    }

    /// Both calls answer the previous id and tell no fault, so the id is asked for by setting an impossible one.
    fn set(call: libc::c_long, id: u32) -> io::Result<()> {
        // SAFETY: the call takes a number only.
        unsafe { libc::syscall(call, id) };
        // SAFETY: the same; -1 is no id, so nothing changes.
        let now = unsafe { libc::syscall(call, u32::MAX) };
        if now == libc::c_long::from(id) { Ok(()) } else { Err(io::Error::from_raw_os_error(libc::EPERM)) }
    }

    fn check(result: libc::c_long) -> io::Result<()> {
        if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }
}

pub(crate) use calls::set_groups;
use calls::{set_effective_group, set_effective_user, set_file_group, set_file_user};
