//! Many channels over one connection of a real `ssh`, and connections to what listens inside.

use super::ssh_commands::bytes;
use crate::support::{House, Running, Sandbox, SshClient, Who, until};
use rustix::process::Signal;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::process::Stdio;

/// Answers each connection with what it sent, once it sent all.
const MIRROR: &str = "
import os, socket, sys
def serve(listener):
    listener.listen()
    while True:
        connection, _ = listener.accept()
        parts = []
        while part := connection.recv(65536):
            parts.append(part)
        connection.sendall(b''.join(parts)[::-1])
        connection.close()
listener = socket.socket(); listener.bind(('127.0.0.1', 8080)); listener.listen()
inside = socket.socket(socket.AF_UNIX); inside.bind('/tmp/inside.sock'); inside.listen()
print('listening', flush=True)
serve(inside if os.fork() else listener)
";

/// A client that keeps a connection for others.
struct Master<'a> {
    client: &'a SshClient<'a>,
    path: String,
    running: Running,
}

impl<'a> Master<'a> {
    fn start(house: &House, client: &'a SshClient<'a>) -> Self {
        let path = house.path("ctl").display().to_string();
        let running = client.start(&["-M", "-N", "-S", &path, "box"]);
        until("the master listens", || UnixStream::connect(&path).ok());
        Self { client, path, running }
    }

    fn start_one(&self, command: &str) -> Running {
        self.client.start(&["-S", &self.path, "-o", "ControlMaster=no", "box", command])
    }

    fn end(self) {
        self.running.signal(Signal::TERM);
        self.running.finish();
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|one| one.local_addr()).expect("a free port").port()
}

fn ask(mut stream: impl Read + Write, end: impl Fn(), question: &[u8]) -> Vec<u8> {
    stream.write_all(question).expect("it takes it");
    end();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("it answers");
    answer
}

/// Asks what listens at a port of the sandbox through a proxy of `ssh -D`.
fn ask_by_socks(proxy: u16, port: u16, question: &[u8]) -> Option<Vec<u8>> {
    let mut stream = TcpStream::connect(("127.0.0.1", proxy)).ok()?;
    stream.write_all(&[5, 1, 0]).expect("it takes it");
    let mut greeting = [0; 2];
    stream.read_exact(&mut greeting).ok()?;
    let [high, low] = port.to_be_bytes();
    stream.write_all(&[5, 1, 0, 1, 127, 0, 0, 1, high, low]).expect("it takes it");
    let mut answer = [0; 10];
    stream.read_exact(&mut answer).ok()?;
    assert_eq!((greeting, answer[1]), ([5, 0], 0));
    let end = || stream.shutdown(Shutdown::Write).expect("it is open");
    Some(ask(&stream, end, question))
}

#[test]
fn many_sessions_share_one_connection() {
    let house = House::new(Who::Caller);
    let sandbox = Sandbox::create(&house, "local --name box");
    let client = SshClient::new(&house);
    let master = Master::start(&house, &client);
    let all: Vec<Running> = (0..40).map(|number| master.start_one(&format!("echo {number}; exit {number}"))).collect();
    for (number, one) in (0..).zip(all) {
        assert_eq!(one.finish().ended_with(number).text(), format!("{number}\n"));
    }
    master.end();
    sandbox.remove();
}

#[test]
fn a_client_that_does_not_read_holds_up_itself_alone() {
    let house = House::new(Who::Caller);
    let sandbox = Sandbox::create(&house, "local --name box");
    let client = SshClient::new(&house);
    let master = Master::start(&house, &client);
    let flood = ["-S", &master.path, "box", "head -c 300000000 /dev/zero"];
    let mut command = client.command("ssh", &flood);
    let mut unread = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("ssh starts");
    // Nor does a command that does not read hold up others.
    let large = bytes(30 << 20);
    let script = "until [ -e /tmp/go ]; do sleep 0.01; done; wc -c";
    let stuffed = client.command("ssh", &["-S", &master.path, "box", script]);
    let stuffed = Running::start(stuffed, Some(large));
    for _ in 0..20 {
        assert_eq!(master.start_one("echo hello").finish().succeeded().text(), "hello\n");
    }
    let most = most_memory(&house);
    assert!(most < 150_000, "the server had {most} KiB");
    master.start_one("touch /tmp/go").finish().succeeded();
    assert_eq!(stuffed.finish().succeeded().text().trim(), (30 << 20).to_string());
    let mut output = Vec::new();
    unread.stdout.take().expect("piped").read_to_end(&mut output).expect("it goes on");
    assert!(unread.wait().expect("a child").success());
    assert_eq!(output.len(), 300_000_000);
    master.end();
    sandbox.remove();
}

/// The most memory that a server of this house has had so far, in KiB.
fn most_memory(house: &House) -> u64 {
    let here = house.path("").display().to_string();
    let processes = std::fs::read_dir("/proc").expect("there").flatten().map(|entry| entry.path());
    let of = |path: std::path::PathBuf| {
        let words = std::fs::read(path.join("cmdline")).ok()?;
        let words = String::from_utf8_lossy(&words).into_owned();
        let is_server = words.contains("ssh-proxy") && words.contains(&here) && !words.starts_with("/bin/sh");
        let status = is_server.then(|| std::fs::read_to_string(path.join("status")).ok())??;
        status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.split_whitespace().next()?.parse().ok())
    };
    processes.filter_map(of).max().expect("one is running")
}

#[test]
fn ports_and_sockets_inside_are_forwarded() {
    let house = House::new(Who::Caller);
    let sandbox = Sandbox::create(&house, "local --name box");
    let client = SshClient::new(&house);
    let mirror = client.start(&["box", &format!("exec python3 -c \"{MIRROR}\"")]);
    mirror.says("listening");
    let (port, proxy) = (free_port(), free_port());
    let socket = house.path("here.sock").display().to_string();
    let (by_port, by_socket) = (format!("{port}:localhost:8080"), format!("{socket}:/tmp/inside.sock"));
    let proxy_text = proxy.to_string();
    let forward = client.start(&["-N", "-L", &by_port, "-L", &by_socket, "-D", &proxy_text, "box"]);
    let large = bytes(3_000_000);
    let reversed: Vec<u8> = large.iter().rev().copied().collect();
    let stream = until("ssh listens", || TcpStream::connect(("127.0.0.1", port)).ok());
    let answer = ask(&stream, || stream.shutdown(Shutdown::Write).expect("open"), &large);
    assert!(answer == reversed, "{} bytes came back", answer.len());
    let stream = until("ssh listens", || UnixStream::connect(&socket).ok());
    assert_eq!(ask(&stream, || stream.shutdown(Shutdown::Write).expect("open"), b"abc"), b"cba");
    assert_eq!(until("ssh listens", || ask_by_socks(proxy, 8080, b"xyz")), b"zyx");
    forward.signal(Signal::TERM);
    forward.finish();
    assert_eq!(client.run_with_input(&["-W", "localhost:8080", "box"], b"123").succeeded().text(), "321");
    let closed = client.run(&["-W", "localhost:9", "box"]).ended_with(255);
    assert!(closed.stderr.contains("port 9 is not open"), "{}", closed.stderr);
    let elsewhere = client.run(&["-W", "example.org:80", "box"]).ended_with(255);
    assert!(elsewhere.stderr.contains("only ports of the sandbox itself"), "{}", elsewhere.stderr);
    let back = client.run(&["-R", "0:localhost:9", "-o", "ExitOnForwardFailure=yes", "box", "true"]).ended_with(255);
    assert!(back.stderr.contains("remote port forwarding failed"), "{}", back.stderr);
    mirror.signal(Signal::TERM);
    mirror.finish();
    sandbox.remove();
}

/// As Visual Studio Code does: a script by standard input, whose server is then reached through the same connection.
#[test]
fn an_editor_finds_its_server() {
    let house = House::new(Who::Caller);
    let sandbox = Sandbox::create(&house, "local --name box");
    let client = SshClient::new(&house);
    let proxy = free_port();
    let mut command = client.command("ssh", &["-T", "-D", &proxy.to_string(), "box", "bash"]);
    let mut editor = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("ssh starts");
    let mut typed = editor.stdin.take().expect("piped");
    let script = format!(
        "touch log; cat > mirror.py <<'END'\n{MIRROR}\nEND\npython3 mirror.py >> log 2>&1 < /dev/null &\n\
         until grep -q listening log; do sleep 0.01; done\necho \"server at 8080\"\n"
    );
    typed.write_all(script.as_bytes()).expect("it takes it");
    let mut said = [0; 15];
    editor.stdout.as_mut().expect("piped").read_exact(&mut said).expect("it answers");
    assert_eq!(&said, b"server at 8080\n");
    assert_eq!(ask_by_socks(proxy, 8080, b"code").expect("the proxy listens"), b"edoc");
    // The window is closed; what it left goes on, and is found again.
    editor.kill().expect("a child");
    editor.wait().expect("a child");
    assert_eq!(client.run_with_input(&["-W", "127.0.0.1:8080", "box"], b"again").succeeded().text(), "niaga");
    sandbox.remove();
}
