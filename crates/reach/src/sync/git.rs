//! What only git can tell of a work tree.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;

use crate::work_tree::{GitTree, Question};

/// What the repository holds though its ignore files match it, or why that is not known.
pub(super) async fn tracked_though_ignored(source: &Path) -> Result<Vec<PathBuf>, String> {
    if GitTree::of(source) != GitTree::Whole {
        return Ok(Vec::new());
    }
    let refused = |why: &str| Err(format!("tracked files that are also ignored are left out: {why}"));
    match tokio::time::timeout(Question::PATIENCE, asking(source).output()).await {
        Ok(Ok(output)) if output.status.success() => Ok(Question::answer(&output.stdout)),
        Ok(Ok(output)) => refused(String::from_utf8_lossy(&output.stderr).trim()),
        Ok(Err(error)) => refused(&format!("git cannot be run: {error}")),
        Err(_) => refused("git does not answer"),
    }
}

fn asking(source: &Path) -> Command {
    let mut command = Command::new("git");
    command.args(Question::arguments(source)).envs(Question::ENVIRONMENT);
    for inherited in Question::UNWANTED {
        command.env_remove(inherited);
    }
    command.stdin(Stdio::null()).kill_on_drop(true);
    command
}
