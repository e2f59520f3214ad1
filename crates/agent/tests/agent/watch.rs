//! Watching directories, by both of envd's ways and the agent's own.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;

use serde_json::{Value, json};

use crate::http::{framed, streaming, unary};
use crate::support::Agent;

/// A stream of frames, read as they come.
struct Frames {
    stream: UnixStream,
}

impl Frames {
    fn open(agent: &Agent, procedure: &str, headers: &str, message: &Value) -> Self {
        let mut stream = UnixStream::connect(agent.socket()).unwrap();
        let message = framed(message);
        let head = format!(
            "POST /{procedure} HTTP/1.0\r\ncontent-type: application/connect+json{headers}\r\ncontent-length: {}\r\n\r\n",
            message.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(&message).unwrap();
        let mut answer = Self { stream };
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.extend(answer.bytes(1));
        }
        assert!(head.starts_with(b"HTTP/1.0 200"), "{}", String::from_utf8_lossy(&head));
        answer
    }

    fn bytes(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        self.stream.read_exact(&mut bytes).unwrap();
        bytes
    }

    fn next(&mut self) -> Value {
        let head = self.bytes(5);
        let length = u32::from_be_bytes(head[1..].try_into().unwrap()) as usize;
        serde_json::from_slice(&self.bytes(length)).unwrap()
    }
}

#[test]
fn envd_streams_events_with_entries() {
    let agent = Agent::start();
    let folder = agent.path("watched");
    std::fs::create_dir(&folder).unwrap();
    let wanted = json!({"path": folder, "recursive": true, "includeEntry": true});
    let mut frames = Frames::open(&agent, "filesystem.Filesystem/WatchDir", "", &wanted);
    assert_eq!(frames.next(), json!({"start": {}}));
    std::fs::create_dir_all(agent.path("watched/a/b")).unwrap();
    std::fs::write(agent.path("watched/a/b/file"), "four").unwrap();
    let wanted: BTreeSet<&str> = ["a", "a/b", "a/b/file"].into();
    let mut seen = BTreeSet::new();
    while !wanted.iter().all(|name| seen.contains(*name)) {
        let event = frames.next()["filesystem"].clone();
        if event["type"] == "EVENT_TYPE_CREATE" {
            let name = event["name"].as_str().unwrap().to_owned();
            assert_eq!(event["entry"]["path"], format!("{folder}/{name}"));
            assert!(seen.insert(name), "told twice: {event}");
        }
    }
    std::fs::remove_file(agent.path("watched/a/b/file")).unwrap();
    let removed = loop {
        let event = frames.next()["filesystem"].clone();
        if event["type"] == "EVENT_TYPE_REMOVE" {
            break event;
        }
    };
    assert_eq!((&removed["name"], removed.get("entry")), (&json!("a/b/file"), None));
}

#[test]
fn a_watch_keeps_alive_and_ends_at_its_time() {
    let agent = Agent::start();
    let headers = "\r\nconnect-timeout-ms: 1500\r\nkeepalive-ping-interval: 1";
    let frames = streaming(&agent, "filesystem.Filesystem/WatchDir", headers, &[json!({"path": agent.path("")})]);
    let frames: Vec<Value> = frames.frames().into_iter().map(|(_, frame)| frame).collect();
    assert_eq!(frames[0], json!({"start": {}}));
    assert_eq!(frames[1], json!({"keepalive": {}}));
    assert_eq!(frames[2]["error"]["code"], "deadline_exceeded");
}

#[test]
fn a_watcher_is_asked_and_removed() {
    let agent = Agent::start();
    let call = |procedure: &str, message: Value| unary(&agent, &format!("filesystem.Filesystem/{procedure}"), &message);
    let watcher = call("CreateWatcher", json!({"path": agent.path("")})).json();
    std::fs::write(agent.path("one"), "x").unwrap();
    let mut told = Vec::new();
    while told.len() < 2 {
        told.extend(call("GetWatcherEvents", watcher.clone()).json()["events"].as_array().cloned().unwrap_or_default());
    }
    let (created, written) = (json!({"name": "one", "type": "EVENT_TYPE_CREATE"}), "EVENT_TYPE_WRITE");
    assert_eq!((&told[0], &told[1]["type"]), (&created, &json!(written)));
    assert_eq!(call("RemoveWatcher", watcher.clone()).status, 200);
    assert_eq!(call("GetWatcherEvents", watcher.clone()).status, 404);
    assert_eq!(call("RemoveWatcher", watcher).status, 404);
    let many: Vec<_> = (0..64).map(|_| call("CreateWatcher", json!({"path": agent.path("")})).status).collect();
    assert!(many.iter().all(|status| *status == 200));
    assert_eq!(call("CreateWatcher", json!({"path": agent.path("")})).json()["code"], "resource_exhausted");
}

#[test]
fn our_own_watch_gives_names_as_bytes_and_says_what_was_lost() {
    let agent = Agent::start();
    let folder = agent.path("flood");
    std::fs::create_dir(&folder).unwrap();
    let path = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, &folder);
    let mut frames = Frames::open(&agent, "sandboxer.agent.v1.Agent/Watch", "", &json!({"path": path}));
    assert_eq!(frames.next(), json!({"watching": {}}));
    // More than the kernel's queue, the agent's and the connection's hold together, while nobody reads.
    let limit: usize =
        std::fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").unwrap().trim().parse().unwrap();
    for number in 0..limit {
        let name = format!("{folder}/{number}");
        std::fs::write(&name, "").unwrap();
        std::fs::remove_file(&name).unwrap();
    }
    loop {
        if frames.next().get("overflow").is_some() {
            break;
        }
    }
}
