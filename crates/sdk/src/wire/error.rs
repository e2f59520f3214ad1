//! Failures as JSON-RPC errors. What an error does not say counts as the worst case.

use sandboxer_types::{Blame, ErrorKind, Failure, FieldFault, Handle, Object, Residue, Retry};
use serde::{Deserialize, Serialize};

/// The codes of errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RpcErrorCode(pub i64);

impl RpcErrorCode {
    /// An error of the contract's own, with `data`.
    pub const DOMAIN: Self = Self(-32000);
    /// The line is no JSON.
    pub const PARSE: Self = Self(-32700);
    /// It is JSON and no request.
    pub const INVALID_REQUEST: Self = Self(-32600);
    /// There is no such method here.
    pub const METHOD_NOT_FOUND: Self = Self(-32601);
    /// The params have the wrong shape.
    pub const INVALID_PARAMS: Self = Self(-32602);
}

/// The `error` of a response.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RpcError {
    /// -32000 for an error of the contract; JSON-RPC's own otherwise.
    pub code: i64,
    /// What happened, in a sentence without a full stop.
    pub message: String,
    /// What follows from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<FailureData>,
}

/// The `data` of an error of the contract. What is absent counts as the worst case.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FailureData {
    /// What kind of thing went wrong; `internal` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<ErrorKind>,
    /// Whether to try again; `never` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<Retry>,
    /// What may exist; `unknown` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub residue: Option<Residue>,
    /// Whose doing it is; `extension` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blame: Option<Blame>,
    /// How long to wait before trying again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
    /// The members of the request that are wrong.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<FieldFault>,
    /// The next step to take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// What was made so far, when the kind is `partial`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handle: Option<Handle>,
    /// The causes, outermost first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<String>,
    /// Anything else.
    #[serde(default, skip_serializing_if = "Object::is_empty")]
    pub details: Object,
}

impl From<Failure> for RpcError {
    fn from(failure: Failure) -> Self {
        let data = FailureData {
            kind: Some(failure.kind),
            retry: Some(failure.retry),
            residue: Some(failure.residue),
            blame: Some(failure.blame),
            retry_after_ms: failure.retry_after_ms,
            fields: failure.fields,
            hint: failure.hint,
            handle: failure.handle,
            causes: failure.causes,
            details: failure.details,
        };
        Self { code: RpcErrorCode::DOMAIN.0, message: failure.message, data: Some(data) }
    }
}

impl From<RpcError> for Failure {
    fn from(error: RpcError) -> Self {
        match RpcErrorCode(error.code) {
            RpcErrorCode::DOMAIN => domain(error.message, error.data.unwrap_or_default()),
            // That there is no such method says that nothing was done.
            RpcErrorCode::METHOD_NOT_FOUND => {
                Self::new(ErrorKind::Unsupported, error.message).with_residue(Residue::None)
            }
            _ => Self::new(ErrorKind::ContractViolation, format!("JSON-RPC error {}: {}", error.code, error.message))
                .with_retry(Retry::Never),
        }
    }
}

fn domain(message: String, data: FailureData) -> Failure {
    let mut failure = Failure::new(data.kind.unwrap_or(ErrorKind::Internal), message)
        .with_residue(data.residue.unwrap_or(Residue::Unknown))
        .with_retry(data.retry.unwrap_or(Retry::Never))
        .with_blame(data.blame.unwrap_or(Blame::Extension));
    failure.retry_after_ms = data.retry_after_ms;
    failure.fields = data.fields;
    failure.hint = data.hint;
    failure.handle = data.handle;
    failure.causes = data.causes;
    failure.details = data.details;
    failure
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_comes_back_as_it_went() {
        let failure = Failure::new(ErrorKind::Exhausted, "full")
            .with_residue(Residue::None)
            .with_hint("wait")
            .with_field("inputs.size", "too large");
        let error = RpcError::from(failure.clone());
        let text = serde_json::to_string(&error).expect("serializes");
        assert_eq!(Failure::from(serde_json::from_str::<RpcError>(&text).expect("parses")), failure);
    }

    #[test]
    fn silence_is_the_worst_case() {
        for text in [r#"{"code":-32000,"message":"x"}"#, r#"{"code":-32000,"message":"x","data":{"kind":"busy"}}"#] {
            let failure = Failure::from(serde_json::from_str::<RpcError>(text).expect("parses"));
            assert_eq!(failure.residue, Residue::Unknown, "{text}");
            assert_eq!(failure.retry, Retry::Never, "{text}");
            assert_eq!(failure.blame, Blame::Extension, "{text}");
        }
        let other = Failure::from(RpcError { code: -32603, message: "x".to_owned(), data: None });
        assert_eq!((other.kind, other.residue), (ErrorKind::ContractViolation, Residue::Unknown));
    }
}
