//! What listens inside.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use sandboxer_reach::{ByteStream, Execution, ReachErrorKind, Target};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::bench::Bench;
use crate::support::{pattern, read_until};

/// Listens, says where, and serves one connection after the other by `serve(connection)`.
const SERVER: &str = "
import socket, sys
def listen(address):
    family = socket.AF_UNIX if isinstance(address, bytes) else socket.AF_INET
    listener = socket.socket(family)
    listener.bind(address)
    listener.listen()
    print('at', listener.getsockname()[1] if family == socket.AF_INET else '', flush=True)
    while True:
        connection, _ = listener.accept()
        serve(connection)
        connection.close()
def read_all(connection):
    parts = []
    while part := connection.recv(65536):
        parts.append(part)
    return b''.join(parts)
";
/// Answers what was sent, the other way round, once all of it came.
const REVERSE: &str = "
def serve(connection):
    connection.sendall(read_all(connection)[::-1])
";
/// Says something, ends that, and prints what comes afterwards.
const FIRST_TO_END: &str = "
def serve(connection):
    connection.sendall(b'hello')
    connection.shutdown(socket.SHUT_WR)
    print('got', read_all(connection).decode(), flush=True)
";
const ECHO: &str = "
def serve(connection):
    while part := connection.recv(65536):
        connection.sendall(part)
";

async fn serve(bench: &Bench, how: &str, at: &str) -> (Execution, u16) {
    let request = Bench::python(&format!("{SERVER}{how}\nlisten({at})"));
    let mut execution = bench.session.exec(request).await.unwrap();
    let said = read_until(&mut execution, "\n").await;
    let port = said.strip_prefix("at").unwrap().trim().parse().unwrap_or(0);
    (execution, port)
}

async fn connect(bench: &Bench, target: &Target) -> Box<dyn ByteStream> {
    bench.session.connect(target, None).await.unwrap()
}

async fn read_to_end(stream: &mut dyn ByteStream) -> Vec<u8> {
    let mut all = Vec::new();
    stream.read_to_end(&mut all).await.unwrap();
    all
}

pub(crate) async fn listening_ports_are_listed(bench: &Bench) {
    let (mut server, number) = serve(bench, ECHO, "('127.0.0.1', 0)").await;
    let listed = bench.session.ports().await.unwrap();
    assert!(listed.is_sorted_by_key(|port| port.port), "{listed:?}");
    let port = listed.iter().find(|port| port.port == number).unwrap();
    assert_eq!(port.address, "127.0.0.1");
    assert_eq!(port.owner, bench.sh("id -un 2>/dev/null || id -u").await.trim());
    server.input().signal(9).await.unwrap();
    server.wait().await.unwrap();
    let listed = bench.session.ports().await.unwrap();
    assert!(listed.iter().all(|port| port.port != number), "{listed:?}");
}

pub(crate) async fn a_port_takes_and_gives_each_to_its_own_end(bench: &Bench) {
    let (_server, port) = serve(bench, REVERSE, "('127.0.0.1', 0)").await;
    for _ in 0..3 {
        let mut stream = connect(bench, &Target::Port(port)).await;
        stream.write_all(b"forwards").await.unwrap();
        stream.shutdown().await.unwrap();
        assert_eq!(read_to_end(&mut stream).await, b"sdrawrof");
    }
    let (mut server, port) = serve(bench, FIRST_TO_END, "('127.0.0.1', 0)").await;
    let mut stream = connect(bench, &Target::Port(port)).await;
    assert_eq!(read_to_end(&mut stream).await, b"hello");
    stream.write_all(b"late words").await.unwrap();
    stream.shutdown().await.unwrap();
    read_until(&mut server, "got late words\n").await;
    // One that is dropped ends, too.
    let mut stream = connect(bench, &Target::Port(port)).await;
    stream.write_all(b"and gone").await.unwrap();
    stream.flush().await.unwrap();
    drop(stream);
    read_until(&mut server, "got").await;
}

pub(crate) async fn a_megabyte_each_way_at_once(bench: &Bench) {
    let (_server, port) = serve(bench, ECHO, "('127.0.0.1', 0)").await;
    let sent = pattern(1 << 20);
    let stream = connect(bench, &Target::Port(port)).await;
    let (mut reader, mut writer) = tokio::io::split(stream);
    let writing = async {
        writer.write_all(&sent).await.unwrap();
        writer.shutdown().await.unwrap();
    };
    let mut back = Vec::new();
    let ((), read) = tokio::join!(writing, reader.read_to_end(&mut back));
    read.unwrap();
    assert!(back == sent, "{} bytes came back, or others", back.len());
}

pub(crate) async fn a_socket_is_reached_by_its_path(bench: &Bench) {
    for name in [&b"plain.sock"[..], b"a b%41.sock", b"\xff\xfe"] {
        let path = bench.path(Path::new(OsStr::from_bytes(name)));
        let literal: String = path.as_os_str().as_bytes().iter().map(|byte| format!("\\x{byte:02x}")).collect();
        let (_server, _) = serve(bench, REVERSE, &format!("b'{literal}'")).await;
        let mut stream = connect(bench, &Target::Socket(path)).await;
        stream.write_all(b"abc").await.unwrap();
        stream.shutdown().await.unwrap();
        assert_eq!(read_to_end(&mut stream).await, b"cba");
    }
}

pub(crate) async fn what_nobody_listens_on_is_refused(bench: &Bench) {
    let (mut server, port) = serve(bench, ECHO, "('127.0.0.1', 0)").await;
    server.input().signal(9).await.unwrap();
    server.wait().await.unwrap();
    bench.sh("echo x > file; python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind(\"left\")'").await;
    for (target, kind) in [
        (Target::Port(port), ReachErrorKind::Refused),
        (Target::Socket(bench.path("left")), ReachErrorKind::Refused),
        (Target::Socket(bench.path("file")), ReachErrorKind::Refused),
        (Target::Socket(bench.path("none")), ReachErrorKind::NotFound),
        (Target::Port(0), ReachErrorKind::InvalidInput),
    ] {
        let fault = bench.session.connect(&target, None).await.map(drop).unwrap_err();
        assert_eq!(fault.kind(), kind, "{target}: {fault}");
    }
    bench.session.health().await.unwrap();
}
