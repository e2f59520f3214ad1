//! A command's output from any byte on.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::http::{streaming, unary};
use crate::support::Agent;

fn start(agent: &Agent, script: &str) {
    let message = json!({"process": {"cmd": "sh", "args": ["-c", script]}, "tag": "t", "stdin": false});
    assert_eq!(streaming(agent, "process.Process/Start", "", &[message]).status, 200);
}

fn follow(agent: &Agent, message: &Value) -> Vec<Value> {
    let answer = streaming(agent, "sandboxer.agent.v1.Agent/Follow", "", std::slice::from_ref(message));
    answer.frames().into_iter().map(|(_, frame)| frame).collect()
}

/// The bytes of all pieces of output, and where each began.
fn output(frames: &[Value]) -> (Vec<u8>, Vec<u64>) {
    let pieces = frames.iter().map(|frame| &frame["output"]).filter(|output| output.is_object());
    let mut bytes = Vec::new();
    let mut offsets = Vec::new();
    for piece in pieces {
        offsets.push(piece["offset"].as_str().map_or(0, |offset| offset.parse().unwrap()));
        bytes.extend(STANDARD.decode(piece["bytes"].as_str().unwrap()).unwrap());
    }
    (bytes, offsets)
}

#[test]
fn any_byte_on_is_given_with_its_source_and_the_exact_end() {
    let agent = Agent::start();
    start(&agent, "echo out; sleep 0.1; echo err >&2; sleep 0.1; echo more; kill -USR1 $$");
    let frames = follow(&agent, &json!({"process": {"tag": "t"}, "from": 2}));
    assert_eq!(frames[0]["started"]["offset"], "2", "{frames:?}");
    let (bytes, offsets) = output(&frames);
    assert_eq!((&bytes[..], &offsets[..]), (&b"t\nerr\nmore\n"[..], &[2, 4, 8][..]));
    assert_eq!(frames[2]["output"]["source"], "OUTPUT_SOURCE_STDERR");
    assert_eq!(frames[4]["exit"], json!({"signal": {"signal": 10}}));
    let kept = follow(&agent, &json!({"process": {"tag": "t"}, "from": 8, "onlyKept": true}));
    assert_eq!(output(&kept).0, b"more\n");
    assert!(kept.iter().all(|frame| frame.get("exit").is_none()));
    let now = follow(&agent, &json!({"process": {"tag": "t"}}));
    assert_eq!((now[0]["started"]["offset"].as_str(), output(&now).0.len()), (Some("13"), 0));
    let beyond = follow(&agent, &json!({"process": {"tag": "t"}, "from": 14}));
    assert_eq!(beyond[0]["error"]["code"], "out_of_range");
}

#[test]
fn what_is_not_kept_is_marked() {
    let agent = Agent::start();
    start(&agent, "head -c 1000000 /dev/zero; echo end");
    let frames = follow(&agent, &json!({"process": {"tag": "t"}, "from": 1000}));
    let gap = &frames[1]["gap"];
    let to: u64 = gap["to"].as_str().unwrap().parse().unwrap();
    assert_eq!(gap["from"], "1000");
    let (bytes, offsets) = output(&frames);
    assert_eq!((offsets[0], to + bytes.len() as u64), (to, 1_000_004));
    assert!(bytes.len() > 200_000 && bytes.ends_with(b"\0end\n"), "{}", bytes.len());
}

#[test]
fn commands_are_listed_with_what_they_said() {
    let agent = Agent::start();
    start(&agent, "echo four; exit 3");
    let listed = unary(&agent, "sandboxer.agent.v1.Agent/ListCommands", &json!({})).json();
    let command = &listed["commands"][0];
    assert_eq!(
        (&command["tag"], &command["output"], &command["exit"]),
        (&json!("t"), &json!("5"), &json!({"code": 3}))
    );
    assert_eq!(command["argv"], json!(["sh", "-c", "echo four; exit 3"]));
    assert!(command["started"].as_str().unwrap().ends_with('Z'));
    let waited = unary(&agent, "sandboxer.agent.v1.Agent/Wait", &json!({"process": {"tag": "t"}})).json();
    assert_eq!(waited, json!({"exit": {"code": 3}}));
}

#[test]
fn a_follower_that_may_lose_holds_nobody_back() {
    let agent = Agent::start();
    let wait = r#"{"process":{"tag":"t"}}"#;
    assert!(std::process::Command::new("mkfifo").arg(agent.path("go")).status().unwrap().success());
    std::thread::scope(|scope| {
        let running = scope.spawn(|| start(&agent, "read go < go; head -c 50000000 /dev/zero; echo end"));
        // It asks and does not read, before the command says anything.
        let unread = loop {
            let stream = ask(&agent, &json!({"process": {"tag": "t"}, "from": 0, "mayLose": true}));
            if let Some(stream) = stream {
                break stream;
            }
        };
        std::fs::write(agent.path("go"), "go\n").unwrap();
        running.join().unwrap();
        let ended = unary(&agent, "sandboxer.agent.v1.Agent/Wait", &serde_json::from_str(wait).unwrap());
        assert_eq!(ended.json(), json!({"exit": {"code": 0}}));
        let frames: Vec<Value> = crate::http::receive(unread).frames().into_iter().map(|(_, frame)| frame).collect();
        let number = |value: &Value| value.as_str().unwrap().parse::<u64>().unwrap();
        let lost: u64 = frames
            .iter()
            .filter_map(|frame| frame.get("gap"))
            .map(|gap| number(&gap["to"]) - gap["from"].as_str().map_or(0, |from| from.parse().unwrap()))
            .sum();
        let (bytes, _) = output(&frames);
        assert!(lost > 0 && bytes.ends_with(b"end\n"), "{lost}");
        assert_eq!(lost + bytes.len() as u64, 50_000_004);
        assert_eq!(frames[frames.len() - 2]["exit"], json!({"code": 0}));
    });
}

#[test]
fn a_command_that_exited_does_not_run_although_a_follower_reads_nothing() {
    let agent = Agent::start();
    std::thread::scope(|scope| {
        let process = json!({"tag": "t"});
        let running = scope.spawn(|| start(&agent, "exec yes"));
        let unread = loop {
            if let Some(stream) = ask(&agent, &json!({"process": process})) {
                break stream;
            }
        };
        // Once all that can be under way is, the unread one holds the command back.
        let said = || unary(&agent, "sandboxer.agent.v1.Agent/ListCommands", &json!({})).json()["commands"].clone();
        let mut before = Vec::new();
        while before.len() < 5 || before.iter().any(|earlier| *earlier != before[0]) {
            before.insert(0, said()[0]["output"].clone());
            before.truncate(5);
        }
        let kill = json!({"process": process, "signal": "SIGNAL_SIGKILL"});
        assert_eq!(unary(&agent, "process.Process/SendSignal", &kill).status, 200);
        let waited = unary(&agent, "sandboxer.agent.v1.Agent/Wait", &json!({"process": process})).json();
        assert_eq!(waited, json!({"exit": {"signal": {"signal": 9}}}));
        assert_eq!(said()[0]["exit"], waited["exit"]);
        assert_eq!(unary(&agent, "process.Process/List", &json!({})).json(), json!({}));
        assert_eq!(unary(&agent, "process.Process/SendSignal", &kill).status, 404);
        // It is still known, and gone on with.
        let kept = follow(&agent, &json!({"process": process, "onlyKept": true}));
        assert!(kept[0]["started"].is_object(), "{kept:?}");
        drop(unread);
        running.join().unwrap();
    });
}

/// A follower of which nothing is read yet; `None` while there is no such command.
fn ask(agent: &Agent, message: &Value) -> Option<std::os::unix::net::UnixStream> {
    use std::io::Write as _;
    let listed = unary(agent, "sandboxer.agent.v1.Agent/ListCommands", &json!({})).json();
    listed["commands"].as_array()?.first()?;
    let mut stream = std::os::unix::net::UnixStream::connect(agent.socket()).unwrap();
    let message = crate::http::framed(message);
    let head = format!(
        "POST /sandboxer.agent.v1.Agent/Follow HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\
         content-type: application/connect+json\r\ncontent-length: {}\r\n\r\n",
        message.len()
    );
    stream.write_all(&[head.as_bytes(), &message].concat()).unwrap();
    Some(stream)
}
