//! The wire as envd's clients speak it: JSON over HTTP/1.1.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use crate::http::{Answer, authorization, exchange, framed, receive, streaming, unary};
use crate::support::{Agent, own_name};

fn start(agent: &Agent, headers: &str, script: &str) -> Answer {
    let message = json!({"process": {"cmd": "/bin/sh", "args": ["-c", script], "envs": {"A": "b"}}, "stdin": false});
    streaming(agent, "process.Process/Start", headers, &[message])
}

#[test]
fn health_has_no_content() {
    let answer = exchange(&Agent::start(), "GET /health HTTP/1.1", b"");
    assert_eq!((answer.status, answer.body.len()), (204, 0));
}

#[test]
fn a_command_streams_its_events() {
    let agent = Agent::start();
    let answer = start(&agent, &authorization(&own_name()), "echo $A; exit 5");
    assert_eq!(answer.status, 200);
    assert!(answer.head.contains("content-type: application/connect+json"), "{}", answer.head);
    let frames = answer.frames();
    assert!(frames[0].1["event"]["start"]["pid"].is_number());
    assert_eq!(frames[1], (0, json!({"event": {"data": {"stdout": "Ygo="}}})));
    let end = json!({"exitCode": 5, "exited": true, "status": "exit status 5", "error": "exit status 5"});
    assert_eq!(frames[2], (0, json!({"event": {"end": end}})));
    assert_eq!(frames[3..], [(2, json!({}))]);
}

#[test]
fn a_signal_and_a_success_read_as_in_go() {
    let agent = Agent::start();
    let frames = start(&agent, "", "kill -9 $$").frames();
    let end = json!({"exitCode": -1, "status": "signal: killed", "error": "signal: killed"});
    assert_eq!(frames[1].1["event"]["end"], end);
    let frames = start(&agent, "", "true").frames();
    assert_eq!(frames[1].1["event"]["end"], json!({"exited": true, "status": "exit status 0"}));
}

#[test]
fn time_running_out_is_an_error_of_the_stream() {
    let agent = Agent::start();
    let frames = start(&agent, "\r\nconnect-timeout-ms: 200", "exec sleep 1000").frames();
    let (flags, last) = frames.last().unwrap();
    assert_eq!((*flags, &last["error"]["code"]), (2, &json!("deadline_exceeded")));
}

#[test]
fn a_command_that_cannot_start_is_an_error_of_the_stream() {
    let agent = Agent::start();
    let message = json!({"process": {"cmd": "/no/such"}});
    let answer = streaming(&agent, "process.Process/Start", "", &[message]);
    let (flags, last) = answer.frames().pop().unwrap();
    assert_eq!((answer.status, flags, &last["error"]["code"]), (200, 2, &json!("invalid_argument")));
    assert_eq!(last["error"]["details"][0]["type"], "sandboxer.agent.v1.StartFailure");
    let (_, last) = start(&agent, &authorization("no-such-user"), "true").frames().pop().unwrap();
    assert_eq!(last["error"]["code"], "unauthenticated");
}

#[test]
fn a_command_outlives_a_broken_connection() {
    let agent = Agent::start();
    let mut stream = UnixStream::connect(agent.socket()).unwrap();
    let script = "head -c 1000000 /dev/zero; read go < pipe; head -c 1000000 /dev/zero; echo done > done";
    std::process::Command::new("mkfifo").arg(agent.path("pipe")).status().unwrap();
    let message = framed(&json!({"process": {"cmd": "sh", "args": ["-c", script]}, "tag": "t"}));
    let head = "POST /process.Process/Start HTTP/1.1\r\nhost: x\r\ncontent-type: application/connect+json";
    stream.write_all(format!("{head}\r\ncontent-length: {}\r\n\r\n", message.len()).as_bytes()).unwrap();
    stream.write_all(&message).unwrap();
    stream.read_exact(&mut [0; 100_000]).unwrap();
    drop(stream);
    std::fs::write(agent.path("pipe"), "go\n").unwrap();
    let ended = unary(&agent, "sandboxer.agent.v1.Agent/Wait", &json!({"process": {"tag": "t"}}));
    assert_eq!(ended.json(), json!({"exit": {"code": 0}}));
    assert_eq!(std::fs::read_to_string(agent.path("done")).unwrap(), "done\n");
}

#[test]
fn a_running_command_is_listed_written_to_and_killed() {
    let agent = Agent::start();
    let mut stream = UnixStream::connect(agent.socket()).unwrap();
    let message = framed(&json!({"process": {"cmd": "cat"}, "tag": "t"}));
    let head = format!(
        "POST /process.Process/Start HTTP/1.1\r\nhost: x\r\ncontent-type: application/connect+json\r\n\
         connection: close\r\ncontent-length: {}\r\n\r\n",
        message.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(&message).unwrap();
    // Its first bytes say that it runs.
    stream.read_exact(&mut [0; 12]).unwrap();
    let listed = unary(&agent, "process.Process/List", &json!({})).json();
    assert_eq!(listed["processes"][0]["config"]["cmd"], "cat");
    assert_eq!(listed["processes"][0]["tag"], "t");
    let process = json!({"pid": listed["processes"][0]["pid"]});
    let sent = unary(&agent, "process.Process/SendInput", &json!({"process": process, "input": {"stdin": "YQ=="}}));
    assert_eq!((sent.status, sent.json()), (200, json!({})));
    let messages = [
        json!({"start": {"process": {"tag": "t"}}}),
        json!({"data": {"input": {"stdin": "Yg=="}}}),
        json!({"keepalive": {}}),
        json!({"data": {"input": {"stdin": "Yw=="}}}),
    ];
    assert_eq!(streaming(&agent, "process.Process/StreamInput", "", &messages).frames().last().unwrap().0, 2);
    assert_eq!(unary(&agent, "process.Process/CloseStdin", &json!({"process": process})).status, 200);
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap();
    let rest = String::from_utf8_lossy(&rest).into_owned();
    let said: String = rest.split("\"stdout\":\"").skip(1).map(|part| part.split('"').next().unwrap()).collect();
    assert_eq!(STANDARD.decode(said.replace('=', "")).or_else(|_| joined(&rest)).unwrap(), b"abc");
    let gone = unary(&agent, "process.Process/SendSignal", &json!({"process": process, "signal": "SIGNAL_SIGKILL"}));
    assert_eq!((gone.status, &gone.json()["code"]), (404, &json!("not_found")));
}

/// Pieces of output, each encoded for itself.
fn joined(text: &str) -> Result<Vec<u8>, base64::DecodeError> {
    let parts = text.split("\"stdout\":\"").skip(1).map(|part| STANDARD.decode(part.split('"').next().unwrap()));
    Ok(parts.collect::<Result<Vec<_>, _>>()?.concat())
}

#[test]
fn files_go_up_as_bodies_and_forms_and_come_down() {
    let agent = Agent::start();
    let path = agent.path("a b.txt");
    let encoded = path.replace('/', "%2F").replace(' ', "%20");
    let head = format!("POST /files?path={encoded}&mode=600 HTTP/1.1\r\ncontent-type: application/octet-stream");
    let answer = exchange(&agent, &head, b"whole");
    assert_eq!((answer.status, answer.json()), (200, json!([{"name": "a b.txt", "path": path, "type": "file"}])));
    let answer = exchange(&agent, &format!("GET /files?path={encoded} HTTP/1.1"), b"");
    assert_eq!((answer.status, &answer.body[..]), (200, &b"whole"[..]));
    assert!(answer.head.contains("content-length: 5"));

    let (one, two) = (agent.path("one"), agent.path("sub/two"));
    let form = format!(
        "--B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{one}\"\r\nContent-Type: text/plain\r\n\r\n1\r\n\
         --B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{two}\"\r\n\r\n2\r\n2\r\n--B--\r\n"
    );
    let kind = "content-type: multipart/form-data; boundary=B";
    let answer = exchange(&agent, &format!("POST /files HTTP/1.1\r\n{kind}"), form.as_bytes());
    assert_eq!((answer.status, answer.json().as_array().unwrap().len()), (200, 2), "{answer:?}");
    assert_eq!(std::fs::read(one).unwrap(), b"1");
    assert_eq!(std::fs::read(two).unwrap(), b"2\r\n2");
    let named = format!("POST /files?path={encoded} HTTP/1.1\r\n{kind}");
    let answer = exchange(&agent, &named, form.as_bytes());
    assert_eq!(answer.status, 400);
    let single = "--B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"x\"\r\n\r\nnamed\r\n--B--\r\n";
    assert_eq!(exchange(&agent, &named, single.as_bytes()).status, 200);
    assert_eq!(std::fs::read(path).unwrap(), b"named");
}

#[test]
fn a_chunked_body_is_a_body() {
    let agent = Agent::start();
    let path = agent.path("chunked");
    let mut stream = UnixStream::connect(agent.socket()).unwrap();
    let head = format!(
        "POST /files?path={path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\
         content-type: application/octet-stream\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    assert_eq!(receive(stream).status, 200);
    assert_eq!(std::fs::read(path).unwrap(), b"abcde");
}

#[test]
fn refusals_of_files_are_json() {
    let agent = Agent::start();
    let folder = agent.path("");
    for (target, status) in [
        (format!("GET /files?path={folder}none"), 404),
        (format!("GET /files?path={folder}"), 400),
        ("GET /files?path=/etc/passwd&username=no-such-user".to_owned(), 401),
        ("POST /files".to_owned(), 400),
        (format!("POST /files?path={folder}x&mode=9"), 400),
        ("DELETE /files?path=/x".to_owned(), 405),
    ] {
        let answer = exchange(&agent, &format!("{target} HTTP/1.1"), b"");
        assert_eq!(answer.status, status, "{target}: {answer:?}");
        assert_eq!(answer.json()["code"], status);
        assert!(answer.json()["message"].is_string());
    }
}

#[test]
fn names_and_attributes_speak_json() {
    let agent = Agent::start();
    let path = agent.path("dir");
    let made = unary(&agent, "filesystem.Filesystem/MakeDir", &json!({"path": path}));
    assert_eq!(made.json()["entry"]["type"], "FILE_TYPE_DIRECTORY");
    let again = unary(&agent, "filesystem.Filesystem/MakeDir", &json!({"path": path}));
    assert_eq!((again.status, &again.json()["code"]), (409, &json!("already_exists")));
    let stat = unary(&agent, "filesystem.Filesystem/Stat", &json!({"path": path})).json();
    let entry = &stat["entry"];
    assert_eq!(
        (&entry["name"], &entry["mode"], &entry["permissions"]),
        (&json!("dir"), &json!(493), &json!("drwxr-xr-x"))
    );
    assert!(entry["size"].is_string() && entry["modifiedTime"].as_str().unwrap().ends_with('Z'), "{entry}");
    let absent = unary(&agent, "filesystem.Filesystem/Stat", &json!({"path": "/none"}));
    assert_eq!((absent.status, &absent.json()["code"]), (404, &json!("not_found")));
    let unknown = unary(&agent, "filesystem.Filesystem/Nothing", &json!({}));
    assert_eq!(unknown.status, 404);
}

#[test]
fn what_makes_no_sense_has_envds_codes() {
    let agent = Agent::start();
    let process = json!({"pid": 999_999_999});
    for (procedure, message, status, code) in [
        ("process.Process/SendSignal", json!({"process": process, "signal": "SIGNAL_SIGTERM"}), 404, "not_found"),
        ("process.Process/SendInput", json!({"process": process}), 404, "not_found"),
        ("process.Process/CloseStdin", json!({"process": {"tag": "none"}}), 404, "not_found"),
        ("process.Process/Update", json!({}), 501, "unimplemented"),
        ("filesystem.Filesystem/ListDir", json!({"path": "/etc/passwd"}), 400, "invalid_argument"),
        ("filesystem.Filesystem/ListDir", json!({"path": "/no/such"}), 404, "not_found"),
        ("filesystem.Filesystem/MakeDir", json!({"path": "/etc/passwd"}), 400, "invalid_argument"),
        ("filesystem.Filesystem/Move", json!({"source": "/no/such", "destination": "/tmp/x"}), 404, "not_found"),
        ("filesystem.Filesystem/CreateWatcher", json!({"path": "/no/such"}), 404, "not_found"),
        ("filesystem.Filesystem/CreateWatcher", json!({"path": "/etc/passwd"}), 400, "invalid_argument"),
        ("filesystem.Filesystem/GetWatcherEvents", json!({"watcherId": "w9"}), 404, "not_found"),
        ("filesystem.Filesystem/RemoveWatcher", json!({"watcherId": "w9"}), 404, "not_found"),
    ] {
        let answer = unary(&agent, procedure, &message);
        assert_eq!(
            (answer.status, &answer.json()["code"]),
            (status, &json!(code)),
            "{procedure} {message}: {answer:?}"
        );
    }
}

#[test]
fn a_tag_is_no_longer_than_a_name() {
    let agent = Agent::start();
    let start = |length: usize| {
        let message = json!({"process": {"cmd": "true"}, "tag": "t".repeat(length), "stdin": false});
        streaming(&agent, "process.Process/Start", "", &[message]).frames().pop().unwrap().1
    };
    assert_eq!(start(1025)["error"]["code"], "invalid_argument");
    assert_eq!(start(1024), json!({}));
}

#[test]
fn an_ended_command_is_connectable_and_takes_nothing() {
    let agent = Agent::start();
    let started = start(&agent, "", "echo late; exit 7").frames();
    let process = json!({"pid": started[0].1["event"]["start"]["pid"]});
    let connected = streaming(&agent, "process.Process/Connect", "", &[json!({"process": process})]).frames();
    assert_eq!(connected[0].1["event"]["start"]["pid"], process["pid"]);
    assert_eq!(connected[1].1["event"]["end"]["exitCode"], 7);
    assert_eq!(connected[2], (2, json!({})));
    let input = unary(&agent, "process.Process/SendInput", &json!({"process": process, "input": {"stdin": "YQ=="}}));
    assert_eq!((input.status, &input.json()["code"]), (404, &json!("not_found")));
}

#[test]
fn silence_is_broken_by_keepalives() {
    let agent = Agent::start();
    let frames = start(&agent, "\r\nkeepalive-ping-interval: 1", "sleep 1.5").frames();
    assert!(frames.iter().any(|(_, frame)| frame["event"]["keepalive"] == json!({})), "{frames:?}");
}

#[test]
fn both_codecs_are_spoken() {
    let agent = Agent::start();
    // `path: "/"`, and nothing at all.
    let head = |kind: &str, procedure: &str| format!("POST /{procedure} HTTP/1.1\r\ncontent-type: application/{kind}");
    let answer = exchange(&agent, &head("proto", "filesystem.Filesystem/Stat"), b"\x0a\x01/");
    assert_eq!((answer.status, &answer.body[2..5]), (200, &b"\x0a\x01/"[..]), "{answer:?}");
    let start = [&b"\x0a\x09\x0a\x07/bin/sh\x20\x00"[..]].concat();
    let framed = [&[0, 0, 0, 0, u8::try_from(start.len()).unwrap()], &start[..]].concat();
    let answer = exchange(&agent, &head("connect+proto", "process.Process/Start"), &framed);
    assert_eq!(answer.status, 200);
    assert!(answer.head.contains("application/connect+proto"));
    assert!(answer.body.ends_with(b"\x02\x00\x00\x00\x02{}"), "{answer:?}");
}

#[test]
fn every_user_may_open_the_standard_streams_again() {
    let agent = Agent::start();
    let user = if crate::support::is_root() { "nobody".to_owned() } else { own_name() };
    let script = "cat /dev/stdin > /dev/stdout; echo error > /dev/stderr";
    let frames = start(&agent, &authorization(&user), &format!("echo input | ({script})")).frames();
    let said = |stream: &str| {
        let pieces = frames.iter().filter_map(|(_, frame)| frame["event"]["data"][stream].as_str());
        pieces.map(|piece| String::from_utf8(STANDARD.decode(piece).unwrap()).unwrap()).collect::<String>()
    };
    assert_eq!((said("stdout").as_str(), said("stderr").as_str()), ("input\n", "error\n"), "{frames:?}");
}
