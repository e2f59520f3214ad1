//! A user for each sandbox, which only root can make.

use crate::near::{Near, Running, Wish, object};
use crate::trial;
use libtest_mimic::Trial;
use sandboxer_sdk::StatusVerb as _;
use sandboxer_types::{ErrorKind, IsolationLevel};
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

pub(crate) fn trials() -> Vec<Trial> {
    if !sandboxer_machinery::is_root() || !Path::new("/usr/sbin/useradd").exists() {
        return Vec::new();
    }
    vec![
        trial("root::users_keep_neighbours_apart", apart()),
        trial("root::users_go_with_their_sandboxes", gone()),
        trial("root::accounts_of_others_stay", others()),
        trial("root::a_closed_folder_is_told", closed()),
    ]
}

/// A folder that others may pass through.
fn open_folder() -> TempDir {
    let folder = TempDir::with_prefix("sandboxer-users-").expect("a folder");
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).expect("ours");
    folder
}

fn wish(near: &Near, id: &str, base: &Path, more: Value) -> Wish {
    let mut inputs = object(json!({"vm": "x", "workspace_dir": base}));
    inputs.extend(object(more));
    let mut wish = Wish::new(near, id, Value::Object(inputs));
    wish.profile.options = object(json!({"separate_users": true}));
    wish
}

fn account(name: &str) -> Option<String> {
    let passwd = std::fs::read_to_string("/etc/passwd").expect("readable");
    passwd.lines().find(|line| line.starts_with(&format!("{name}:"))).map(str::to_owned)
}

/// An account that goes with the test.
struct Account(String);

impl Drop for Account {
    fn drop(&mut self) {
        // Gone already, as it should be.
        Command::new("userdel").arg(&self.0).output().ok();
    }
}

fn inside(enter: &[String], script: &str) -> (bool, String) {
    let output = Command::new(&enter[0]).args(&enter[1..]).args(["/bin/sh", "-c", script]).output().expect("it runs");
    (output.status.success(), String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// An id that no other run has.
fn name(text: &str) -> String {
    format!("t{}-{text}", std::process::id())
}

async fn apart() {
    let (near, base) = (Near::new(), open_folder());
    let source = tempfile::tempdir().expect("a folder");
    std::fs::write(source.path().join("file"), "sent").expect("written");
    let one = wish(&near, &name("a"), base.path(), json!({"repo": source.path()}));
    let two = wish(&near, &name("b"), base.path(), json!({}));
    let mut users = Vec::new();
    let mut enters = Vec::new();
    for wish in [&one, &two] {
        let (handle, reachability) = wish.made().await;
        let user = handle.text("user").expect("a user").to_owned();
        users.push((Account(user.clone()), handle));
        assert_eq!(reachability.isolation, Some(IsolationLevel::Process));
        assert_eq!(reachability.other.get("separation"), Some(&Value::from("user")));
        let enter = reachability.enter.expect("a way in");
        let work = reachability.remote_dir.expect("a workspace");
        assert_eq!(inside(&enter, "id -un; pwd -P >/dev/null; echo $HOME"), (true, format!("{user}\n{work}")));
        assert!(inside(&enter, &format!("cd '{work}' && touch own")).0);
        let agent = reachability.agent_path.expect("an agent");
        assert!(inside(&enter, &format!("test -x '{agent}'")).0);
        enters.push((enter, work));
    }
    assert_eq!(inside(&enters[0].0, "cat \"$HOME/file\""), (true, "sent".to_owned()));
    for (own, other) in [(0, 1), (1, 0)] {
        let (enter, work) = (&enters[own].0, &enters[other].1);
        for denied in [format!("ls '{work}'"), format!("touch '{work}/x'"), format!("rm '{work}/../.sandboxer'")] {
            assert!(!inside(enter, &denied).0, "{denied}");
        }
        assert!(!inside(enter, "rm \"$HOME/../.sandboxer\"").0, "its mark is not its own");
    }
    let status = one.extension().status(&one.call(false), &users[0].1).await.expect("a status");
    assert!(status.detail.contains("process"), "{}", status.detail);
    for (wish, (user, handle)) in [&one, &two].into_iter().zip(&users) {
        let report = wish.teardown(handle).await.expect("removed");
        assert!(report.complete, "{report:?}");
        assert_eq!(account(&user.0), None);
    }
    assert!(std::fs::read_dir(base.path()).expect("it stays").next().is_none());
}

async fn gone() {
    let (near, base) = (Near::new(), open_folder());
    let wish = wish(&near, &name("c"), base.path(), json!({}));
    let (handle, _) = wish.made().await;
    let user = Account(handle.text("user").expect("a user").to_owned());
    // Neither its environment nor its folder tells whose it is.
    let mut command = Command::new("runuser");
    command.args(["-u", &user.0, "--", "env", "-i", "setsid", "sleep", "1000"]).current_dir("/");
    let mut daemon = command.spawn().expect("it starts");
    let mut neighbour = Running::start("/".as_ref(), None);
    std::fs::create_dir_all(near.path("x")).expect("made");
    assert!(near.expire(wish.id.as_str()).success());
    daemon.wait().expect("ended");
    assert!(neighbour.lives());
    assert_eq!(account(&user.0), None);
    assert!(!base.path().join(wish.id.as_str()).exists());
    let report = wish.teardown(&handle).await.expect("nothing to do");
    assert!(report.complete && near.leases().is_empty(), "{report:?}");
}

async fn others() {
    let (near, base) = (Near::new(), open_folder());
    let wish = wish(&near, &name("d"), base.path(), json!({}));
    let (handle, _) = wish.made().await;
    let user = Account(handle.text("user").expect("a user").to_owned());
    let changed = Command::new("usermod").args(["--comment", "somebody", &user.0]).status().expect("it runs");
    assert!(changed.success());
    let report = wish.teardown(&handle).await.expect("an answer");
    assert!(!report.complete && account(&user.0).is_some(), "{report:?}");
    let failure = wish.provision().await.expect_err("the account is somebody's");
    assert_eq!(failure.kind, ErrorKind::Conflict, "{failure}");
    assert!(Command::new("userdel").arg(&user.0).status().expect("it runs").success());
    assert!(wish.teardown(&handle).await.expect("removed").complete);
}

async fn closed() {
    let near = Near::new();
    // A home is often closed to others.
    std::fs::set_permissions(near.home.path(), std::fs::Permissions::from_mode(0o700)).expect("ours");
    let wish = wish(&near, &name("e"), &near.path("w"), json!({}));
    let failure = wish.provision().await.expect_err("nobody gets there");
    assert!(failure.residue.may_exist() && failure.hint.is_some(), "{failure}");
    assert!(wish.teardown(&wish.minimal()).await.expect("removed").complete);
    assert!(near.leases().is_empty() && std::fs::read_dir(near.path("w")).expect("it stays").next().is_none());
}
