//! Messages and their lines.

use super::ask::{Ask, Surroundings};
use super::error::{RpcError, RpcErrorCode};
use crate::{LogLevel, Progress};
use sandboxer_types::Object;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// What a host sends.
#[derive(Debug, Clone, PartialEq)]
pub enum FromHost {
    /// A request, to be answered under its `id`.
    Request(RequestMessage),
    /// A call should end early.
    Cancel(CancelMessage),
    /// A notification that this version does not know; passed over.
    Unknown,
}

/// A request as it came.
#[derive(Debug, Clone, PartialEq)]
pub struct RequestMessage {
    /// What the answer must bear.
    pub id: Value,
    /// The method's name.
    pub method: String,
    /// All members.
    pub params: Value,
}

/// A line that cannot be heard as a request: answered with a code, under the id if there was one.
#[derive(Debug, Clone, PartialEq)]
pub struct Unheard {
    /// The id to answer under; null when there was none.
    pub id: Value,
    /// The code to answer with.
    pub code: RpcErrorCode,
    /// Why.
    pub message: String,
}

/// A call should end early, and still be answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CancelMessage {
    /// Which call.
    pub call: String,
}

/// What an extension sends.
#[derive(Debug, Clone, PartialEq)]
pub enum FromExtension {
    /// The answer to a request.
    Answer(AnswerMessage),
    /// How far a call has come.
    Progress(ProgressMessage),
    /// A line for the log.
    Log(LogMessage),
    /// What the backend has given so far.
    Checkpoint(CheckpointMessage),
}

/// An answer.
#[derive(Debug, Clone, PartialEq)]
pub struct AnswerMessage {
    /// The request's id; `None` for null.
    pub id: Option<String>,
    /// What came of it.
    pub outcome: Result<Value, RpcError>,
}

/// How far a call has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ProgressMessage {
    /// Which call.
    pub call: String,
    /// The phase, in a word.
    pub phase: String,
    /// What is going on, in a sentence.
    #[serde(default)]
    pub message: String,
    /// How much of it is done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current: Option<u64>,
    /// Of how much.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<u64>,
}

/// A line for the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LogMessage {
    /// Which call.
    pub call: String,
    /// How much it matters.
    #[serde(default = "info")]
    pub level: LogLevel,
    /// The line.
    pub message: String,
}

fn info() -> LogLevel {
    LogLevel::Info
}

/// What the backend has given so far.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CheckpointMessage {
    /// Which call.
    pub call: String,
    /// Ids of the backend's, and what else a later attempt needs.
    pub draft: Object,
}

/// A line of an extension's that is no message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Noise {
    /// It was not meant as one: something printed it.
    #[error("not a message")]
    Printed,
    /// It was meant as one and is wrong.
    #[error("{0}")]
    Broken(String),
}

impl FromHost {
    /// Hears a line.
    pub fn hear(line: &[u8]) -> Result<Self, Unheard> {
        let unheard = |id: &Value, code, message: &str| Unheard { id: id.clone(), code, message: message.to_owned() };
        let mut message = match serde_json::from_slice(line) {
            Ok(Value::Object(message)) => message,
            Ok(_) => return Err(unheard(&Value::Null, RpcErrorCode::INVALID_REQUEST, "a request is an object")),
            Err(error) => return Err(unheard(&Value::Null, RpcErrorCode::PARSE, &error.to_string())),
        };
        let id = message.remove("id");
        let shown = id.clone().unwrap_or_default();
        if message.get("jsonrpc") != Some(&json!("2.0")) {
            return Err(unheard(&shown, RpcErrorCode::INVALID_REQUEST, "`jsonrpc` is not \"2.0\""));
        }
        let Some(Value::String(method)) = message.remove("method") else {
            return Err(unheard(&shown, RpcErrorCode::INVALID_REQUEST, "`method` is not a text"));
        };
        let params = message.remove("params").unwrap_or_default();
        match id {
            Some(id) => Ok(Self::Request(RequestMessage { id, method, params })),
            None if method == "cancel" => Ok(serde_json::from_value(params).map_or(Self::Unknown, Self::Cancel)),
            None => Ok(Self::Unknown),
        }
    }
}

impl FromExtension {
    /// Hears a line.
    pub fn hear(line: &[u8]) -> Result<Self, Noise> {
        let mut message = match serde_json::from_slice(line) {
            Ok(Value::Object(message)) => message,
            Err(error) if is_meant_as_message(line) => return Err(Noise::Broken(format!("it is no JSON: {error}"))),
            Ok(_) | Err(_) => return Err(Noise::Printed),
        };
        match message.get("jsonrpc") {
            Some(Value::String(version)) if version == "2.0" => {}
            Some(_) => return Err(Noise::Broken("`jsonrpc` is not \"2.0\"".to_owned())),
            None => return Err(Noise::Printed),
        }
        match message.remove("method") {
            Some(Value::String(method)) => Self::notification(&method, message),
            Some(_) => Err(Noise::Broken("`method` is not a text".to_owned())),
            None => Self::answer(message),
        }
    }

    fn notification(method: &str, mut message: Map<String, Value>) -> Result<Self, Noise> {
        if message.contains_key("id") {
            return Err(Noise::Broken(format!("it is a request, `{method}`; only the host sends requests")));
        }
        let params = message.remove("params").unwrap_or_default();
        let broken = |error: serde_json::Error| Noise::Broken(format!("the notification `{method}`: {error}"));
        match method {
            "progress" => serde_json::from_value(params).map(Self::Progress).map_err(broken),
            "log" => serde_json::from_value(params).map(Self::Log).map_err(broken),
            "checkpoint" => serde_json::from_value(params).map(Self::Checkpoint).map_err(broken),
            _ => Err(Noise::Broken(format!("there is no notification `{method}`"))),
        }
    }

    fn answer(mut message: Map<String, Value>) -> Result<Self, Noise> {
        let id = match message.remove("id") {
            Some(Value::String(id)) => Some(id),
            Some(Value::Null) => None,
            Some(_) => return Err(Noise::Broken("`id` is not the text that the request had".to_owned())),
            None => return Err(Noise::Broken("it has neither `method` nor `id`".to_owned())),
        };
        let outcome = match (message.remove("result"), message.remove("error")) {
            (Some(result), None) => Ok(result),
            (None, Some(error)) => Err(serde_json::from_value(error)
                .map_err(|error| Noise::Broken(format!("the `error` of an answer: {error}")))?),
            (None, None) => return Err(Noise::Broken("an answer has neither `result` nor `error`".to_owned())),
            (Some(_), Some(_)) => return Err(Noise::Broken("an answer has both `result` and `error`".to_owned())),
        };
        Ok(Self::Answer(AnswerMessage { id, outcome }))
    }
}

/// Whether what is no JSON was to be a message: nobody waits for the answer that it may have been.
fn is_meant_as_message(line: &[u8]) -> bool {
    let name = br#""jsonrpc""#;
    line.trim_ascii_start().starts_with(b"{") && line.windows(name.len()).any(|part| part == name)
}

/// The line of a request.
pub fn request_line<A: Ask>(surroundings: &Surroundings, ask: &A) -> serde_json::Result<String> {
    let mut params = members(surroundings)?;
    params.append(&mut members(ask)?);
    let id = &surroundings.meta.call;
    line(&json!({"jsonrpc": "2.0", "id": id, "method": A::METHOD.as_str(), "params": params}))
}

/// The line that lets a call end early.
pub fn cancel_line(call: &str) -> serde_json::Result<String> {
    line(&json!({"jsonrpc": "2.0", "method": "cancel", "params": {"call": call}}))
}

/// The line of an answer.
pub fn answer_line(id: &Value, result: &impl Serialize) -> serde_json::Result<String> {
    line(&json!({"jsonrpc": "2.0", "id": id, "result": serde_json::to_value(result)?}))
}

/// The line of an error.
pub fn error_line(id: &Value, error: &RpcError) -> serde_json::Result<String> {
    line(&json!({"jsonrpc": "2.0", "id": id, "error": serde_json::to_value(error)?}))
}

/// The line that tells how far a call has come.
pub fn progress_line(call: &str, progress: Progress) -> serde_json::Result<String> {
    let Progress { phase, message, current, total } = progress;
    notification_line("progress", &ProgressMessage { call: call.to_owned(), phase, message, current, total })
}

/// The line that carries one for the log.
pub fn log_line(call: &str, level: LogLevel, message: String) -> serde_json::Result<String> {
    notification_line("log", &LogMessage { call: call.to_owned(), level, message })
}

/// The line that keeps what the backend has given so far.
pub fn checkpoint_line(call: &str, draft: Object) -> serde_json::Result<String> {
    notification_line("checkpoint", &CheckpointMessage { call: call.to_owned(), draft })
}

fn notification_line(method: &str, params: &impl Serialize) -> serde_json::Result<String> {
    line(&json!({"jsonrpc": "2.0", "method": method, "params": serde_json::to_value(params)?}))
}

fn members(value: &impl Serialize) -> serde_json::Result<Map<String, Value>> {
    match serde_json::to_value(value)? {
        Value::Object(members) => Ok(members),
        other => Err(serde::ser::Error::custom(format!("{other} has no members"))),
    }
}

fn line(message: &Value) -> serde_json::Result<String> {
    let mut line = serde_json::to_string(message)?;
    line.push('\n');
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_printed_is_told_from_what_is_broken() {
        for text in ["", "hello", "[1]", "{}", r#"{"id":"1","result":{}}"#, "{\"jsonrpc", "{ not \"json\""] {
            assert_eq!(FromExtension::hear(text.as_bytes()), Err(Noise::Printed), "{text}");
        }
        for text in [
            r#"{"jsonrpc":"1.0","id":"1","result":{}}"#,
            r#"{"jsonrpc":"2.0","id":"1","result":{"x":NaN}}"#,
            "{\"jsonrpc\":\"2.0\",\"id\":\"1\",\"result\":{\"x\":\"\0\"}}",
            r#" {"jsonrpc":"2.0","id":"1""#,
            r#"{"jsonrpc":"2.0"}"#,
            r#"{"jsonrpc":"2.0","id":"1"}"#,
            r#"{"jsonrpc":"2.0","id":1,"result":{}}"#,
            r#"{"jsonrpc":"2.0","id":"1","result":{},"error":{"code":1,"message":""}}"#,
            r#"{"jsonrpc":"2.0","id":"1","error":{}}"#,
            r#"{"jsonrpc":"2.0","method":"progress","params":{}}"#,
            r#"{"jsonrpc":"2.0","method":"else","params":{}}"#,
            r#"{"jsonrpc":"2.0","id":"1","method":"provision"}"#,
        ] {
            assert!(matches!(FromExtension::hear(text.as_bytes()), Err(Noise::Broken(_))), "{text}");
        }
    }

    #[test]
    fn a_request_is_heard_or_refused_under_its_id() {
        let heard = FromHost::hear(br#"{"jsonrpc":"2.0","id":"1","method":"describe","params":{}}"#);
        assert!(matches!(heard, Ok(FromHost::Request(request)) if request.method == "describe"));
        let cancel = FromHost::hear(br#"{"jsonrpc":"2.0","method":"cancel","params":{"call":"1"}}"#);
        assert_eq!(cancel, Ok(FromHost::Cancel(CancelMessage { call: "1".to_owned() })));
        let refused = FromHost::hear(br#"{"jsonrpc":"2.0","id":7}"#).expect_err("no method");
        assert_eq!((refused.id, refused.code), (json!(7), RpcErrorCode::INVALID_REQUEST));
        let refused = FromHost::hear(b"nonsense").expect_err("no JSON");
        assert_eq!((refused.id, refused.code), (Value::Null, RpcErrorCode::PARSE));
    }
}
