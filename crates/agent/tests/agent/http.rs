//! HTTP/1.1 by hand, as any client may speak it.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::support::Agent;

/// An answer, its body put together from whatever it was sent in.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    /// The messages of a stream, each with its flags.
    pub(crate) fn frames(&self) -> Vec<(u8, Value)> {
        let mut frames = Vec::new();
        let mut rest = &self.body[..];
        while let [flags, a, b, c, d, after @ ..] = rest {
            let length = u32::from_be_bytes([*a, *b, *c, *d]) as usize;
            frames.push((*flags, serde_json::from_slice(&after[..length]).unwrap()));
            rest = &after[length..];
        }
        frames
    }
}

pub(crate) fn exchange(agent: &Agent, head: &str, body: &[u8]) -> Answer {
    let mut stream = UnixStream::connect(agent.socket()).unwrap();
    let length = body.len();
    let head = format!("{head}\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(body).unwrap();
    receive(stream)
}

pub(crate) fn receive(mut stream: UnixStream) -> Answer {
    let mut all = Vec::new();
    stream.read_to_end(&mut all).unwrap();
    let split = all.windows(4).position(|four| four == b"\r\n\r\n").expect("no answer");
    let head = String::from_utf8(all[..split].to_vec()).unwrap().to_ascii_lowercase();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let body = &all[split + 4..];
    let body = if head.contains("transfer-encoding: chunked") { unchunk(body) } else { body.to_vec() };
    Answer { status, head, body }
}

fn unchunk(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let end = rest.windows(2).position(|two| two == b"\r\n").unwrap();
        let length = usize::from_str_radix(std::str::from_utf8(&rest[..end]).unwrap(), 16).unwrap();
        if length == 0 {
            return body;
        }
        body.extend_from_slice(&rest[end + 2..end + 2 + length]);
        rest = &rest[end + 4 + length..];
    }
}

pub(crate) fn unary(agent: &Agent, procedure: &str, message: &Value) -> Answer {
    let head = format!("POST /{procedure} HTTP/1.1\r\ncontent-type: application/json\r\nconnect-protocol-version: 1");
    exchange(agent, &head, message.to_string().as_bytes())
}

pub(crate) fn framed(message: &Value) -> Vec<u8> {
    let text = message.to_string();
    let mut frame = vec![0];
    frame.extend(u32::try_from(text.len()).unwrap().to_be_bytes());
    frame.extend(text.as_bytes());
    frame
}

pub(crate) fn streaming(agent: &Agent, procedure: &str, headers: &str, messages: &[Value]) -> Answer {
    let head = format!(
        "POST /{procedure} HTTP/1.1\r\ncontent-type: application/connect+json\r\nconnect-protocol-version: 1{headers}"
    );
    exchange(agent, &head, &messages.iter().flat_map(framed).collect::<Vec<_>>())
}

pub(crate) fn authorization(user: &str) -> String {
    format!("\r\nauthorization: Basic {}", STANDARD.encode(format!("{user}:")))
}

/// A path as a query holds it.
pub(crate) fn encoded(path: &str) -> String {
    path.bytes().map(|byte| format!("%{byte:02X}")).collect()
}
