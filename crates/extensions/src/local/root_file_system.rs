//! What a sandbox sees as `/`: programs and settings of the host that cannot be written, and folders of its own.
//!
//! Runs in the sandbox's namespaces, before anything of the sandbox's. The root is a file system in memory, not an overlay
//! and not a folder on disk: it works on every host and as every user, is made and gone in no time, and shows no path of
//! the host's. What may grow large (workspace, home, temporary files) are folders on disk.

mod devices;
mod etc;
mod process_files;

use super::failure::{Doing, Fault};
use super::folder::{HOME, TEMPORARY, WORKSPACE};
use super::mounts::{self, READ_ONLY};
use rustix::fd::OwnedFd;
use rustix::fs::Mode;
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

/// Folders in memory.
const FOLDERS: [(&str, u32); 12] = [
    ("dev", 0o755),
    ("etc", 0o755),
    ("home", 0o755),
    ("home/user", 0o750),
    ("mnt", 0o755),
    ("opt", 0o755),
    ("proc", 0o555),
    ("root", 0o700),
    ("run", 0o755),
    ("tmp", 0o1777),
    ("var", 0o755),
    ("workspace", 0o755),
];

/// Folders on disk, and where they are inside.
const ON_DISK: [(&str, &str); 3] = [(WORKSPACE, "workspace"), (HOME, "home/user"), (TEMPORARY, "tmp")];

/// Folders that are another.
const LINKS: [(&str, &str); 2] = [("../tmp", "var/tmp"), ("../run", "var/run")];

/// Links to folders of `/usr` on most hosts, folders on others.
const PROGRAM_FOLDERS: [&str; 6] = ["bin", "sbin", "lib", "lib32", "lib64", "libx32"];

/// Builds it and makes it this process's root. The current directory is the sandbox's folder.
pub(crate) fn build(plan: &Plan) -> Result<(), Fault> {
    mounts::make_private()?;
    let folder = mounts::cover_current_directory()?;
    for (name, mode) in FOLDERS {
        rustix::fs::mkdir(name, Mode::from_raw_mode(mode)).doing(format!("make /{name} in the sandbox"))?;
    }
    for (name, target) in ON_DISK {
        mounts::bind_below(&folder, name, Path::new(target))?;
    }
    for (target, name) in LINKS {
        std::os::unix::fs::symlink(target, name).doing(format!("make /{name} in the sandbox"))?;
    }
    programs()?;
    etc::build(plan)?;
    devices::build(plan.has_root)?;
    process_files::build()?;
    plan.exposed.iter().try_for_each(expose)?;
    mounts::enter_root()
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
