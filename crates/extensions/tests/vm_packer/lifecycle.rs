//! A sandbox from its beginning to its end.

use crate::near::{Near, OWNER, Running, Wish, marked, object};
use crate::trial;
use libtest_mimic::Trial;
use sandboxer_sdk::{Extend as _, List as _, ObservedState, Recover as _, Recovered, StatusVerb as _, Validate as _};
use sandboxer_types::{ErrorKind, HostId, IsolationLevel, TimeSpan};
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("lifecycle::a_workspace_is_made_reached_and_removed", made_reached_and_removed()),
        trial("lifecycle::a_local_folder_is_sent", a_local_folder()),
        trial("lifecycle::a_repository_is_cloned_there", a_repository()),
        trial("lifecycle::neighbours_are_left_alone", neighbours()),
        trial("lifecycle::the_same_id_is_the_same_sandbox", the_same_id()),
        trial("lifecycle::it_is_found_again", found_again()),
        trial("lifecycle::the_machine_ends_it_by_itself", expires()),
        trial("lifecycle::where_no_agent_runs", without_an_agent()),
        trial("lifecycle::the_way_goes_through_the_placement_host", ways()),
    ]
}

async fn made_reached_and_removed() {
    let wish = Wish::new(&Near::new(), "web", json!({"vm": "haskell-build"}));
    let (handle, reachability) = wish.made().await;
    assert_eq!(handle.text("vm_target"), Some("haskell-build"));
    let work = wish.near.path("sandboxer/web/work");
    assert_eq!(reachability.remote_dir.as_deref(), work.to_str());
    assert_eq!(reachability.ssh.as_deref(), Some("haskell-build"));
    assert_eq!((reachability.enter, reachability.isolation), (None, Some(IsolationLevel::None)));
    assert_eq!(reachability.other.get("separation"), Some(&Value::from("directory")));
    let mode = |path: &str| wish.near.path(path).metadata().expect("there").permissions().mode() & 0o777;
    assert_eq!([mode("sandboxer"), mode("sandboxer/web"), mode("sandboxer/web/work")], [0o700; 3]);
    let lease = &wish.near.leases()[&marked("web")];
    assert_eq!(reachability.expire.as_ref(), Some(lease));
    assert!(lease.contains(&"--end".to_owned()));
    let status = wish.extension().status(&wish.call(false), &handle).await.expect("a status");
    assert_eq!(status.state, ObservedState::Running);
    assert!(status.detail.contains("directory") && status.detail.contains("none"), "{}", status.detail);
    let mut inside = Running::start(&work, None);
    let mut started = Running::start("/".as_ref(), Some(&wish.id));
    let report = wish.teardown(&handle).await.expect("removed");
    assert!(report.complete && report.errors.is_empty(), "{report:?}");
    assert_eq!(report.retained, ["the machine haskell-build"]);
    assert!(!inside.lives() && !started.lives());
    wish.nothing_left();
    let again = wish.teardown(&handle).await.expect("nothing to do");
    assert!(again.complete && again.removed.is_empty() && !again.already_absent.is_empty(), "{again:?}");
    let status = wish.extension().status(&wish.call(false), &handle).await.expect("a status");
    assert_eq!(status.state, ObservedState::Absent);
}

async fn a_local_folder() {
    let near = Near::new();
    let source = tempfile::tempdir().expect("a folder");
    std::fs::write(source.path().join("file"), "not committed").expect("written");
    let wish = Wish::new(&near, "web", json!({"vm": "x", "repo": source.path()}));
    let (handle, _) = wish.made().await;
    let sent = std::fs::read_to_string(near.path("sandboxer/web/work/file")).expect("sent");
    assert_eq!(sent, "not committed");
    assert!(wish.teardown(&handle).await.expect("removed").complete);
    wish.nothing_left();
    let wish = Wish::new(&near, "web", json!({"vm": "x", "repo": source.path(), "ref": "main"}));
    assert_eq!(wish.provision().await.expect_err("a folder has no ref").kind, ErrorKind::InvalidInput);
}

fn repository(folder: &std::path::Path) {
    let git = |words: &[&str]| {
        let mut command = Command::new("git");
        command.env("GIT_CONFIG_GLOBAL", "/dev/null").args(["-c", "user.name=T", "-c", "user.email=t@example.org"]);
        assert!(command.arg("-C").arg(folder).args(words).output().expect("git").status.success(), "{words:?}");
    };
    git(&["init", "-q", "-b", "main"]);
    std::fs::write(folder.join("file"), "first").expect("written");
    git(&["add", "."]);
    git(&["commit", "-q", "-m", "first"]);
    git(&["tag", "v1"]);
    std::fs::write(folder.join("file"), "second").expect("written");
    git(&["commit", "-q", "-a", "-m", "second"]);
}

async fn a_repository() {
    let near = Near::new();
    let source = tempfile::tempdir().expect("a folder");
    repository(source.path());
    let url = format!("file://{}", source.path().display());
    let file = near.path("sandboxer/web/work/file");
    for (inputs, expected) in
        [(json!({"vm": "x", "repo": url}), "second"), (json!({"vm": "x", "repo": url, "ref": "v1"}), "first")]
    {
        let wish = Wish::new(&near, "web", inputs);
        let (handle, _) = wish.made().await;
        assert_eq!(std::fs::read_to_string(&file).expect("cloned"), expected);
        assert!(wish.teardown(&handle).await.expect("removed").complete);
    }
    for (repo, reference) in [("file:///nowhere/at/all", "main"), (url.as_str(), "no-such-branch")] {
        let wish = Wish::new(&near, "web", json!({"vm": "x", "repo": repo, "ref": reference}));
        let failure = wish.provision().await.expect_err("nothing to clone");
        assert_eq!((failure.kind, failure.residue.may_exist()), (ErrorKind::NotFound, true), "{failure}");
        assert!(wish.teardown(&wish.minimal()).await.expect("removed").complete);
        wish.nothing_left();
    }
}

async fn neighbours() {
    let near = Near::new();
    let wishes = ["a", "ab", "b"].map(|id| Wish::new(&near, id, json!({"vm": "x"})));
    let mut made = Vec::new();
    for wish in &wishes {
        made.push(wish.made().await.0);
    }
    std::fs::write(near.path("sandboxer/notes"), "somebody's").expect("written");
    std::os::unix::fs::symlink(near.path("sandboxer/ab"), near.path("sandboxer/a/work/link")).expect("linked");
    let mut neighbour = Running::start(&near.path("sandboxer/ab/work"), Some(&wishes[1].id));
    assert!(wishes[0].teardown(&made[0]).await.expect("removed").complete);
    assert!(neighbour.lives());
    assert!(near.path("sandboxer/ab/work").exists() && near.path("sandboxer/notes").exists());
    wishes[1].ready(&made[1]).await.expect("still there");
    assert!(wishes[1].teardown(&made[1]).await.expect("removed").complete);
    assert!(!neighbour.lives());
    assert!(wishes[2].teardown_knowing(&made[2], false).await.expect("removed").complete);
    std::fs::remove_file(near.path("sandboxer/notes")).expect("ours");
    wishes[0].nothing_left();
}

async fn the_same_id() {
    let near = Near::new();
    let wish = Wish::new(&near, "web", json!({"vm": "x"}));
    let (handle, _) = wish.made().await;
    std::fs::write(near.path("sandboxer/web/work/mine"), "work").expect("written");
    assert_eq!(wish.provision().await.expect("the same"), handle);
    assert!(near.path("sandboxer/web/work/mine").exists(), "what is there is kept");
    let other = Wish::new(&near, "web", json!({"vm": "x", "ssh_port": 23}));
    assert_eq!(other.provision().await.expect_err("other inputs").kind, ErrorKind::Conflict);
    let mut stranger = Wish::new(&near, "web", json!({"vm": "x"}));
    stranger.owner = OWNER.replace('h', "j");
    let failure = stranger.provision().await.expect_err("another's");
    assert_eq!((failure.kind, failure.residue.may_exist()), (ErrorKind::Conflict, false));
    let mut ours = Running::start("/".as_ref(), Some(&wish.id));
    let report = stranger.teardown(&stranger.minimal()).await.expect("nothing of theirs");
    assert!(ours.lives(), "another's sandbox of the same id is none of theirs");
    assert!(report.complete && report.removed.is_empty(), "{report:?}");
    assert!(near.leases().contains_key(&marked("web")) && near.path("sandboxer/web/work/mine").exists());
    assert!(wish.teardown(&wish.minimal()).await.expect("removed").complete);
    wish.nothing_left();
}

async fn found_again() {
    let near = Near::new();
    let mut wish = Wish::new(&near, "web", json!({"vm": "known"}));
    wish.config = object(json!({"vms": {"known": "me@vm", "twin": "me@vm"}}));
    assert_eq!(wish.extension().validate(&wish.call(true), &wish.request()).await.expect("valid"), wish.inputs);
    let recovered = |knows| {
        let wish = wish.clone();
        async move { wish.extension().recover(&wish.call(knows), &wish.host, None).await }
    };
    assert_eq!(recovered(true).await.expect("an answer"), Recovered::Absent);
    recovered(false).await.expect_err("nobody knows the machine");
    let (handle, _) = wish.made().await;
    assert_eq!(recovered(true).await.expect("an answer"), Recovered::Present(handle.clone()));
    let listed = wish.extension().list(&wish.call(false), &wish.host).await.expect("a list");
    assert_eq!(listed.iter().map(|one| one.sandbox_id.as_str()).collect::<Vec<_>>(), ["web"]);
    assert_eq!(listed[0].labels["sandboxer.id"], "web");
    let mut stranger = wish.clone();
    stranger.owner = OWNER.replace('h', "j");
    assert!(stranger.extension().list(&stranger.call(false), &wish.host).await.expect("a list").is_empty());
    let elsewhere: HostId = "elsewhere".parse().expect("a host");
    assert!(wish.extension().list(&wish.call(false), &elsewhere).await.expect("a list").is_empty());
    let ends = wish.extension().extend(&wish.call(false), &handle, TimeSpan::seconds(7200)).await.expect("extended");
    assert!(ends > jiff::Timestamp::UNIX_EPOCH);
    // Only the id is known: the machines that the manifest names are asked.
    let report = wish.teardown_knowing(&wish.minimal(), false).await.expect("removed");
    assert!(report.complete, "{report:?}");
    wish.nothing_left();
    let failure = wish.extension().extend(&wish.call(false), &handle, TimeSpan::seconds(60)).await;
    assert_eq!(failure.expect_err("it is gone").kind, ErrorKind::NotFound);
}

async fn expires() {
    let near = Near::new();
    let wish = Wish::new(&near, "web", json!({"vm": "x"}));
    wish.made().await;
    let mut started = Running::start("/".as_ref(), Some(&wish.id));
    let output = near.expire("web");
    assert!(output.success(), "{output:?}");
    assert!(!started.lives() && !near.path("sandboxer/web").exists());
    // What came to be there since is somebody's.
    std::fs::create_dir_all(near.path("sandboxer/web")).expect("made");
    std::fs::write(near.path("sandboxer/web/file"), "x").expect("written");
    assert!(near.expire("web").success());
    assert!(near.path("sandboxer/web/file").exists());
}

async fn without_an_agent() {
    let near = Near::new();
    near.set_bare();
    let wish = Wish::new(&near, "web", json!({"vm": "x"}));
    let (handle, reachability) = wish.made().await;
    assert_eq!((reachability.expire, reachability.agent_path), (None, None));
    let mut started = Running::start("/".as_ref(), Some(&wish.id));
    let mut inside = Running::start(&near.path("sandboxer/web/work"), None);
    let mut beside = Running::start(&near.path("sandboxer"), None);
    let report = wish.teardown(&handle).await.expect("removed");
    assert!(report.complete, "{report:?}");
    assert!(!started.lives() && !inside.lives() && beside.lives());
    wish.nothing_left();
    std::fs::create_dir_all(near.path("sandboxer/web")).expect("made");
    assert!(wish.teardown(&wish.minimal()).await.expect("nothing to do").complete);
    assert!(near.path("sandboxer/web").exists(), "somebody else's");
}

async fn ways() {
    let near = Near::new();
    let mut wish = Wish::new(&near, "web", json!({"ssh_target": "build@vm", "tunnel_port": 2222}));
    wish.host = "placement".parse().expect("a host");
    wish.ssh = Some("admin@placement:2200".to_owned());
    let (handle, reachability) = wish.made().await;
    assert_eq!(handle.text("vm_target"), Some("build@127.0.0.1:2222"));
    assert_eq!(handle.text("host"), Some("placement"));
    assert_eq!(reachability.jump.as_deref(), Some("admin@placement:2200"));
    assert!(near.routes().iter().all(|route| route == "build@127.0.0.1:2222 through admin@placement:2200"));
    // By the handle alone.
    wish.ssh = None;
    assert!(wish.teardown_knowing(&handle, false).await.expect("removed").complete);
    assert!(near.routes().iter().all(|route| route.contains(" through ")));
    // A caller's target replaces the profile's machine.
    let mut wish = Wish::new(&near, "other", json!({"vm": "haskell-build", "ssh_target": "me@mine:2022"}));
    wish.profile.inputs.defaults = object(json!({"vm": "haskell-build"}));
    let (handle, _) = wish.made().await;
    assert_eq!(handle.text("vm_target"), Some("me@mine:2022"));
    assert!(wish.teardown(&handle).await.expect("removed").complete);
    wish.nothing_left();
}
