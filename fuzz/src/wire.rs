//! Requests as they stand on the wire, around bodies that need not mean anything.

/// Every procedure of the agent.
pub const PROCEDURES: [&str; 34] = [
    "process.Process/List",
    "process.Process/Connect",
    "process.Process/Start",
    "process.Process/Update",
    "process.Process/StreamInput",
    "process.Process/SendInput",
    "process.Process/SendSignal",
    "process.Process/CloseStdin",
    "filesystem.Filesystem/Stat",
    "filesystem.Filesystem/MakeDir",
    "filesystem.Filesystem/Move",
    "filesystem.Filesystem/ListDir",
    "filesystem.Filesystem/Remove",
    "filesystem.Filesystem/WatchDir",
    "filesystem.Filesystem/CreateWatcher",
    "filesystem.Filesystem/GetWatcherEvents",
    "filesystem.Filesystem/RemoveWatcher",
    "sandboxer.agent.v1.Agent/Signal",
    "sandboxer.agent.v1.Agent/Wait",
    "sandboxer.agent.v1.Agent/ListCommands",
    "sandboxer.agent.v1.Agent/Follow",
    "sandboxer.agent.v1.Agent/Stat",
    "sandboxer.agent.v1.Agent/ListDirectory",
    "sandboxer.agent.v1.Agent/MakeDirectory",
    "sandboxer.agent.v1.Agent/Rename",
    "sandboxer.agent.v1.Agent/Remove",
    "sandboxer.agent.v1.Agent/MakeSymlink",
    "sandboxer.agent.v1.Agent/MakeHardLink",
    "sandboxer.agent.v1.Agent/SetMode",
    "sandboxer.agent.v1.Agent/Watch",
    "sandboxer.agent.v1.Agent/ListPorts",
    "sandboxer.agent.v1.Agent/SetLease",
    "sandboxer.agent.v1.Agent/ReleaseLease",
    "init",
];

/// How a Connect body may be written.
pub const KINDS: [&str; 4] =
    ["application/json", "application/proto", "application/connect+json", "application/connect+proto"];

/// What a request may say beside its body.
pub const HEADERS: [(&str, &str); 6] = [
    ("accept", "*/*"),
    ("connect-timeout-ms", "50"),
    // `user:` and `other:`.
    ("authorization", "Basic dXNlcjo="),
    ("authorization", "Basic b3RoZXI6"),
    ("connect-content-encoding", "gzip"),
    ("connect-protocol-version", "1"),
];

/// A message of a stream.
pub fn enveloped(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).expect("an input is short");
    [&[0], &length.to_be_bytes()[..], message].concat()
}

/// A whole request of HTTP/1.1, of a client that says no more.
pub fn http1(path: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut head =
        format!("POST /{path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n", body.len());
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    [head.as_bytes(), b"\r\n", body].concat()
}

/// A client's first words of HTTP/2: its preface, and settings without any.
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
/// Frames that every server takes.
const LONGEST_FRAME: usize = 16_384;

/// A connection of HTTP/2 with one request, whose client says that there will be no other.
pub fn http2(path: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    const DATA: u8 = 0;
    const HEADERS: u8 = 1;
    const GO_AWAY: u8 = 7;
    const END_STREAM: u8 = 1;
    const END_HEADERS: u8 = 4;
    let path = format!("/{path}");
    let pseudo = [(":method", "POST"), (":scheme", "http"), (":authority", "x"), (":path", &path)];
    let mut block = Vec::new();
    for (name, value) in pseudo.iter().chain(headers) {
        literal(&mut block, name, value);
    }
    let mut all = PREFACE.to_vec();
    frame(&mut all, HEADERS, END_HEADERS, 1, &block);
    let mut pieces = body.chunks(LONGEST_FRAME).peekable();
    if pieces.peek().is_none() {
        frame(&mut all, DATA, END_STREAM, 1, b"");
    }
    while let Some(piece) = pieces.next() {
        frame(&mut all, DATA, if pieces.peek().is_none() { END_STREAM } else { 0 }, 1, piece);
    }
    frame(&mut all, GO_AWAY, 0, 0, &[0; 8]);
    all
}

/// A header that is not indexed. Names and values are shorter than 127 bytes, or the rest is cut.
fn literal(block: &mut Vec<u8>, name: &str, value: &str) {
    block.push(0);
    for text in [name, value] {
        let text = &text.as_bytes()[..text.len().min(126)];
        block.push(text.len() as u8);
        block.extend_from_slice(text);
    }
}

fn frame(all: &mut Vec<u8>, kind: u8, flags: u8, stream: u8, payload: &[u8]) {
    let length = u32::try_from(payload.len()).expect("a frame is short").to_be_bytes();
    all.extend_from_slice(&length[1..]);
    all.extend_from_slice(&[kind, flags, 0, 0, 0, stream]);
    all.extend_from_slice(payload);
}
