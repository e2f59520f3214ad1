//! What only git can tell of a work tree.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

const PATIENCE: Duration = Duration::from_secs(60);

/// How a folder belongs to git.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum GitTree {
    /// Not the root of a work tree.
    None,
    /// With its repository in it.
    Whole,
    /// `.git` is a file that names a repository elsewhere: a linked work tree, or a submodule of its own.
    Linked,
}

impl GitTree {
    /// Looks at a folder.
    pub(super) fn of(folder: &Path) -> Self {
        match folder.join(".git").symlink_metadata() {
            Ok(status) if status.is_dir() => Self::Whole,
            Ok(_) => Self::Linked,
            Err(_) => Self::None,
        }
    }
}

/// Whether a folder is inside some work tree, so that the ignore files above it count.
pub(super) fn is_in_work_tree(folder: &Path) -> bool {
    folder.ancestors().any(|ancestor| ancestor.join(".git").symlink_metadata().is_ok())
}

/// What the repository holds though its ignore files match it, or why that is not known. Only git can tell.
pub(super) async fn tracked_though_ignored(source: &Path) -> Result<Vec<PathBuf>, String> {
    if GitTree::of(source) != GitTree::Whole {
        return Ok(Vec::new());
    }
    let refused = |why: &str| Err(format!("tracked files that are also ignored are left out: {why}"));
    match tokio::time::timeout(PATIENCE, list(source).output()).await {
        Ok(Ok(output)) if output.status.success() => {
            let names = output.stdout.split(|byte| *byte == 0).filter(|name| !name.is_empty());
            Ok(names.map(|name| PathBuf::from(OsString::from_vec(name.to_vec()))).collect())
        }
        Ok(Ok(output)) => refused(String::from_utf8_lossy(&output.stderr).trim()),
        Ok(Err(error)) => refused(&format!("git cannot be run: {error}")),
        Err(_) => refused("git does not answer"),
    }
}

/// The folder's own settings may name programs to run: to watch files, as hooks, and to fetch what a partial clone lacks.
/// None of them is run, since the folder may be anybody's.
fn list(source: &Path) -> Command {
    let mut command = Command::new("git");
    command.args(["-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "-C"]).arg(source);
    command.args(["ls-files", "-z", "-c", "-i", "--exclude-standard"]);
    // A list of allowed transports that names none of them.
    command.env("GIT_ALLOW_PROTOCOL", "none").env("GIT_NO_LAZY_FETCH", "1");
    command.env("GIT_OPTIONAL_LOCKS", "0").env("GIT_TERMINAL_PROMPT", "0");
    for inherited in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"] {
        command.env_remove(inherited);
    }
    command.stdin(Stdio::null()).kill_on_drop(true);
    command
}
