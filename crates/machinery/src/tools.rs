//! What `cargo xtask setup` put below the target directory.

use std::path::PathBuf;

/// The directory that cargo builds in.
pub(crate) fn target_directory() -> PathBuf {
    let program = std::env::current_exe().expect("every process has a program");
    // Cargo marks it, whatever its name is, and the folder in it for one kind of machine.
    let marked = program.ancestors().filter(|folder| folder.join("CACHEDIR.TAG").exists()).last();
    marked.expect("tests are built by cargo").to_owned()
}

/// The folder with programs for hosts.
pub(crate) fn folder() -> PathBuf {
    target_directory().join("tools/bin")
}

/// Compose 2: a plugin of docker's client, and a program of its own.
pub fn compose_program() -> PathBuf {
    let path = folder().join("docker-compose");
    assert!(path.exists(), "{} is missing: run `cargo xtask setup`", path.display());
    path
}
