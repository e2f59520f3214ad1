//! Who is let in to a file: whoever shows the token, or an address that was signed with it and has not run out. The
//! same is decided here once more, in the plainest way.
//!
//! Lines: the token; what is shown for it, or nothing; how to sign; the time; and the query.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sandboxer_agent::fuzzing::opens;
use sandboxer_fuzz::{Input, query};
use sha2::{Digest as _, Sha256};

fuzz_target!(|bytes: &[u8]| {
    let mut input = Input::new(bytes);
    let (token, shown, signing) = (input.line(), input.line(), input.line());
    let now: i64 = input.line().parse().unwrap_or_default();
    let mut text = input.line();
    let operation = if input.byte().is_multiple_of(2) { "read" } else { "write" };
    let shown = shown.strip_prefix('=').map(str::to_owned);
    if shown.as_ref().is_some_and(|shown| !shown.bytes().all(|byte| (b' '..=b'~').contains(&byte))) {
        return;
    }
    if let Some(asked) = query::read(&text) {
        text.push_str("&signature=");
        text.push_str(&query::encode(signed(&asked, operation, &token, &signing).as_bytes()));
    }
    let expected = query::read(&text).map(|asked| decide(&asked, operation, &token, shown.as_deref(), now));
    let decided = opens(&token, shown.as_deref(), &text, operation, now).ok();
    assert_eq!(decided, expected, "{text}");
});

/// The signature that the query gets: its own, the right one, or (a number) the right one with that letter changed.
fn signed(asked: &query::Query, operation: &str, token: &str, how: &str) -> String {
    let mut right = right(asked, operation, token);
    match how {
        "own" => asked.signature.clone().unwrap_or_default(),
        "shorter" => right[..right.len() - 1].to_owned(),
        "longer" => right + "=",
        "other operation" => self::right(asked, if operation == "read" { "write" } else { "read" }, token),
        "other token" => self::right(asked, operation, &format!("{token}x")),
        number => {
            if let Ok(place) = number.parse::<usize>() {
                let place = place % right.len();
                let other = if &right[place..=place] == "A" { "B" } else { "A" };
                right.replace_range(place..=place, other);
            }
            right
        }
    }
}

fn right(asked: &query::Query, operation: &str, token: &str) -> String {
    let mut text = asked.path.clone();
    text.extend_from_slice(format!(":{operation}:{}:{token}", asked.username).as_bytes());
    if let Some(expiration) = asked.expiration {
        text.extend_from_slice(format!(":{expiration}").as_bytes());
    }
    format!("v1_{}", base64(&Sha256::digest(text)))
}

fn decide(asked: &query::Query, operation: &str, token: &str, shown: Option<&str>, now: i64) -> bool {
    if token.is_empty() {
        return true;
    }
    match shown {
        Some(shown) if !shown.is_empty() => shown == token,
        _ => {
            asked.signature.as_deref() == Some(&right(asked, operation, token))
                && asked.expiration.is_none_or(|expiration| expiration >= now)
        }
    }
}

/// Without padding.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bits: Vec<bool> = bytes.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1 == 1)).collect();
    let number = |six: &[bool]| (0..6).fold(0, |sum, bit| sum * 2 + usize::from(six.get(bit) == Some(&true)));
    bits.chunks(6).map(|six| char::from(LETTERS[number(six)])).collect()
}
