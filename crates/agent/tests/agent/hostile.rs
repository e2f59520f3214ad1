//! Clients that speak nonsense, slowly, or not at all.

use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use serde_json::json;

use crate::http::{exchange, streaming, unary};
use crate::support::{Agent, own_name};

fn is_well(agent: &Agent) {
    assert_eq!(exchange(agent, "GET /health HTTP/1.1", b"").status, 204);
    let start = json!({"process": {"cmd": "true"}, "stdin": false});
    let frames = streaming(agent, "process.Process/Start", "", &[start]).frames();
    assert_eq!(frames[1].1["event"]["end"]["status"], "exit status 0");
}

/// Sends bytes, ends that side, and reads whatever is answered.
fn send(agent: &Agent, bytes: &[u8]) -> Vec<u8> {
    let mut stream = UnixStream::connect(agent.socket()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    // The agent may hang up in the middle: that is an answer too.
    stream.write_all(bytes).ok();
    stream.shutdown(Shutdown::Write).ok();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok();
    answer
}

fn post(procedure: &str, kind: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "POST /{procedure} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}

#[test]
fn malformed_frames_are_answered_or_hung_up_on() {
    let agent = Agent::start();
    let start = "process.Process/Start";
    let frames = "application/connect+json";
    let path = agent.path("refused");
    let upload = |rest: &str| format!("POST /files?path={path} HTTP/1.1\r\nhost: x\r\n{rest}").into_bytes();
    for bytes in [
        b"\0\0\0\0".to_vec(),
        b"GET / HTTP/9.9\r\n\r\n".to_vec(),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\xff\xff\xff\xff\xff\xff".to_vec(),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x01\0\0\0\0\0".to_vec(),
        vec![b'x'; 1 << 20],
        [b"GET /".as_slice(), &vec![b'a'; 1 << 20], b" HTTP/1.1\r\n\r\n"].concat(),
        post(start, frames, b""),
        post(start, frames, b"\0\0\0\0"),
        post(start, frames, b"\0\xff\xff\xff\xff{}"),
        post(start, frames, b"\0\0\0\0\x05{}"),
        post(start, frames, b"\0\0\0\0\x02[]"),
        post(start, frames, b"\xff\0\0\0\x02{}"),
        post(start, "application/connect+proto", b"\0\0\0\0\x03\x0a\xff\xff"),
        post("process.Process/List", "application/json", &vec![b'['; 100_000]),
        post("process.Process/List", "text/html", b"{}"),
        post("no.Such/Thing", "application/json", b"{}"),
        post(&format!("files?path={path}"), "multipart/form-data; boundary=", b"--"),
        post("files", "multipart/form-data; boundary=B", b"--B\r\nContent-Disposition: form-data; name=\"file\""),
        upload("transfer-encoding: chunked\r\n\r\nffffffffffffffff\r\n"),
        upload("content-length: 99999999999999999999\r\n\r\n"),
        b"CONNECT \xff\xff HTTP/1.1\r\n\r\n".to_vec(),
    ] {
        let answer = send(&agent, &bytes);
        let head = String::from_utf8_lossy(&answer[..answer.len().min(12)]).into_owned();
        assert!(answer.is_empty() || !head.starts_with("HTTP/1.1 50"), "{head} to {:?}", &bytes[..bytes.len().min(80)]);
    }
    is_well(&agent);
    assert!(agent.peak_memory() < 100 << 20, "{}", agent.peak_memory());
}

#[test]
fn slow_senders_and_silent_clients_hold_nobody_up() {
    let agent = Agent::start();
    let begin = |bytes: &[u8]| {
        let mut stream = UnixStream::connect(agent.socket()).unwrap();
        stream.write_all(bytes).unwrap();
        stream
    };
    let mut waiting: Vec<UnixStream> = (0..100).map(|_| begin(b"")).collect();
    waiting.extend((0..100).map(|_| begin(b"POST /files?path=slow HTTP/1.1\r\nhost: x\r\ncontent-le")));
    let half = post("process.Process/List", "application/json", b"{}");
    waiting.extend((0..100).map(|_| begin(&half[..half.len() - 1])));
    is_well(&agent);
    for stream in &mut waiting[200..] {
        stream.write_all(b"}").unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        assert!(answer.starts_with(b"HTTP/1.1 200"));
    }
}

#[test]
fn a_client_that_leaves_is_noticed_and_its_command_goes_on() {
    let agent = Agent::start();
    let descriptors = || std::fs::read_dir(format!("/proc/{}/fd", agent.pid())).unwrap().count();
    let start = json!({"process": {"cmd": "sleep", "args": ["1000"]}, "tag": "t", "stdin": false});
    let begin = |procedure: &str, kind: &str, body: &[u8]| {
        let mut stream = UnixStream::connect(agent.socket()).unwrap();
        stream.write_all(&post(procedure, kind, body)).unwrap();
        stream
    };
    let mut started = begin("process.Process/Start", "application/connect+json", &crate::http::framed(&start));
    started.read_exact(&mut [0; 16]).unwrap();
    let wait = br#"{"process":{"tag":"t"}}"#;
    let held: Vec<UnixStream> =
        (0..50).map(|_| begin("sandboxer.agent.v1.Agent/Wait", "application/json", wait)).collect();
    is_well(&agent);
    let most = descriptors();
    // Some end both sides, some only theirs.
    for (number, stream) in held.into_iter().enumerate() {
        if number % 2 == 0 {
            stream.shutdown(Shutdown::Write).unwrap();
        }
    }
    drop(started);
    let end = std::time::Instant::now() + Duration::from_secs(60);
    while descriptors() + 40 > most {
        assert!(std::time::Instant::now() < end, "{} of {most} descriptors", descriptors());
    }
    let listed = unary(&agent, "process.Process/List", &json!({})).json();
    assert_eq!(listed["processes"][0]["tag"], "t");
    let kill = json!({"process": {"tag": "t"}, "signal": "SIGNAL_SIGKILL"});
    assert_eq!(unary(&agent, "process.Process/SendSignal", &kill).status, 200);
}

#[test]
fn a_fork_bomb_leaves_the_agent_answering() {
    if !rustix::process::geteuid().is_root() {
        // The bomb needs a user of its own, or it would take what this machine's other processes need.
        return;
    }
    let agent = Agent::start_with(|options| {
        options.default_user = "nobody".to_owned();
        options.command_rlimits.nproc = Some(200);
        options.workdir = None;
    });
    let bomb = json!({
        "process": {"cmd": "sh", "args": ["-c", "b() { b | b & }; b; while :; do :; done"]},
        "tag": "bomb", "stdin": false
    });
    std::thread::scope(|scope| {
        let exploding = scope
            .spawn(|| streaming(&agent, "process.Process/Start", "\r\nconnect-timeout-ms: 4000", &[bomb]).frames());
        for _ in 0..200 {
            assert_eq!(exchange(&agent, "GET /health HTTP/1.1", b"").status, 204);
            assert_eq!(unary(&agent, "filesystem.Filesystem/ListDir", &json!({"path": "/"})).status, 200);
        }
        let (_, last) = exploding.join().unwrap().pop().unwrap();
        assert_eq!(last["error"]["code"], "deadline_exceeded", "{last}");
    });
    let root = crate::http::authorization(&own_name());
    let start = json!({"process": {"cmd": "true"}, "stdin": false});
    let frames = streaming(&agent, "process.Process/Start", &root, &[start]).frames();
    assert_eq!(frames[1].1["event"]["end"]["status"], "exit status 0");
}
