//! `/files`, beyond what plain reading and writing is.

use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde_json::json;

use crate::http::{Answer, encoded, exchange, unary};
use crate::support::Agent;

const OCTETS: &str = "content-type: application/octet-stream";

fn get(agent: &Agent, path: &str, headers: &str) -> Answer {
    exchange(agent, &format!("GET /files?path={} HTTP/1.1{headers}", encoded(path)), b"")
}

fn post(agent: &Agent, path: &str, headers: &str, body: &[u8]) -> Answer {
    exchange(agent, &format!("POST /files?path={} HTTP/1.1\r\n{headers}", encoded(path)), body)
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn gzip_goes_both_ways() {
    let agent = Agent::start();
    let path = agent.path("packed");
    let content: Vec<u8> = (0..1_000_000_u32).map(|number| (number >> 8) as u8).collect();
    let headers = format!("{OCTETS}\r\ncontent-encoding: gzip");
    assert_eq!(post(&agent, &path, &headers, &gzip(&content)).status, 200);
    assert_eq!(std::fs::read(&path).unwrap(), content);
    let answer = get(&agent, &path, "\r\naccept-encoding: gzip, deflate");
    assert!(answer.head.contains("content-encoding: gzip") && answer.head.contains("vary: accept-encoding"));
    let mut unpacked = Vec::new();
    std::io::copy(&mut GzDecoder::new(&answer.body[..]), &mut unpacked).unwrap();
    assert_eq!(unpacked, content);
    for (headers, status) in [
        (format!("{OCTETS}\r\ncontent-encoding: br"), 400),
        (format!("{OCTETS}\r\ncontent-encoding: gzip"), 400),
        ("content-type: text/plain".to_owned(), 400),
    ] {
        assert_eq!(post(&agent, &agent.path("refused"), &headers, b"no gzip").status, status, "{headers}");
    }
    assert_eq!(get(&agent, &path, "\r\naccept-encoding: identity;q=0").status, 406);
    let form = b"--B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"x\"\r\n\r\nform\r\n--B--\r\n";
    let headers = "content-type: multipart/form-data; boundary=B\r\ncontent-encoding: gzip";
    assert_eq!(post(&agent, &path, headers, &gzip(form)).status, 200);
    assert_eq!(std::fs::read(&path).unwrap(), b"form");
}

#[test]
fn parts_of_files() {
    let agent = Agent::start();
    let path = agent.path("parts");
    std::fs::write(&path, "0123456789").unwrap();
    let part = get(&agent, &path, "\r\nrange: bytes=2-4\r\naccept-encoding: gzip");
    assert_eq!((part.status, &part.body[..]), (206, &b"234"[..]));
    assert!(part.head.contains("content-range: bytes 2-4/10") && part.head.contains("content-length: 3"));
    assert_eq!(get(&agent, &path, "\r\nrange: bytes=-2").body, b"89");
    let beyond = get(&agent, &path, "\r\nrange: bytes=10-");
    assert_eq!(beyond.status, 416);
    assert!(beyond.head.contains("content-range: bytes */10"));
    let whole = get(&agent, &path, "");
    let date = whole.head.lines().find_map(|line| line.strip_prefix("last-modified: ")).unwrap();
    let date = date.to_ascii_uppercase();
    let unchanged = get(&agent, &path, &format!("\r\nif-modified-since: {}", http_date(&date)));
    assert_eq!((unchanged.status, unchanged.body.len()), (304, 0));
    assert_eq!(get(&agent, "/proc/self/net/dev", "").status, 403);
    let made_up = get(&agent, "/proc/meminfo", "\r\nrange: bytes=0-1");
    assert!(made_up.status == 200 && made_up.body.starts_with(b"MemTotal"), "{made_up:?}");
}

/// The heads of answers are compared in lower case; a date is not.
fn http_date(upper: &str) -> String {
    let mut words: Vec<String> = upper.split(' ').map(str::to_owned).collect();
    for word in &mut words {
        if word.len() >= 3 && word.as_bytes()[1].is_ascii_alphabetic() && *word != "GMT" {
            let (first, rest) = word.split_at(1);
            *word = format!("{first}{}", rest.to_ascii_lowercase());
        }
    }
    words.join(" ")
}

#[test]
fn metadata_goes_with_the_file() {
    let agent = Agent::start();
    let path = agent.path("noted");
    let written = post(&agent, &path, &format!("{OCTETS}\r\nx-metadata-Author: me\r\nx-metadata-b: 2"), b"x");
    if written.status == 500 {
        // The file system of this machine's temporary folders keeps no attributes: nothing to test.
        assert!(written.json()["message"].as_str().unwrap().contains("not supported"));
        return;
    }
    let metadata = json!({"author": "me", "b": "2"});
    assert_eq!(written.json()[0]["metadata"], metadata);
    let entry = |agent: &Agent| unary(agent, "filesystem.Filesystem/Stat", &json!({"path": path})).json();
    assert_eq!(entry(&agent)["entry"]["metadata"], metadata);
    assert_eq!(post(&agent, &path, OCTETS, b"y").status, 200);
    assert!(entry(&agent)["entry"].get("metadata").is_none());
    let long = "v".repeat(5000);
    assert_eq!(post(&agent, &path, &format!("{OCTETS}\r\nx-metadata-a: {long}"), b"z").status, 400);
    assert_eq!(std::fs::read(&path).unwrap(), b"y");
}

#[test]
fn files_are_composed() {
    let agent = Agent::start();
    let (one, two, whole) = (agent.path("one"), agent.path("two"), agent.path("sub/whole"));
    std::fs::write(&one, "1").unwrap();
    std::fs::write(&two, "2").unwrap();
    let compose =
        |body: serde_json::Value| exchange(&agent, "POST /files/compose HTTP/1.1", body.to_string().as_bytes());
    assert_eq!(compose(json!({"source_paths": [], "destination": whole})).status, 400);
    assert_eq!(compose(json!({"source_paths": [one]})).status, 400);
    assert_eq!(compose(json!({"source_paths": [one, whole], "destination": whole})).status, 400);
    assert_eq!(compose(json!({"source_paths": [one, agent.path("none")], "destination": whole})).status, 404);
    assert!(Path::new(&one).exists());
    let answer = compose(json!({"source_paths": [two, one], "destination": whole}));
    assert_eq!((answer.status, answer.json()), (200, json!({"name": "whole", "path": whole, "type": "file"})));
    assert_eq!(std::fs::read(&whole).unwrap(), b"21");
    assert!(!Path::new(&one).exists() && !Path::new(&two).exists());
    assert_eq!(std::fs::read_dir(Path::new(&whole).parent().unwrap()).unwrap().count(), 1);
}

#[test]
fn names_need_not_be_text() {
    let agent = Agent::start();
    let path = agent.path("");
    let head = format!("POST /files?path={}%FF%FE HTTP/1.1\r\n{OCTETS}", encoded(&path));
    assert_eq!(exchange(&agent, &head, b"odd").status, 200);
    let name = Path::new(&path).join(std::ffi::OsStr::from_bytes(b"\xff\xfe"));
    assert_eq!(std::fs::read(name).unwrap(), b"odd");
    let answer = exchange(&agent, &format!("GET /files?path={}%FF%FE HTTP/1.1", encoded(&path)), b"");
    assert_eq!(answer.body, b"odd");
    assert_eq!(exchange(&agent, "GET /files?path=%2Fa%00b HTTP/1.1", b"").status, 400);
}

#[test]
fn holes_are_not_sent() {
    let agent = Agent::start();
    let (path, copy) = (agent.path("holes"), agent.path("copy"));
    let file = std::fs::File::create(&path).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, b"far", 10 << 30).unwrap();
    file.set_len(20 << 30).unwrap();
    let answer = get(&agent, &path, "\r\naccept: application/vnd.sandboxer.extents");
    assert!(answer.head.contains("content-type: application/vnd.sandboxer.extents"));
    assert!(answer.body.len() < 1 << 20, "{}", answer.body.len());
    let sent = post(&agent, &copy, "content-type: application/vnd.sandboxer.extents", &answer.body);
    assert_eq!(sent.status, 200, "{sent:?}");
    let status = std::fs::metadata(&copy).unwrap();
    assert_eq!(status.len(), 20 << 30);
    assert!(status.blocks() * 512 < 1 << 20);
    let mut far = [0; 3];
    let copy = std::fs::File::open(copy).unwrap();
    std::os::unix::fs::FileExt::read_exact_at(&copy, &mut far, 10 << 30).unwrap();
    assert_eq!(&far, b"far");
    let broken = post(&agent, &path, "content-type: application/vnd.sandboxer.extents", &answer.body[..20]);
    assert_eq!(broken.status, 400, "{broken:?}");
}

#[test]
fn links_that_lead_in_circles_are_told() {
    let agent = Agent::start();
    let link = agent.path("circle");
    std::os::unix::fs::symlink("circle", &link).unwrap();
    assert_eq!(get(&agent, &link, "").status, 400);
    assert_eq!(post(&agent, &link, OCTETS, b"x").status, 400);
    let list = unary(&agent, "filesystem.Filesystem/ListDir", &json!({"path": link}));
    assert_eq!((list.status, &list.json()["code"]), (400, &json!("failed_precondition")), "{list:?}");
    let stat = unary(&agent, "filesystem.Filesystem/Stat", &json!({"path": link}));
    assert_eq!(stat.status, 200);
    let listed = unary(&agent, "filesystem.Filesystem/ListDir", &json!({"path": agent.path(""), "depth": 9})).json();
    assert_eq!(listed["entries"].as_array().unwrap().len(), 2, "{listed}");
}

#[test]
fn a_refusal_waits_for_what_is_still_being_sent() {
    let agent = Agent::start();
    for (query, status) in [("path=x&username=no-such-user", 401), ("path=/", 400), ("mode=9", 400)] {
        let mut stream = std::os::unix::net::UnixStream::connect(agent.socket()).unwrap();
        let head = format!(
            "POST /files?{query} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{OCTETS}\r\ncontent-length: 100000\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        for _ in 0..100 {
            // Each on its own, as a client that does not look for an answer sends them.
            stream.write_all(&[b'x'; 1000]).unwrap();
            std::thread::yield_now();
        }
        assert_eq!(crate::http::receive(stream).status, status, "{query}");
    }
}

#[test]
fn nothing_leads_through_the_agent_itself() {
    let agent = Agent::start();
    let (outside, odd) = (agent.path("outside"), agent.path("odd"));
    std::fs::write(&outside, "x").unwrap();
    std::os::unix::fs::symlink("/proc/self/root", &odd).unwrap();
    for base in ["/proc/self/root".to_owned(), odd] {
        let through = format!("{base}{outside}");
        let call = |procedure: &str, message: serde_json::Value| {
            let answer = unary(&agent, &format!("filesystem.Filesystem/{procedure}"), &message);
            assert!(matches!(answer.status, 400 | 403 | 404), "{procedure} {message}: {answer:?}");
        };
        call("Stat", json!({"path": through}));
        call("MakeDir", json!({"path": format!("{through}-made/deep")}));
        call("Move", json!({"source": through, "destination": agent.path("stolen")}));
        call("Move", json!({"source": outside, "destination": format!("{through}-moved")}));
        call("ListDir", json!({"path": format!("{base}/tmp")}));
        call("CreateWatcher", json!({"path": format!("{base}/tmp")}));
        let own = |procedure: &str, message: serde_json::Value| {
            let answer = unary(&agent, &format!("sandboxer.agent.v1.Agent/{procedure}"), &message);
            assert!(matches!(answer.status, 400 | 403 | 404), "{procedure} {message}: {answer:?}");
        };
        let bytes = |text: &str| base64::Engine::encode(&base64::engine::general_purpose::STANDARD, text);
        own("Stat", json!({"path": bytes(&through)}));
        own("SetMode", json!({"path": bytes(&through), "mode": 511}));
        own("MakeHardLink", json!({"path": bytes(&agent.path("hard")), "existing": bytes(&through)}));
        own("MakeSymlink", json!({"path": bytes(&format!("{through}-link")), "target": bytes("x")}));
        own("Remove", json!({"path": bytes(&through)}));
        assert_eq!(post(&agent, &format!("{through}-sent"), OCTETS, b"x").status / 100, 4);
    }
    assert_eq!(std::fs::read(&outside).unwrap(), b"x");
    let names: Vec<_> = std::fs::read_dir(agent.path("")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 3, "{names:?}");
}

#[test]
fn files_of_any_date_are_served() {
    let agent = Agent::start();
    // Where the file system keeps it; others keep the latest date they can.
    let folder = tempfile::Builder::new().tempdir_in("/dev/shm").unwrap();
    for (name, seconds) in [("late", 300_000_000_000_i64), ("early", -70_000_000_000)] {
        let path = folder.path().join(name);
        let file = std::fs::File::create(&path).unwrap();
        let time = rustix::fs::Timespec { tv_sec: seconds, tv_nsec: 0 };
        rustix::fs::futimens(&file, &rustix::fs::Timestamps { last_access: time, last_modification: time }).unwrap();
        assert_eq!(get(&agent, path.to_str().unwrap(), "").status, 200);
        assert_eq!(unary(&agent, "filesystem.Filesystem/Stat", &json!({"path": path})).status, 200);
    }
    assert_eq!(unary(&agent, "filesystem.Filesystem/ListDir", &json!({"path": folder.path()})).status, 200);
    assert_eq!(exchange(&agent, "GET /health HTTP/1.1", b"").status, 204);
}

#[test]
fn composing_never_removes_what_it_made() {
    let agent = Agent::start();
    let (one, two) = (agent.path("one"), agent.path("two"));
    std::fs::write(&one, "1").unwrap();
    std::fs::write(&two, "2").unwrap();
    std::fs::hard_link(&one, agent.path("same")).unwrap();
    std::fs::create_dir(agent.path("sub")).unwrap();
    let compose = |sources: &[&str], destination: &str| {
        let body = json!({"source_paths": sources, "destination": destination}).to_string();
        exchange(&agent, "POST /files/compose HTTP/1.1", body.as_bytes()).status
    };
    assert_eq!(compose(&[&agent.path("sub/../one"), &two], &one), 400);
    assert_eq!(compose(&[&one, &two], &agent.path("same")), 400);
    assert_eq!((std::fs::read(&one).unwrap(), std::fs::read(&two).unwrap()), (b"1".to_vec(), b"2".to_vec()));
    assert_eq!(compose(&[&two, &two], &agent.path("twice")), 200);
    assert_eq!(std::fs::read(agent.path("twice")).unwrap(), b"22");
}

#[test]
fn a_form_without_an_end_of_its_heads_is_refused() {
    let agent = Agent::start();
    let kind = "content-type: multipart/form-data; boundary=B";
    let long = vec![b'z'; 400 << 10];
    let begin = b"--B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"";
    for body in [[&begin[..], &long].concat(), long.clone()] {
        let answer = post(&agent, &agent.path("x"), kind, &body);
        assert!(answer.status == 400, "{answer:?}");
    }
    let skipped = [
        b"--B\r\nContent-Disposition: form-data; name=\"other\"\r\n\r\n",
        &long[..],
        b"\r\n--B\r\n\
        Content-Disposition: form-data; name=\"file\"; filename=\"y\"\r\n\r\nkept\r\n--B--\r\n",
    ]
    .concat();
    assert_eq!(post(&agent, &agent.path("x"), kind, &skipped).status, 200);
    assert_eq!(std::fs::read(agent.path("x")).unwrap(), b"kept");
}
