//! Running programs, by their arguments.

use anyhow::{Context, bail};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map_or_else(PathBuf::new, Path::to_owned)
}

/// Where everything is built.
pub(crate) fn target_directory() -> anyhow::Result<PathBuf> {
    let metadata = read("cargo", &["metadata", "--format-version=1", "--no-deps"])?;
    let metadata: serde_json::Value = serde_json::from_str(&metadata)?;
    let directory = metadata["target_directory"].as_str().context("cargo names no target directory")?;
    Ok(PathBuf::from(directory))
}

/// Runs a program in the root of the repository; an error when it fails.
pub(crate) fn run(program: &str, arguments: &[&str]) -> anyhow::Result<()> {
    println!("$ {program} {}", arguments.join(" "));
    let status = Command::new(program)
        .args(arguments)
        .current_dir(root())
        .status()
        .with_context(|| format!("cannot start {program}"))?;
    if !status.success() {
        bail!("{program} {} ended with {status}", arguments.join(" "));
    }
    Ok(())
}

/// Runs a program quietly and returns its stdout.
pub(crate) fn read(program: &str, arguments: &[&str]) -> anyhow::Result<String> {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(root())
        .output()
        .with_context(|| format!("cannot start {program}"))?;
    if !output.status.success() {
        bail!(
            "{program} {} ended with {}: {}",
            arguments.join(" "),
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// Whether a program of this name is on the path.
pub(crate) fn has(program: &str) -> bool {
    #[allow(clippy::disallowed_methods, reason = "a developers' tool looks for programs where the shell does")]
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// Whether this runs in CI, where what cannot run is a failure.
pub(crate) fn in_ci() -> bool {
    #[allow(clippy::disallowed_methods, reason = "a developers' tool is told so by its environment")]
    let ci = std::env::var("CI");
    ci.is_ok_and(|value| value == "true" || value == "1")
}

/// Whether this runs as root.
pub(crate) fn is_root() -> anyhow::Result<bool> {
    Ok(read("id", &["-u"])?.trim() == "0")
}
