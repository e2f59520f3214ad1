//! L1: the manifest, and how the extension speaks. Nothing is made.

pub(super) mod answers_first_in_a_fresh_process;
pub(super) mod describe_is_pure;
pub(super) mod ends_with_its_input;
pub(super) mod long_lines_are_read;
pub(super) mod manifest_is_sound;
pub(super) mod only_messages_on_stdout;
pub(super) mod other_protocols_are_refused;
pub(super) mod texts_come_back_as_they_went;
pub(super) mod unknown_members_are_passed_over;
pub(super) mod unknown_methods_are_refused;
pub(super) mod what_is_no_request_is_refused;
pub(super) mod wrong_inputs_are_named;

use crate::bench::Bench;
use crate::check::Stop;
use crate::conversation::{Conversation, Request, converse};
use sandboxer_sdk::wire::{AskDescribe, RpcError};
use serde_json::{Value, json};
use std::time::Duration;

/// How long an answer that takes no work may take: a first start may compile something.
const LIMIT: Duration = Duration::from_secs(30);

/// A `describe` as it is sent, to be changed.
fn describe_message(bench: &Bench) -> Result<Value, Stop> {
    let request = bench.request(&bench.nobody(), &AskDescribe {})?;
    serde_json::from_slice(&request.line).map_err(|error| Stop::failed(error.to_string()))
}

/// A message as a request, under the id that it has.
fn request(message: &Value) -> Request {
    let call = message["id"].as_str().unwrap_or_default().to_owned();
    Request { call, line: message.to_string().into_bytes(), limit: LIMIT, hold: None }
}

/// Sends a message to a fresh process and waits for the answer under its id.
async fn send(bench: &Bench, message: &Value) -> Result<Result<Value, RpcError>, Stop> {
    let mut peer = bench.peer()?;
    let conversation: Conversation = converse(&mut peer, &request(message), None, LIMIT).await?;
    peer.kill().await?;
    conversation.answer(message["method"].as_str().unwrap_or_default())
}

/// Sends a `describe` with these members changed, and returns its result.
async fn described(bench: &Bench, change: impl FnOnce(&mut Value)) -> Result<Value, Stop> {
    let mut message = describe_message(bench)?;
    change(&mut message);
    let answer = send(bench, &message).await?;
    answer.map_err(|error| Stop::failed(format!("`describe` failed: {} ({})", error.message, error.code)))
}

/// The same without any change.
async fn plainly_described(bench: &Bench) -> Result<Value, Stop> {
    described(bench, |message| message["jsonrpc"] = json!("2.0")).await
}
