//! A whole life on a machine that exists only in memory, whose scripts are played.

use crate::compose_ssh::ComposeSshExtension;
use crate::machine::FakeMachine;
use sandboxer_sdk::testing::FakeHost;
use sandboxer_sdk::{
    Call, CommandOutput, ObservedState, Provision, Recovered, SandboxExtension, Teardown, TeardownReason,
};
use sandboxer_types::{ErrorKind, Failure, Handle, HostId, Residue, TimeSpan};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

const FOLDER: &str = "/home/me/.local/share/sandboxer/compose/box";
const RESOLVED: &str = r#"{"services": {"web": {"image": "a", "ports": [{"target": 80, "published": "8080"}]}}}"#;
const MARK: &str = "own01h00000000000000000000000/box";

fn said(text: impl Into<Vec<u8>>) -> CommandOutput {
    CommandOutput { stdout: text.into(), ..CommandOutput::default() }
}

fn ended(status: i32) -> CommandOutput {
    CommandOutput { status, stderr: b"it does not work\n".to_vec(), ..CommandOutput::default() }
}

/// A machine on which one script may fail.
struct Stage {
    machine: FakeMachine,
    extension: ComposeSshExtension,
    fails: Arc<Mutex<Option<&'static str>>>,
}

impl Stage {
    fn new() -> Self {
        let fails: Arc<Mutex<Option<&'static str>>> = Arc::default();
        let failing = fails.clone();
        let host = FakeHost::new().program("/bin/sh", move |host, words| {
            let (name, parameters) = (words[2].as_str(), &words[3..]);
            let is_up = parameters.iter().any(|word| word == "up");
            let step = if is_up { "up" } else { name };
            if *failing.lock().expect("nobody panics") == Some(step) {
                return ended(if step == "sandboxer-remove" { 21 } else { 1 });
            }
            play(host, name, parameters)
        });
        let machine = FakeMachine::new(host);
        Self { extension: ComposeSshExtension::new(Arc::new(machine.clone())), machine, fails }
    }

    fn fail(&self, step: Option<&'static str>) {
        *self.fails.lock().expect("nobody panics") = step;
    }

    async fn teardown(&self, call: &Call) -> Result<sandboxer_types::CleanupReport, Failure> {
        let handle = Handle::minimal(&call.sandbox_id, &host());
        let (sandbox_id, host) = (call.sandbox_id.clone(), host());
        let request = Teardown { sandbox_id, host, handle, reason: TeardownReason::Requested };
        self.extension.teardown(call, &request).await
    }

    #[track_caller]
    fn is_clean(&self) {
        let host = self.machine.host();
        assert!(!host.exists(FOLDER) && !host.exists("/container"), "{:?}", host.paths());
        assert!(self.machine.leases().is_empty());
    }
}

/// What each script would do.
fn play(host: &FakeHost, name: &str, parameters: &[String]) -> CommandOutput {
    match name {
        "sandboxer-look" => said("home /home/me\ndocker_host \nhas docker\nplugin 2.40.3\nengine 20.10\n"),
        "sandboxer-claim" => {
            let made = !host.exists(FOLDER);
            host.write(&format!("{FOLDER}/owner"), parameters[1].clone());
            if made { said("made\n") } else { said("") }
        }
        "sandboxer-read" => {
            let field = |path: &String| {
                let (kind, text) = match host.read(path) {
                    Some(text) => ("file", String::from_utf8(text).expect("text")),
                    None if path.ends_with("/work") => ("folder", String::new()),
                    None => ("none", String::new()),
                };
                format!("{path}\0{path}\0{kind}\0{text}\0")
            };
            said(parameters[2..].iter().map(field).collect::<String>())
        }
        "sandboxer-keep" => said(""),
        "sandboxer-compose" if parameters.iter().any(|word| word == "config") => said(RESOLVED),
        "sandboxer-compose" => {
            host.write(&parameters[2], parameters[3].clone());
            host.write("/container", "running");
            said("")
        }
        "sandboxer-state" => {
            let kept = host.read(&format!("{FOLDER}/handle")).map(|kept| String::from_utf8(kept).expect("text"));
            let kept = kept.unwrap_or_else(|| if host.exists(FOLDER) { "{}".to_owned() } else { String::new() });
            let containers = match host.read("/container") {
                Some(status) => json!([container(&String::from_utf8(status).expect("text"))]),
                None => json!([]),
            };
            said(format!("{kept}\0{containers}"))
        }
        "sandboxer-remove" => {
            let paths: Vec<String> = host.paths();
            let was_there = paths.iter().any(|path| path.starts_with(FOLDER));
            for path in paths.iter().filter(|path| path.starts_with(FOLDER) || *path == "/container") {
                host.remove(path);
            }
            said(if was_there { format!("folder {FOLDER}\n") } else { String::new() })
        }
        "sandboxer-verify" => {
            let left = if host.exists("/container") { "container 1\n" } else { "" };
            said(format!("{left}looked\n"))
        }
        other => panic!("nobody plays {other}"),
    }
}

fn container(status: &str) -> Value {
    json!({
        "Id": "0a", "State": {"Status": status}, "HostConfig": {},
        "Config": {"Labels": {"sandboxer.compose": MARK, "com.docker.compose.service": "web"}},
        "NetworkSettings": {"Ports": {"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "32768"}]}},
    })
}

fn host() -> HostId {
    "build-1".parse().expect("a host")
}

fn asked(repository: &tempfile::TempDir) -> (Call, Provision) {
    std::fs::write(repository.path().join("compose.yaml"), "services: {web: {image: a}}\n").expect("ours");
    let owner = "own01h00000000000000000000000".parse().expect("an owner");
    let call = Call::detached("box".parse().expect("an id"), owner);
    let Value::Object(inputs) = json!({"repo": repository.path()}) else { panic!("a mapping") };
    let profile = json!({"id": "profile.compose", "extension": "ext.compose-ssh", "network": "host"});
    let request = Provision {
        sandbox_id: call.sandbox_id.clone(),
        host: host(),
        profile: serde_json::from_value(profile).expect("a profile"),
        inputs,
        expires_at: "2100-01-01T00:00:00Z".parse().expect("a time"),
        ttl: TimeSpan::seconds(60),
        tether: None,
        draft: None,
    };
    (call, request)
}

#[tokio::test]
async fn a_sandbox_is_made_found_and_removed() {
    let repository = tempfile::tempdir().expect("a folder");
    let ((call, request), stage) = (asked(&repository), Stage::new());
    let handle = stage.extension.provision(&call, &request).await.expect("made");
    assert_eq!(stage.machine.leases()["box-00000000"][3], "sandboxer-remove");
    let reachability = stage.extension.wait_ready(&call, &handle).await.expect("ready");
    assert_eq!(reachability.enter.expect("a container"), ["docker", "exec", "-i", "0a"]);
    let minimal = Handle::minimal(&call.sandbox_id, &host());
    stage.extension.wait_ready(&call, &minimal).await.expect("the handle is kept there, too");
    let recover = stage.extension.recover().expect("it has that");
    assert_eq!(recover.recover(&call, &host(), None).await.expect("it answers"), Recovered::Present(handle.clone()));
    let status = stage.extension.status().expect("it has that");
    assert_eq!(status.status(&call, &handle).await.expect("it answers").state, ObservedState::Running);
    stage.machine.host().write("/container", "exited");
    assert_eq!(status.status(&call, &handle).await.expect("it answers").state, ObservedState::Stopped);
    assert!(stage.teardown(&call).await.expect("removed").complete);
    let again = stage.teardown(&call).await.expect("nothing to do");
    assert!(again.complete && again.removed.is_empty() && !again.already_absent.is_empty(), "{again:?}");
    stage.is_clean();
    assert_eq!(status.status(&call, &handle).await.expect("it answers").state, ObservedState::Absent);
    let failure = stage.extension.wait_ready(&call, &handle).await.expect_err("it is gone");
    assert_eq!((failure.kind, failure.residue), (ErrorKind::NotFound, Residue::None));
}

#[tokio::test]
async fn whatever_fails_a_teardown_leaves_nothing() {
    let repository = tempfile::tempdir().expect("a folder");
    for step in ["sandboxer-look", "sandboxer-claim", "sandboxer-read", "sandboxer-compose", "up", "sandboxer-remove"] {
        let ((call, request), stage) = (asked(&repository), Stage::new());
        stage.fail(Some(step));
        let made = stage.extension.provision(&call, &request).await;
        assert_eq!(made.is_ok(), step == "sandboxer-remove", "{step}: {made:?}");
        if made.is_err_and(|failure| failure.residue == Residue::None) {
            stage.is_clean();
        }
        if step == "sandboxer-remove" {
            let failure = stage.teardown(&call).await.expect_err("the engine is down");
            assert!(failure.residue.may_exist());
        }
        stage.fail(None);
        assert!(stage.teardown(&call).await.expect("removed").complete, "{step}");
        stage.is_clean();
    }
}

#[tokio::test]
async fn nothing_is_said_to_be_gone_on_a_machine_that_is_down() {
    let repository = tempfile::tempdir().expect("a folder");
    let ((call, request), stage) = (asked(&repository), Stage::new());
    stage.extension.provision(&call, &request).await.expect("made");
    stage.machine.host().set_down(true);
    let failure = stage.teardown(&call).await.expect_err("it is down");
    assert!(failure.residue.may_exist());
    let failure = stage.extension.provision(&call, &request).await.expect_err("it is down");
    assert_eq!((failure.kind, failure.residue), (ErrorKind::HostUnreachable, Residue::None));
    stage.machine.host().set_down(false);
    // An engine that removes nothing and says that it did.
    stage.machine.host().clone().program("/bin/sh", |host, words| match words[2].as_str() {
        "sandboxer-remove" => said("container 1\n"),
        name => play(host, name, &words[3..]),
    });
    let report = stage.teardown(&call).await.expect("it answers");
    assert!(!report.complete && report.errors.iter().any(|error| error.contains("container 1")), "{report:?}");
    assert!(!stage.machine.leases().is_empty(), "whoever holds the lease tries again");
}

#[tokio::test]
async fn an_engine_that_never_stops_talking_has_said_nothing() {
    let repository = tempfile::tempdir().expect("a folder");
    for step in ["sandboxer-look", "sandboxer-read", "sandboxer-remove", "sandboxer-verify"] {
        let ((call, request), stage) = (asked(&repository), Stage::new());
        if step == "sandboxer-remove" || step == "sandboxer-verify" {
            stage.extension.provision(&call, &request).await.expect("made");
        }
        stage.machine.host().clone().program("/bin/sh", move |host, words| {
            let mut said = play(host, &words[2], &words[3..]);
            if words[2] == step {
                said.stdout.resize((64 << 20) + 1, b'\n');
            }
            said
        });
        let failure = match step {
            "sandboxer-remove" | "sandboxer-verify" => stage.teardown(&call).await.map(drop).expect_err(step),
            _ => stage.extension.provision(&call, &request).await.map(drop).expect_err(step),
        };
        assert_eq!(failure.kind, ErrorKind::Unavailable, "{step}: {failure}");
        let nothing_was_made = step == "sandboxer-look" || step == "sandboxer-read";
        assert_eq!(failure.residue == Residue::None, nothing_was_made, "{step}: {failure}");
        if !nothing_was_made {
            assert!(!stage.machine.leases().is_empty(), "whoever holds the lease tries again");
        }
    }
}
