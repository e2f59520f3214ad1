//! The lines of the extension protocol: the same however they come, heard or refused, and written back as they were.
//!
//! The first byte says in what pieces the rest comes, the second how long a line may be.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sandboxer_fuzz::{Input, peak_of};
use sandboxer_sdk::Progress;
use sandboxer_sdk::wire::{
    AnswerMessage, Ask, AskConnect, AskDeleteSnapshot, AskDescribe, AskEstimateCost, AskExtend, AskFork, AskList,
    AskListSnapshots, AskPause, AskPrices, AskProvision, AskRecover, AskRestore, AskResume, AskSnapshot, AskStatus,
    AskTeardown, AskValidate, AskWaitReady, FromExtension, FromHost, LONGEST_LINE, Lines, RpcError, RpcErrorCode,
    Surroundings, answer_line, cancel_line, checkpoint_line, error_line, log_line, progress_line, request_line,
};
use sandboxer_types::{ErrorKind, Failure, Residue, Retry};
use serde_json::{Value, json};

/// A vector that grows may hold twice what is in it, and both while it moves.
const GROWTH: usize = 3;
const SLACK: usize = 64;

fuzz_target!(|bytes: &[u8]| {
    let mut input = Input::new(bytes);
    let (size, longest) = (input.byte(), input.choose(&[LONGEST_LINE, 4096, 512, 64, 8, 1]));
    let pieces = input.pieces(size);
    let largest = pieces.iter().map(|piece| piece.len()).max().unwrap_or(0);
    let (memory, ()) = peak_of(|| come_in_pieces(&pieces, input.rest(), longest));
    assert!(memory <= GROWTH * (largest + longest) + SLACK, "{memory} bytes were held");
    for line in input.rest().split(|byte| *byte == b'\n') {
        extension_says(line);
        host_says(line);
    }
});

/// Compared as they come, so that nothing else holds memory.
fn come_in_pieces(pieces: &[&[u8]], mut plain: &[u8], longest: usize) {
    let mut lines = Lines::new(longest);
    for piece in pieces {
        lines.push(piece);
        loop {
            let end = plain.iter().position(|byte| *byte == b'\n');
            let is_too_long = end.unwrap_or(plain.len()) >= longest;
            match lines.next_line() {
                Ok(Some(line)) => {
                    let end = end.expect("a line that has no end was given out");
                    assert!(!is_too_long, "a line that is too long was given out");
                    assert!(line == plain[..end].strip_suffix(b"\r").unwrap_or(&plain[..end]), "another line came");
                    plain = &plain[end + 1..];
                }
                Ok(None) => break,
                Err(_) => {
                    assert!(is_too_long, "a line of {end:?} bytes was refused");
                    return;
                }
            }
        }
    }
    assert!(!plain.contains(&b'\n'), "a whole line was kept back");
    assert!(plain.len() < longest, "a line that is too long was kept");
    assert!(lines.rest() == plain, "something else was left");
}

fn extension_says(line: &[u8]) {
    let Ok(heard) = FromExtension::hear(line) else { return };
    let written = match heard.clone() {
        FromExtension::Answer(AnswerMessage { id, outcome: Ok(result) }) => {
            answers(&result);
            answer_line(&json!(id), &result)
        }
        FromExtension::Answer(AnswerMessage { id, outcome: Err(error) }) => {
            fails(line, &error);
            error_line(&json!(id), &error)
        }
        FromExtension::Progress(said) => {
            let (phase, message) = (said.phase, said.message);
            progress_line(&said.call, Progress { phase, message, current: said.current, total: said.total })
        }
        FromExtension::Log(said) => log_line(&said.call, said.level, said.message),
        FromExtension::Checkpoint(said) => checkpoint_line(&said.call, said.draft),
    };
    let again = FromExtension::hear(end_taken_off(&written.expect("it can be written")));
    assert_eq!(again.as_ref(), Ok(&heard), "it is heard otherwise when it is written back");
}

fn host_says(line: &[u8]) {
    match FromHost::hear(line) {
        Ok(FromHost::Request(request)) => asks(&request.params),
        Ok(FromHost::Cancel(cancel)) => {
            let written = cancel_line(&cancel.call).expect("it can be written");
            assert_eq!(FromHost::hear(end_taken_off(&written)), Ok(FromHost::Cancel(cancel)));
        }
        Ok(FromHost::Unknown) => {}
        Err(unheard) => {
            let error = RpcError { code: unheard.code.0, message: unheard.message, data: None };
            let written = error_line(&unheard.id, &error).expect("it can be written");
            let is_ours = matches!(unheard.id, Value::String(_) | Value::Null);
            let heard = FromExtension::hear(end_taken_off(&written));
            assert!(heard.is_ok() || !is_ours, "the host cannot hear what was wrong: {heard:?}");
        }
    }
}

/// The line, which is one line.
fn end_taken_off(written: &str) -> &[u8] {
    let line = written.strip_suffix('\n').expect("a line has an end");
    assert!(!line.contains('\n'), "it is more than one line");
    line.as_bytes()
}

macro_rules! of_every_verb {
    ($check:ident($argument:expr)) => {
        of_every_verb!(
            $check($argument)
            AskDescribe AskValidate AskProvision AskWaitReady AskTeardown AskRecover AskList AskStatus AskEstimateCost
            AskPrices AskExtend AskPause AskResume AskSnapshot AskRestore AskFork AskListSnapshots AskDeleteSnapshot
            AskConnect
        )
    };
    ($check:ident($argument:expr) $($ask:ident)+) => { $( $check::<$ask>($argument); )+ };
}

/// A result may come in answer to anything.
fn answers(result: &Value) {
    of_every_verb!(answer(result));
}

fn answer<A: Ask>(result: &Value) {
    let Ok(parsed) = serde_json::from_value::<A::Answer>(result.clone()) else { return };
    let written = answer_line(&json!("1"), &parsed).expect("it can be written");
    let Ok(FromExtension::Answer(AnswerMessage { outcome: Ok(again), .. })) =
        FromExtension::hear(end_taken_off(&written))
    else {
        panic!("an answer to `{}` is not heard again: {written}", A::METHOD);
    };
    let reparsed = serde_json::from_value::<A::Answer>(again).expect("it was written by us");
    assert_eq!(answer_line(&json!("1"), &reparsed).expect("it can be written"), written);
}

/// The params of a request may be those of anything.
fn asks(params: &Value) {
    let Ok(surroundings) = serde_json::from_value::<Surroundings>(params.clone()) else { return };
    of_every_verb!(ask((&surroundings, params)));
}

fn ask<A: Ask>((surroundings, params): (&Surroundings, &Value)) {
    let Ok(parsed) = serde_json::from_value::<A>(params.clone()) else { return };
    let written = request_line(surroundings, &parsed).expect("it can be written");
    let Ok(FromHost::Request(again)) = FromHost::hear(end_taken_off(&written)) else {
        panic!("`{}` is not heard again: {written}", A::METHOD);
    };
    assert_eq!((again.method.parse(), &again.id), (Ok(A::METHOD), &json!(surroundings.meta.call)));
    let reparsed = serde_json::from_value::<A>(again.params.clone()).expect("it was written by us");
    let around = serde_json::from_value::<Surroundings>(again.params).expect("it was written by us");
    assert_eq!(&around, surroundings, "it is asked in other surroundings");
    assert_eq!(request_line(&around, &reparsed).expect("it can be written"), written);
}

/// What an error does not state counts as the worst case, by a second reading of the line.
fn fails(line: &[u8], error: &RpcError) {
    let failure = Failure::from(error.clone());
    let message: Value = serde_json::from_slice(line).expect("it was heard");
    let stated = |member: &str| message["error"]["data"][member].as_str().map(str::to_owned);
    let is_ours = error.code == RpcErrorCode::DOMAIN.0;
    let expected = match RpcErrorCode(error.code) {
        RpcErrorCode::DOMAIN => stated("residue").unwrap_or_else(|| "unknown".to_owned()),
        RpcErrorCode::METHOD_NOT_FOUND => "none".to_owned(),
        _ => "unknown".to_owned(),
    };
    assert_eq!(failure.residue.as_str(), expected, "{failure:?}");
    assert!(!is_ours || stated("retry").is_some() || failure.retry == Retry::Never, "{failure:?}");
    assert!(!is_ours || stated("kind").is_some() || failure.kind == ErrorKind::Internal, "{failure:?}");
    let told_on = RpcError::from(failure.clone());
    assert_eq!(Failure::from(told_on.clone()), failure, "it means something else when it is told on");
    let mut silent = told_on;
    silent.data = silent.data.map(|data| sandboxer_sdk::wire::FailureData { residue: None, ..data });
    assert_eq!(Failure::from(silent).residue, Residue::Unknown);
}
