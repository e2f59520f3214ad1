//! A sandbox of `ext.my-backend` from its beginning to its end, in a state directory of its own.
//!
//! `sandboxer` must be on the path.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A copy of what a catalog has, beside a backend and a state of its own. What is left of it goes at the end.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().expect("a temporary folder"));
        let project = Path::new(env!("CARGO_MANIFEST_DIR"));
        for folder in ["extensions", "profiles", "boxes"] {
            fs::create_dir(place.path(folder)).expect("a new folder");
        }
        for file in ["extensions/ext.my-backend.yaml", "profiles/profile.my-backend.yaml", "boxes/.backend"] {
            fs::copy(project.join(file), place.path(file)).expect("a file of the project");
        }
        // What a handler names lies beside the manifest.
        let program = env!("CARGO_BIN_EXE_my-backend-extension");
        fs::copy(program, place.path("extensions/my-backend-extension")).expect("room for the program");
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Runs `sandboxer`. Returns its status, and what it printed.
    fn run(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let mut command = Command::new("sandboxer");
        command.arg("--catalog").arg(self.0.path()).args(arguments).env("SANDBOXER_STATE", self.path("state"));
        let output = command.output().expect("`sandboxer` is on the path");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        eprintln!("$ sandboxer {}\n{said}{}", arguments.join(" "), String::from_utf8_lossy(&output.stderr));
        (output.status.code(), said)
    }

    fn boxes(&self) -> usize {
        let names =
            fs::read_dir(self.path("boxes")).expect("a folder").map(|entry| entry.expect("an entry").file_name());
        names.filter(|name| name != ".backend").count()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.run(&["rm", "--all"]);
    }
}

#[test]
fn the_manifest_and_the_profile_are_sound() {
    assert_eq!(Place::new().run(&["ext", "check", "my-backend"]), (Some(0), "no faults\n".to_owned()));
}

#[test]
fn a_sandbox_is_made_used_and_removed() {
    let place = Place::new();
    let (status, _) = place.run(&["create", "my-backend", "--name", "tried", "-i", "note=hello", "-i", "size=2"]);
    assert_eq!((status, place.boxes()), (Some(0), 1));
    let command = ["exec", "tried", "--", "sh", "-c", "echo hello > greeting; cat greeting"];
    assert_eq!(place.run(&command), (Some(0), "hello\n".to_owned()));
    let (status, _) = place.run(&["rm", "tried"]);
    assert_eq!((status, place.boxes()), (Some(0), 0));
}

#[test]
fn a_backend_that_does_not_answer_is_no_empty_one() {
    let place = Place::new();
    assert_eq!(place.run(&["create", "my-backend", "--name", "tried"]).0, Some(0));
    fs::remove_file(place.path("boxes/.backend")).expect("it is there");
    assert_ne!(place.run(&["rm", "tried"]).0, Some(0));
    fs::write(place.path("boxes/.backend"), "").expect("a file");
    assert_eq!(place.boxes(), 1);
    assert_eq!(place.run(&["rm", "tried"]).0, Some(0));
}

#[test]
fn wrong_inputs_make_nothing() {
    let place = Place::new();
    let params = r#"{"inputs": {"size": 9}}"#;
    assert_eq!(place.run(&["ext", "call", "my-backend", "provision", "--params", params]).0, Some(4));
    assert_eq!(place.boxes(), 0);
}
