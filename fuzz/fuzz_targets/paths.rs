//! Paths of requests: decoded as forms are encoded, and made absolute without changing what they mean.
//!
//! The first byte chooses the home; the rest is a query.
#![no_main]

use std::os::unix::ffi::OsStrExt as _;

use libfuzzer_sys::fuzz_target;
use sandboxer_agent::fuzzing::{absolute, path_of};
use sandboxer_fuzz::{Input, query};

const HOMES: [&str; 5] = ["/home/user", "/", "/root/", "//odd/./home", "/~"];

fuzz_target!(|bytes: &[u8]| {
    let mut input = Input::new(bytes);
    let home = input.choose(&HOMES);
    let rest = input.rest();
    // As it stands in a message.
    check(rest, home);
    // As it stands in an address.
    let Ok(text) = std::str::from_utf8(rest) else { return };
    let given = path_of(text);
    assert_eq!(given.is_ok(), query::read(text).is_some(), "{text}");
    if let Ok(given) = given {
        let path = given.unwrap_or_default();
        assert_eq!(path.as_bytes(), query::read(text).expect("it was read").path);
        check(path.as_bytes(), home);
    }
});

fn check(path: &[u8], home: &str) {
    let made = absolute(path, home);
    let made = made.as_os_str().as_bytes();
    assert!(made.starts_with(b"/"));
    assert!(made == b"/" || made[1..].split(|byte| *byte == b'/').all(|part| !part.is_empty() && part != b"."));
    assert_eq!(made, plainly(path, home), "{}", String::from_utf8_lossy(path));
    // Made absolute once more, it is the same from whichever home.
    assert_eq!(absolute(made, "/elsewhere").as_os_str().as_bytes(), made);
}

/// The same in the plainest way.
fn plainly(path: &[u8], home: &str) -> Vec<u8> {
    let mut all = if path == b"~" || path.starts_with(b"~/") {
        [home.as_bytes(), &path[1..]].concat()
    } else if path.starts_with(b"/") {
        path.to_vec()
    } else {
        [home.as_bytes(), b"/", path].concat()
    };
    all.push(b'/');
    loop {
        // Both are found by two or three bytes in a row, and become one slash.
        let double = all.windows(2).position(|some| some == b"//").map(|place| (place, 2));
        let dot = all.windows(3).position(|some| some == b"/./").map(|place| (place, 3));
        let Some((place, length)) = double.or(dot) else { break };
        all.splice(place..place + length, *b"/");
    }
    if all.len() > 1 {
        all.pop();
    }
    all
}
