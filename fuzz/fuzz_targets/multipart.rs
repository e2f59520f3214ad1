//! Uploads by a user: what that user may not write stays as it was, what is said to be written is, and what is refused
//! is refused as the client's fault.
//!
//! The first byte says what the input is, the second in what pieces it comes, the third which path the address has.
//! Then come the content type, one line, and the body as it is; or contents of files, a byte 0xff between them.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sandboxer_agent::fuzzing::{Agent, pack};
use sandboxer_fuzz::conversation::{Manner, Wait, converse};
use sandboxer_fuzz::tree::{self, HOME, Stamp};
use sandboxer_fuzz::{Input, enter, inside, peak_of, wire};
use std::os::unix::fs::MetadataExt as _;

const MOST_MEMORY: usize = 24 << 20;
const BOUNDARY: &str = "----------a-boundary-that-no-input-holds";
const PATHS: [&str; 12] = [
    "",
    "&path=a/b",
    "&path=~/a",
    "&path=file",
    "&path=%2Fguarded%2Fnew",
    "&path=%2Fguarded%2Fsecret",
    "&path=link/new",
    "&path=accounts",
    "&path=..%2F..%2Fetc%2Fpasswd",
    "&path=%2Ftmp%2Fa&mode=4755",
    "&path=%2F",
    "&path=%00",
];

fuzz_target!(init: enter(), |bytes: &[u8]| {
    let mut input = Input::new(bytes);
    let (form, size) = (input.byte(), input.byte());
    let (whole, packed, second) = (form & 1 == 0, form & 2 != 0, form & 4 != 0);
    let path = format!("files?username=user{}", if whole { input.choose(&PATHS) } else { "" });
    let (kind, body, contents) = if whole {
        let kind: String = input.line().chars().filter(|letter| matches!(letter, ' '..='~')).collect();
        (kind, input.rest().to_vec(), Vec::new())
    } else {
        let contents: Vec<Vec<u8>> = input.rest().split(|byte| *byte == 0xff).map(<[u8]>::to_vec).collect();
        (format!("multipart/form-data; boundary={BOUNDARY}"), a_form(&contents), contents)
    };
    let body = if packed { pack([&body[..]]).expect("it can be packed") } else { body };
    let encoding = ("content-encoding", if packed { "gzip" } else { "identity" });
    let headers = [("content-type", kind.as_str()), encoding];
    let request = if second { wire::http2(&path, &headers, &body) } else { wire::http1(&path, &headers, &body) };
    let pieces: Vec<Vec<u8>> = Input::new(&request).pieces(size).into_iter().map(<[u8]>::to_vec).collect();
    let (memory, ()) = peak_of(|| {
        inside(move |runtime, agent| {
            tree::plant(agent.acts_for_others());
            let before = Stamp::take();
            let manner = Manner { ends_its_side: false, waits: Wait::End };
            let answer = converse(runtime, agent, &pieces, manner);
            check(agent, &before, second, &answer, &contents);
        });
    });
    assert!(memory < MOST_MEMORY, "{memory} bytes were held");
});

fn a_form(contents: &[Vec<u8>]) -> Vec<u8> {
    let mut form = Vec::new();
    for (number, content) in contents.iter().enumerate() {
        let head = format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"folder/{number}\"\r\n\r\n"
        );
        form.extend_from_slice(head.as_bytes());
        form.extend_from_slice(content);
        form.extend_from_slice(b"\r\n");
    }
    form.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
    form
}

fn check(agent: &Agent, before: &Stamp, second: bool, answer: &[u8], contents: &[Vec<u8>]) {
    if agent.acts_for_others() {
        assert_eq!(&Stamp::take(), before, "something changed that is not the user's");
        for entry in std::fs::read_dir("/tmp").expect("it stays").chain(std::fs::read_dir(HOME).expect("it stays")) {
            let status = entry.expect("an entry").path().symlink_metadata().expect("it is there");
            assert!(status.is_symlink() || status.uid() == tree::USER, "a file became another user's");
        }
    }
    for (number, content) in contents.iter().enumerate() {
        let written = std::fs::read(format!("{HOME}/folder/{number}"))
            .unwrap_or_else(|error| panic!("file {number} is not there: {error}: {}", String::from_utf8_lossy(answer)));
        assert!(written == *content, "file {number} was written otherwise");
    }
    if !second {
        let status = answer.strip_prefix(b"HTTP/1.1 ").and_then(|rest| rest.get(..3)).unwrap_or_default();
        let expected: &[&[u8]] =
            if contents.is_empty() { &[b"200", b"400", b"403", b"404", b"507"] } else { &[b"200"] };
        assert!(expected.contains(&status), "answered {}", String::from_utf8_lossy(answer));
    }
}
