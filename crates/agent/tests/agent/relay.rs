//! The relay and the daemon behind it. Both are this test binary, started again.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use sandboxer_agent::{Listen, Options, Relay, RelaySocket};
use tempfile::TempDir;

use crate::http::framed;
use crate::support::own_name;

const SOCKET: &str = "SANDBOXER_TEST_RELAY";
const DAEMON: &str = "SANDBOXER_TEST_DAEMON";
const MARK: &str = "0123-ready";

/// The relay's own process. Run by the tests below, never as a test.
#[test]
#[ignore = "the relay's own process, started by the other tests"]
fn relay_process() {
    #[allow(clippy::disallowed_methods, reason = "a test binary has no other way to be told")]
    let Ok(socket) = std::env::var(SOCKET) else { return };
    let own = std::env::current_exe().unwrap().to_str().unwrap().to_owned();
    let words = ["--exact", "relay::daemon_process", "--ignored", "--nocapture"];
    let daemon = std::iter::once(own).chain(words.map(str::to_owned)).collect();
    sandboxer_agent::relay(&Relay {
        socket: RelaySocket::At(socket.into()),
        sandbox: None,
        mark: Some(MARK.to_owned()),
        daemon,
    })
    .unwrap();
}

/// The daemon's own process. Run by the relay above, never as a test.
#[test]
#[ignore = "the daemon's own process, started by the relay"]
fn daemon_process() {
    #[allow(clippy::disallowed_methods, reason = "a test binary has no other way to be told")]
    let Ok(options) = std::env::var(DAEMON) else { return };
    let options: Options = serde_json::from_str(&options).unwrap();
    std::fs::write(options.workdir.as_ref().unwrap().join("pid"), std::process::id().to_string()).unwrap();
    sandboxer_agent::run(options, |_| {}).unwrap();
}

struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(TempDir::with_prefix("sandboxer-relay-").unwrap())
    }

    fn socket(&self) -> PathBuf {
        self.0.path().join("own/agent.sock")
    }

    fn relay(&self) -> Child {
        let mut options = Options::new(Listen::InheritedFd(0), own_name());
        options.leave_when_idle = Some(Duration::from_millis(500));
        options.workdir = Some(self.0.path().to_owned());
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "relay::relay_process", "--ignored", "--nocapture"])
            .env(SOCKET, self.socket())
            .env(DAEMON, serde_json::to_string(&options).unwrap())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// Waits until the daemon has gone by itself.
    fn wait_until_gone(&self) {
        let pid = std::fs::read_to_string(self.0.path().join("pid")).unwrap().parse().unwrap();
        let pid = rustix::process::Pid::from_raw(pid).unwrap();
        // One that has gone already has no descriptor any more.
        let Ok(daemon) = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()) else { return };
        let mut polled = [rustix::event::PollFd::new(&daemon, rustix::event::PollFlags::IN)];
        let minute = rustix::time::Timespec { tv_sec: 60, tv_nsec: 0 };
        assert_eq!(rustix::event::poll(&mut polled, Some(&minute)), Ok(1), "the daemon stays");
    }
}

/// Skips what came before the mark, asks, and reads the answer to its end.
fn ask(child: &mut Child, request: &[u8]) -> String {
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    while line.trim_end() != MARK {
        line.clear();
        assert_ne!(output.read_line(&mut line).unwrap(), 0, "no mark: {}", complaint(child));
    }
    child.stdin.as_mut().unwrap().write_all(request).unwrap();
    let mut answer = String::new();
    output.read_to_string(&mut answer).unwrap();
    answer
}

fn complaint(child: &mut Child) -> String {
    let mut text = String::new();
    child.stderr.take().unwrap().read_to_string(&mut text).unwrap();
    text
}

const LIST: &[u8] = b"POST /sandboxer.agent.v1.Agent/ListCommands HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\
     content-type: application/json\r\ncontent-length: 2\r\n\r\n{}";

fn start(tag: &str, script: &str) -> Vec<u8> {
    let process = serde_json::json!({"cmd": "sh", "args": ["-c", script]});
    let message = framed(&serde_json::json!({"process": process, "tag": tag, "stdin": false}));
    let head = format!(
        "POST /process.Process/Start HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\
         content-type: application/connect+json\r\ncontent-length: {}\r\n\r\n",
        message.len()
    );
    [head.as_bytes(), &message].concat()
}

#[test]
fn relays_share_one_daemon_that_outlives_them_and_goes_when_idle() {
    let place = Place::new();
    let mut first = place.relay();
    let answer = ask(&mut first, &start("t", "echo said; sleep 2; echo late"));
    assert!(answer.contains("bGF0ZQo"), "{answer}");
    first.wait().unwrap();
    let mut second = place.relay();
    let answer = ask(&mut second, LIST);
    assert!(answer.contains(r#""tag":"t""#) && answer.contains(r#""code":0"#), "{answer}");
    assert!(second.wait().unwrap().success());
    place.wait_until_gone();
    assert!(!place.socket().exists());
}

#[test]
fn a_relay_that_is_killed_takes_no_command_along() {
    let place = Place::new();
    let mut first = place.relay();
    let mut output = BufReader::new(first.stdout.take().unwrap());
    let mut line = String::new();
    while line.trim_end() != MARK {
        line.clear();
        assert_ne!(output.read_line(&mut line).unwrap(), 0);
    }
    let pipe = place.0.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let done = place.0.path().join("done");
    let script = format!("read go < {}; echo go > {}", pipe.display(), done.display());
    first.stdin.as_mut().unwrap().write_all(&start("t", &script)).unwrap();
    // The answer's first bytes say that the command runs.
    output.read_exact(&mut [0; 16]).unwrap();
    first.kill().unwrap();
    first.wait().unwrap();
    std::fs::write(&pipe, "go\n").unwrap();
    let wait = r#"{"process":{"tag":"t"}}"#;
    let request = format!(
        "POST /sandboxer.agent.v1.Agent/Wait HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{wait}",
        wait.len()
    );
    let mut second = place.relay();
    let answer = ask(&mut second, request.as_bytes());
    assert!(answer.contains(r#""code":0"#), "{answer}");
    second.wait().unwrap();
    assert!(Path::new(&done).exists());
    place.wait_until_gone();
}

#[test]
fn twenty_relays_at_once_start_one_daemon() {
    let place = Place::new();
    let mut relays: Vec<Child> = (0..20).map(|_| place.relay()).collect();
    let answers: Vec<String> = std::thread::scope(|scope| {
        let asking: Vec<_> = relays.iter_mut().map(|relay| scope.spawn(|| ask(relay, LIST))).collect();
        asking.into_iter().map(|asking| asking.join().unwrap()).collect()
    });
    assert!(answers.iter().all(|answer| answer.starts_with("HTTP/1.1 200")), "{answers:?}");
    for relay in &mut relays {
        relay.wait().unwrap();
    }
    let log = std::fs::read_to_string(place.socket().with_file_name("agent.sock.log")).unwrap();
    assert_eq!(log, "");
    place.wait_until_gone();
}

#[test]
fn somebody_elses_folder_is_refused() {
    let place = Place::new();
    let folder = place.socket();
    let folder = folder.parent().unwrap();
    std::fs::create_dir(folder).unwrap();
    std::fs::set_permissions(folder, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    let mut relay = place.relay();
    assert!(!relay.wait().unwrap().success());
    assert!(!place.socket().exists());
}
