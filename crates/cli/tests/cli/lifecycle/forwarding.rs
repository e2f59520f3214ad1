//! Ports and sockets inside, reached from outside.

use crate::support::{Cable, House, Running, Sandbox, Who, until};
use rustix::process::Signal;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;

/// Answers each connection with what it sent, the other way round, once it sent all.
const REVERSE: &str = "
import socket, sys
at = sys.argv[1]
listener = socket.socket(socket.AF_UNIX if at.startswith('/') else socket.AF_INET)
listener.bind(at if at.startswith('/') else ('127.0.0.1', int(at)))
listener.listen()
print('listening', flush=True)
while True:
    connection, _ = listener.accept()
    parts = []
    while part := connection.recv(65536):
        parts.append(part)
    connection.sendall(b''.join(parts)[::-1])
    connection.close()
";

fn listen(house: &House, sandbox: &Sandbox<'_>, at: &str) {
    let typed = ["exec", "-d", &sandbox.id, "--", "python3", "-c", REVERSE, at];
    let name = house.run(&typed).succeeded().text();
    until("it listens", || {
        let said = house.run(&["logs", &sandbox.id, name.trim()]).succeeded();
        said.text().contains("listening").then_some(())
    });
}

/// Where a forward listens that was told to take any port.
fn port_of(forward: &Running, remote: &str) -> u16 {
    let end = format!(" → {remote}");
    until("it says where it listens", || {
        let said = forward.said();
        said.lines().find_map(|line| line.strip_suffix(end.as_str())?.strip_prefix("127.0.0.1:")?.parse().ok())
    })
}

/// Sends all of it, ends that direction, and reads the answer to its end.
fn ask(mut stream: impl Read + Write, end: impl Fn(), question: &[u8]) -> Vec<u8> {
    stream.write_all(question).expect("it takes it");
    end();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("it answers");
    answer
}

fn ask_port(port: u16, question: &[u8]) -> Vec<u8> {
    let stream = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
    let end = || stream.shutdown(Shutdown::Write).expect("it is open");
    ask(&stream, end, question)
}

pub(crate) fn a_port_is_forwarded_until_the_sandbox_ends(who: Who) {
    let house = House::new(who);
    let sandbox = Sandbox::create(&house, "local");
    listen(&house, &sandbox, "8080");
    let forward = house.start(&["forward", &sandbox.id, "0:8080"]);
    let port = port_of(&forward, "8080");
    let mut open = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
    let large: Vec<u8> = (0..1_000_000_u32).map(|number| number.to_be_bytes()[3]).collect();
    open.write_all(b"not yet all").expect("it takes it");
    drop(open);
    let answer = ask_port(port, &large);
    assert!(answer.iter().rev().eq(&large), "{} bytes came back", answer.len());
    for _ in 0..20 {
        assert_eq!(ask_port(port, b"abc"), b"cba");
    }
    sandbox.remove();
    let outcome = forward.finish().succeeded();
    assert!(outcome.stderr.ends_with(" is not ready any more\n"), "{}", outcome.stderr);
}

pub(crate) fn sockets_are_forwarded_on_both_sides(who: Who) {
    let house = House::new(who);
    let sandbox = Sandbox::create(&house, "local");
    listen(&house, &sandbox, "/tmp/inside.sock");
    let here = house.work().join("here.sock");
    let place = format!("unix:{}:/tmp/inside.sock", here.display());
    let forward = house.start(&["forward", &sandbox.id, &place, "/tmp/inside.sock"]);
    let port = port_of(&forward, "/tmp/inside.sock");
    assert_eq!(ask_port(port, b"abc"), b"cba");
    let stream = UnixStream::connect(&here).expect("it listens");
    let end = || stream.shutdown(Shutdown::Write).expect("it is open");
    assert_eq!(ask(&stream, end, b"over a socket"), b"tekcos a revo");
    forward.signal(Signal::INT);
    forward.finish().succeeded();
    assert!(!here.exists(), "the socket's path was left behind");
    sandbox.remove();
}

pub(crate) fn a_taken_port_is_said_and_another_one_found(who: Who) {
    let house = House::new(who);
    let sandbox = Sandbox::create(&house, "local");
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = taken.local_addr().expect("bound").port().to_string();
    listen(&house, &sandbox, &port);
    let forward = house.start(&["forward", &sandbox.id, &port]);
    let other = port_of(&forward, &port);
    assert_ne!(other.to_string(), port);
    assert_eq!(ask_port(other, b"abc"), b"cba");
    forward.signal(Signal::TERM);
    let outcome = forward.finish().succeeded();
    assert!(outcome.stderr.contains(&format!("`127.0.0.1:{port}` cannot be had")), "{}", outcome.stderr);
    let outcome = house.run(&["forward", &sandbox.id, &format!("{port}:80")]).ended_with(7);
    assert!(outcome.stderr.starts_with(&format!("error: cannot listen at `127.0.0.1:{port}`")), "{}", outcome.stderr);
    sandbox.remove();
}

pub(crate) fn a_port_that_nobody_listens_on_is_said_once(who: Who) {
    let house = House::new(who);
    let sandbox = Sandbox::create(&house, "local");
    let forward = house.start(&["forward", &sandbox.id, "0:8080"]);
    let port = port_of(&forward, "8080");
    for _ in 0..3 {
        assert_eq!(ask_closed(port), b"");
    }
    listen(&house, &sandbox, "8080");
    assert_eq!(ask_port(port, b"abc"), b"cba");
    forward.signal(Signal::INT);
    let outcome = forward.finish().succeeded();
    assert_eq!(outcome.stderr, format!("warning: 127.0.0.1:{port} → 8080: port 8080 is not open\n"));
    sandbox.remove();
}

/// What comes of a connection that is closed at once.
fn ask_closed(port: u16) -> Vec<u8> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
    let mut answer = Vec::new();
    // It may be reset.
    drop(stream.read_to_end(&mut answer));
    answer
}

pub(crate) fn a_forward_survives_a_broken_connection(who: Who) {
    let house = House::new(who);
    let sandbox = Sandbox::create(&house, "local");
    let cable = Cable::lay(&sandbox.socket());
    listen(&house, &sandbox, "8080");
    let forward = house.start(&["forward", &sandbox.id, "0:8080"]);
    let port = port_of(&forward, "8080");
    assert_eq!(ask_port(port, b"abc"), b"cba");
    cable.cut();
    until("it goes on", || {
        let stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
        (&stream).write_all(b"abc").ok()?;
        stream.shutdown(Shutdown::Write).ok()?;
        let mut answer = Vec::new();
        (&stream).read_to_end(&mut answer).ok()?;
        (answer == b"cba").then_some(())
    });
    forward.signal(Signal::INT);
    forward.finish().succeeded();
    sandbox.remove();
}
