//! Whatever bytes come to the agent's server: it answers or hangs up, holds little memory, and lets go.
//!
//! The first byte says what the input is, the second in what pieces it comes. Bytes as they are, or behind an HTTP/2
//! preface; or the body of a call, behind the numbers of its procedure, its kind and one more header. From 0x80 on, the client does not end its
//! side.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sandboxer_fuzz::conversation::{Manner, Wait, converse};
use sandboxer_fuzz::{Input, enter, inside, peak_of, tree, wire};

/// The agent takes messages of 4 MiB, and reads a socket in far smaller pieces.
const MOST_MEMORY: usize = 24 << 20;

fuzz_target!(init: enter(), |bytes: &[u8]| {
    let mut input = Input::new(bytes);
    let (form, size) = (input.byte(), input.byte());
    let request = match form % 6 {
        0 => input.rest().to_vec(),
        1 => [wire::PREFACE, input.rest()].concat(),
        form => call(form, input),
    };
    let pieces: Vec<Vec<u8>> = Input::new(&request).pieces(size).into_iter().map(<[u8]>::to_vec).collect();
    let is_http1_call = matches!(form % 6, 2 | 3);
    let ends_its_side = form < 0x80 && form % 6 < 4;
    let manner = Manner {
        ends_its_side,
        waits: if is_http1_call { Wait::Answer } else { Wait::Quiet },
    };
    let (memory, answer) = peak_of(move || {
        inside(move |runtime, agent| {
            tree::plant(agent.acts_for_others());
            converse(runtime, agent, &pieces, manner)
        })
    });
    assert!(memory < MOST_MEMORY, "{memory} bytes were held");
    // A call of HTTP/1.1 that is whole, as far as HTTP is concerned, is answered. Who ends their side has hung up.
    assert!(!is_http1_call || ends_its_side || answer.starts_with(b"HTTP/1.1 "), "no answer");
});

/// A call over HTTP/1.1 (2, 3) or HTTP/2 (4, 5); its body is as it is or (3, 5) one whole message of a stream.
fn call(form: u8, mut input: Input<'_>) -> Vec<u8> {
    let procedure = input.choose(&wire::PROCEDURES);
    let headers = [("content-type", input.choose(&wire::KINDS)), input.choose(&wire::HEADERS)];
    let body = if form % 2 == 1 { wire::enveloped(input.rest()) } else { input.rest().to_vec() };
    if form % 6 < 4 { wire::http1(procedure, &headers, &body) } else { wire::http2(procedure, &headers, &body) }
}
