//! Folders made the same on the other side, over every way in.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "../support/mod.rs"]
mod support;

mod breaking;
mod chance;
mod differing;
mod hostile;
mod places;
mod speed;
mod whole;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use sandboxer_reach::sync::{SyncOptions, SyncReport, sync};
use sandboxer_reach::{PlainSession, ReachError, Session};
use tempfile::TempDir;

use support::Agent;
use support::sshd::Machine;

/// A sandbox on this machine and a folder to be sent there.
struct Place {
    session: Box<dyn Session>,
    root: TempDir,
    name: &'static str,
    _keep: Box<dyn Send + Sync>,
}

impl Place {
    async fn agent() -> Self {
        let agent = Agent::start();
        let session = Box::new(agent.session().await);
        Self::over("agent", session, Box::new(agent))
    }

    fn plain() -> Self {
        let machine = Machine::start();
        let session = Box::new(PlainSession::new(machine.master()));
        Self::over("plain", session, Box::new(machine))
    }

    /// Where only busybox is installed.
    fn busybox() -> Self {
        let machine = Machine::start();
        let programs = machine.home().join("programs");
        std::fs::create_dir(&programs).unwrap();
        for name in [
            "sh", "find", "stat", "tar", "head", "cat", "wc", "xargs", "rm", "rmdir", "mv", "mkdir", "chmod", "dd",
            "printf",
        ] {
            std::os::unix::fs::symlink("/usr/bin/busybox", programs.join(name)).unwrap();
        }
        std::fs::write(machine.home().join(".bashrc"), format!("PATH={}\n", programs.display())).unwrap();
        let session = Box::new(PlainSession::new(machine.master()));
        Self::over("busybox", session, Box::new(machine))
    }

    async fn all() -> Vec<Self> {
        vec![Self::agent().await, Self::plain(), Self::busybox()]
    }

    fn over(name: &'static str, session: Box<dyn Session>, keep: Box<dyn Send + Sync>) -> Self {
        let root = TempDir::with_prefix("sandboxer-sync-").unwrap();
        std::fs::create_dir(root.path().join("here")).unwrap();
        std::fs::create_dir(root.path().join("there")).unwrap();
        Self { session, root, name, _keep: keep }
    }

    fn here(&self, path: impl AsRef<Path>) -> PathBuf {
        self.root.path().join("here").join(path)
    }

    fn there(&self, path: impl AsRef<Path>) -> PathBuf {
        self.root.path().join("there/work").join(path)
    }

    async fn sync(&self) -> Result<SyncReport, ReachError> {
        let target = self.root.path().join("there/work");
        let options = SyncOptions::default();
        sync(self.session.as_ref(), &self.here(""), target.to_str().unwrap(), &options).await
    }

    /// A sync that must succeed and leave both sides the same.
    async fn same(&self) -> SyncReport {
        let report = self.sync().await.unwrap();
        self.assert_same();
        report
    }

    fn assert_same(&self) {
        let (mut there, mut here) = (look(&self.there("")), look(&self.here("")));
        if self.name == "busybox" {
            // It makes links that lead out of a folder last, when the folder's time is set already.
            let folders = there.values_mut().chain(here.values_mut()).filter(|entry| entry.0 & 0o170_000 == 0o040_000);
            folders.for_each(|entry| entry.2 = 0);
        }
        assert_eq!(there, here, "{}", self.name);
    }

    /// Nothing is left to send.
    async fn settled(&self) {
        let report = self.sync().await.unwrap();
        assert_eq!((report.bytes, report.removed), (0, 0), "{}: {report:?}", self.name);
    }
}

/// What a folder holds: kind and mode, contents or target, and the second of the last change.
type Look = BTreeMap<OsString, (u32, Vec<u8>, i64)>;

fn look(folder: &Path) -> Look {
    let mut found = Look::new();
    look_into(folder, folder, &mut found);
    found
}

fn look_into(root: &Path, folder: &Path, found: &mut Look) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let status = path.symlink_metadata().unwrap();
        let content = if status.is_symlink() {
            path.read_link().unwrap().into_os_string().into_vec()
        } else if status.is_file() {
            std::fs::read(&path).unwrap()
        } else {
            Vec::new()
        };
        // Busybox gives links no time.
        let modified = if status.is_symlink() { 0 } else { status.mtime() };
        let name = path.strip_prefix(root).unwrap().as_os_str().to_owned();
        found.insert(name, (status.mode(), content, modified));
        if status.is_dir() {
            look_into(root, &path, found);
        }
    }
}

fn write(path: impl AsRef<Path>, text: impl AsRef<[u8]>) {
    std::fs::create_dir_all(path.as_ref().parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

fn chmod(path: impl AsRef<Path>, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// Sets the time of a file's last change.
fn touch(path: impl AsRef<Path>, seconds: i64, nanoseconds: u32) {
    let time = std::time::UNIX_EPOCH + std::time::Duration::new(seconds.try_into().unwrap(), nanoseconds);
    std::fs::File::open(path).unwrap().set_modified(time).unwrap();
}

/// The user's own git, without the user's settings.
fn git(folder: &Path, words: &[&str]) {
    let mut command = Command::new("git");
    command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_SYSTEM", "/dev/null");
    command.args(["-c", "user.name=T", "-c", "user.email=t@example.org", "-C"]).arg(folder).args(words);
    assert!(command.output().unwrap().status.success(), "git {words:?}");
}
