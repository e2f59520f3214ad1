//! What a sandbox sees as `/`: programs and settings of the host that cannot be written, and folders of its own.
//!
//! Runs in the sandbox's namespaces, before anything of the sandbox's. The root is a plain folder, not an overlay: it works
//! on every file system, as every user, and one can look at it from outside; what programs write is theirs alone anyway,
//! since nothing of the host below it can be written.

mod devices;
mod etc;
mod process_files;

use super::failure::{Doing, Fault};
use super::mounts::{self, READ_ONLY, WITHOUT_PRIVILEGE};
use rustix::fd::OwnedFd;
use rustix::fs::{Gid, Mode, Uid};
use rustix::io::Errno;
use std::path::{Path, PathBuf};

/// The user that commands run as, unless they ask for another.
pub(crate) const USER: &str = "user";
/// That user's id inside.
pub(crate) const USER_ID: u32 = 1000;

/// A folder of the host that can be read inside.
#[derive(Debug)]
pub(crate) struct Exposed {
    /// Its path, here and there.
    pub(crate) path: PathBuf,
    /// A copy of its mounts, where this process could not reach the path itself.
    pub(crate) copy: Option<OwnedFd>,
}

/// What to build.
#[derive(Debug)]
pub(crate) struct Plan {
    /// What it is called.
    pub(crate) hostname: String,
    /// Whether user ids can be given away: it has a range of them.
    pub(crate) has_root: bool,
    /// Whether names are looked up as the host does.
    pub(crate) host_network: bool,
    /// Folders of the host.
    pub(crate) exposed: Vec<Exposed>,
}

/// Folders of its own: name, mode, and whether they are the user's.
const FOLDERS: [(&str, u32, bool); 13] = [
    ("dev", 0o755, false),
    ("etc", 0o755, false),
    ("home", 0o755, false),
    ("home/user", 0o750, true),
    ("mnt", 0o755, false),
    ("opt", 0o755, false),
    ("proc", 0o555, false),
    ("root", 0o700, false),
    ("run", 0o755, false),
    ("tmp", 0o1777, false),
    ("var", 0o755, false),
    ("var/tmp", 0o1777, false),
    ("workspace", 0o755, true),
];

/// Links to folders of `/usr` on most hosts, folders on others.
const PROGRAM_FOLDERS: [&str; 6] = ["bin", "sbin", "lib", "lib32", "lib64", "libx32"];

/// Builds it in `root`, a folder below the current one, and makes it this process's root.
pub(crate) fn build(root: &str, plan: &Plan) -> Result<(), Fault> {
    mounts::make_private()?;
    let root = Path::new(root);
    mounts::bind(root, root, WITHOUT_PRIVILEGE)?;
    rustix::process::chdir(root).doing("enter the new root")?;
    FOLDERS.iter().try_for_each(|(name, mode, of_user)| folder(name, *mode, *of_user && plan.has_root))?;
    programs()?;
    etc::build(plan)?;
    devices::build(plan.has_root)?;
    process_files::build()?;
    plan.exposed.iter().try_for_each(expose)?;
    mounts::enter_root()
}

fn folder(name: &str, mode: u32, of_user: bool) -> Result<(), Fault> {
    let what = || format!("make /{name} in the sandbox");
    match rustix::fs::mkdir(name, Mode::from_raw_mode(mode)) {
        Ok(()) => {}
        // The workspace may have been filled already, by whoever made the sandbox.
        Err(Errno::EXIST) => return Ok(()),
        Err(error) => return Err(error).doing(what()),
    }
    if of_user {
        let (user, group) = (Uid::from_raw(USER_ID), Gid::from_raw(USER_ID));
        rustix::fs::chown(name, Some(user), Some(group)).doing(what())?;
    }
    Ok(())
}

fn programs() -> Result<(), Fault> {
    mounts::make_folder(Path::new("usr"))?;
    mounts::bind(Path::new("/usr"), Path::new("usr"), READ_ONLY)?;
    for name in PROGRAM_FOLDERS {
        let there = Path::new("/").join(name);
        if let Ok(link) = std::fs::read_link(&there) {
            std::os::unix::fs::symlink(&link, name).doing(format!("make /{name} in the sandbox"))?;
        } else if there.is_dir() {
            mounts::make_folder(Path::new(name))?;
            mounts::bind(&there, Path::new(name), READ_ONLY)?;
        }
    }
    Ok(())
}

fn expose(exposed: &Exposed) -> Result<(), Fault> {
    let target = exposed.path.strip_prefix("/").unwrap_or(&exposed.path);
    if target.symlink_metadata().is_ok() {
        // Shown already, as a part of another folder.
    } else if is_folder(exposed)? {
        mounts::make_folder(target)?;
    } else {
        target.parent().map_or(Ok(()), mounts::make_folder)?;
        etc::empty_file(target)?;
    }
    match &exposed.copy {
        Some(copy) => mounts::attach(copy, target, READ_ONLY),
        None => mounts::bind(&exposed.path, target, READ_ONLY),
    }
}

fn is_folder(exposed: &Exposed) -> Result<bool, Fault> {
    let status = match &exposed.copy {
        Some(copy) => rustix::fs::fstat(copy),
        None => rustix::fs::stat(&exposed.path),
    };
    let status = status.doing(format!("look at {}", exposed.path.display()))?;
    Ok(rustix::fs::FileType::from_raw_mode(status.st_mode).is_dir())
}
