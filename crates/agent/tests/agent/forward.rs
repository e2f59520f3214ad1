//! Ways through the agent.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::Stdio;

use sandboxer_agent::{Listen, Options};
use serde_json::json;

use crate::http::{authorization, exchange, unary};
use crate::support::{Agent, Details, is_root, own_name, player};

/// Asks for a way through; gives the answer's head and the stream behind it.
fn connect(agent: &Agent, target: &str, headers: &str) -> (String, UnixStream) {
    let mut stream = UnixStream::connect(agent.socket()).unwrap();
    let head = ask(&mut stream, target, headers);
    (head, stream)
}

fn ask(stream: &mut UnixStream, target: &str, headers: &str) -> String {
    stream.write_all(format!("CONNECT {target} HTTP/1.1\r\nhost: x{headers}\r\n\r\n").as_bytes()).unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

/// Says something, ends its side, and hears everything until the other side ends.
fn converse(mut stream: UnixStream, said: &[u8]) -> Vec<u8> {
    stream.write_all(said).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut heard = Vec::new();
    stream.read_to_end(&mut heard).unwrap();
    heard
}

/// Answers one client with what it said, once it has said all.
fn echo(mut stream: impl std::io::Read + std::io::Write) {
    let mut heard = Vec::new();
    stream.read_to_end(&mut heard).unwrap();
    stream.write_all(&heard).unwrap();
}

#[test]
fn a_port_inside_is_reached_and_each_side_ends_for_itself() {
    let agent = Agent::start();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = std::thread::spawn(move || echo(listener.accept().unwrap().0));
    let (head, stream) = connect(&agent, &format!("localhost:{port}"), "");
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    let said = vec![7; 3 << 20];
    assert!(converse(stream, &said) == said);
    server.join().unwrap();
}

#[test]
fn a_port_that_only_ipv6_has_is_reached() {
    let agent = Agent::start();
    let Ok(listener) = TcpListener::bind("[::1]:0") else { return };
    let port = listener.local_addr().unwrap().port();
    let server = std::thread::spawn(move || echo(listener.accept().unwrap().0));
    assert_eq!(converse(connect(&agent, &format!("localhost:{port}"), "").1, b"six"), b"six");
    server.join().unwrap();
}

#[test]
fn a_socket_inside_is_reached() {
    let agent = Agent::start();
    let path = agent.path("a b.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let server = std::thread::spawn(move || echo(listener.accept().unwrap().0));
    let header = format!("\r\nsandboxer-socket: {}", path.replace(' ', "%20"));
    let (head, stream) = connect(&agent, "localhost:0", &header);
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    assert_eq!(converse(stream, b"hello"), b"hello");
    server.join().unwrap();
}

#[test]
fn a_listener_sees_the_user_who_asked() {
    if !is_root() {
        return;
    }
    let agent = Agent::start();
    let path = agent.path("who.sock");
    let listener = UnixListener::bind(&path).unwrap();
    for (path, mode) in [(agent.folder(), 0o755), (path.as_ref(), 0o777)] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }
    // Several workers take their turns, and each is root again afterwards.
    for (user, uid) in ["nobody", "root", "nobody", "root", "nobody", "root"].into_iter().zip([65_534, 0].repeat(3)) {
        let header = format!("{}\r\nsandboxer-socket: {path}", authorization(user));
        let (head, _stream) = connect(&agent, "localhost:0", &header);
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        let peer = rustix::net::sockopt::socket_peercred(listener.accept().unwrap().0).unwrap();
        assert_eq!((peer.uid.as_raw(), peer.gid.as_raw()), (uid, uid));
    }
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).unwrap();
    let header = format!("{}\r\nsandboxer-socket: {path}", authorization("nobody"));
    assert!(connect(&agent, "localhost:0", &header).0.starts_with("HTTP/1.1 403"));
}

#[test]
fn an_agent_does_not_leave_while_it_forwards() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    let details = Details::new(Options::new(Listen::Stdio, own_name()));
    let streams = [theirs.try_clone().unwrap(), theirs].map(|stream| Stdio::from(OwnedFd::from(stream)));
    let [stdin, stdout] = streams;
    let mut agent = player("agent", &details).stdin(stdin).stdout(stdout).spawn().unwrap();
    let head = ask(&mut ours, &format!("localhost:{port}"), "");
    assert!(head.contains("HTTP/1.1 200"), "{head}");
    let mut inside = listener.accept().unwrap().0;
    // The connection that it served is over; the agent would be gone after one turn.
    for turn in 0..200_u8 {
        ours.write_all(&[turn]).unwrap();
        let mut heard = [0];
        inside.read_exact(&mut heard).unwrap();
        inside.write_all(&heard).unwrap();
        ours.read_exact(&mut heard).unwrap();
        assert_eq!(heard, [turn]);
    }
    drop((ours, inside));
    assert!(agent.wait().unwrap().success());
}

#[test]
fn what_cannot_be_reached_is_said() {
    let agent = Agent::start();
    let closed = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let answer = exchange(&agent, &format!("CONNECT localhost:{closed} HTTP/1.1"), b"");
    assert_eq!((answer.status, &answer.json()["message"]), (502, &json!(format!("port {closed} is not open"))));
    assert_eq!(exchange(&agent, "CONNECT 192.0.2.1:80 HTTP/1.1", b"").status, 403);
    assert_eq!(exchange(&agent, "CONNECT localhost:0 HTTP/1.1", b"").status, 400);
    let socket =
        |path: &str| exchange(&agent, &format!("CONNECT localhost:0 HTTP/1.1\r\nsandboxer-socket: {path}"), b"");
    assert_eq!(socket("/no/such").status, 404);
    let left = agent.path("left.sock");
    drop(UnixListener::bind(&left).unwrap());
    assert_eq!(socket(&left).status, 502);
    assert_eq!(socket(&format!("/{}", "x".repeat(200))).status, 400);
}

#[test]
fn listening_ports_are_listed() {
    let agent = Agent::start();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let listed = unary(&agent, "sandboxer.agent.v1.Agent/ListPorts", &json!({})).json();
    let found = listed["ports"].as_array().unwrap().iter().find(|found| found["port"] == json!(port));
    assert_eq!(found.unwrap()["address"], "127.0.0.1");
}
