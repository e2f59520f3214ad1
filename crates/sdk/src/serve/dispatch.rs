//! From a request to a method of the trait, and from what it returns to an answer.

use super::sink::WireSink;
use crate::wire::{
    Ask, AskDescribe, Described, LONGEST_LINE, Method, PROTOCOL, RpcError, RpcErrorCode, Surroundings, answer_line,
    error_line,
};
use crate::{Call, Ids, SandboxExtension, SystemIds, SystemRunner};
use sandboxer_types::{ErrorKind, Failure, Residue, SandboxId, Verb};
use serde::Serialize;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// The line that answers a request.
pub(super) async fn answer(
    extension: &dyn SandboxExtension,
    id: &Value,
    method: &str,
    params: &Value,
    sink: WireSink,
    cancel: CancellationToken,
) -> serde_json::Result<String> {
    let answered = match prepare(method, params, sink, cancel) {
        Ok((method, asked)) => asked.answer(extension, method, params).await,
        Err(error) => Err(error),
    };
    let too_long = |length| {
        let message = format!("an answer takes {length} bytes; at most {LONGEST_LINE} are sent");
        RpcError::from(Failure::new(ErrorKind::Internal, message))
    };
    match answered {
        Ok(result) => match answer_line(id, &result)? {
            line if line.len() > LONGEST_LINE => error_line(id, &too_long(line.len())),
            line => Ok(line),
        },
        Err(error) => error_line(id, &error),
    }
}

fn prepare(
    method: &str,
    params: &Value,
    sink: WireSink,
    cancel: CancellationToken,
) -> Result<(Method, Asked), RpcError> {
    let surroundings: Surroundings = read(params)?;
    if surroundings.meta.protocol != PROTOCOL {
        return Err(other_protocol(surroundings.meta.protocol));
    }
    let method = method.parse().map_err(|_| no_such_method(method))?;
    Ok((method, Asked::new(surroundings, sink, cancel)))
}

fn read<T: serde::de::DeserializeOwned>(params: &Value) -> Result<T, RpcError> {
    // The members that the type does not name are passed over.
    serde::Deserialize::deserialize(params)
        .map_err(|error: serde_json::Error| rpc(RpcErrorCode::INVALID_PARAMS, error.to_string()))
}

fn rpc(code: RpcErrorCode, message: String) -> RpcError {
    RpcError { code: code.0, message, data: None }
}

fn no_such_method(method: &str) -> RpcError {
    let shown: String = method.chars().take(60).flat_map(char::escape_debug).collect();
    rpc(RpcErrorCode::METHOD_NOT_FOUND, format!("this extension has no `{shown}`"))
}

fn other_protocol(asked: u32) -> RpcError {
    let mut failure = Failure::new(ErrorKind::Unsupported, format!("protocol {asked} is not spoken here"))
        .with_residue(Residue::None);
    failure.details.insert("protocols".to_owned(), json!([PROTOCOL]));
    failure.into()
}

/// One request on its way through the extension.
pub(super) struct Asked {
    pub(super) call: Call,
    extension: String,
}

impl Asked {
    fn new(surroundings: Surroundings, sink: WireSink, cancel: CancellationToken) -> Self {
        let Surroundings { meta, sandbox_id, intent, config, secrets, labels } = surroundings;
        // A verb about no sandbox reads no id.
        let sandbox_id = sandbox_id.unwrap_or_else(|| SandboxId::from_ulid(SystemIds.fresh()));
        let call = Call {
            sandbox_id,
            intent,
            owner: meta.owner,
            ssh: meta.ssh,
            attempt: meta.attempt,
            deadline: Instant::now() + Duration::from_millis(meta.deadline_ms.min(u64::from(u32::MAX))),
            cancel,
            secrets,
            labels,
            config,
            runner: Arc::new(SystemRunner::in_this_group()),
            sink: Arc::new(sink),
        };
        Self { call, extension: meta.ext.to_string() }
    }

    async fn answer(
        &self,
        extension: &dyn SandboxExtension,
        method: Method,
        params: &Value,
    ) -> Result<Value, RpcError> {
        match method {
            Method::Describe => self.with(params, async |_: AskDescribe| Ok(self.describe(extension))).await,
            Method::Validate => self.validate(extension, params).await,
            Method::Provision => self.provision(extension, params).await,
            Method::WaitReady => self.wait_ready(extension, params).await,
            Method::Teardown => self.teardown(extension, params).await,
            Method::Recover => self.recover(extension, params).await,
            Method::List => self.list(extension, params).await,
            Method::Status => self.status(extension, params).await,
            Method::EstimateCost => self.estimate_cost(extension, params).await,
            Method::Prices => self.prices(extension, params).await,
            Method::Extend => self.extend(extension, params).await,
            Method::Pause => self.pause(extension, params).await,
            Method::Resume => self.resume(extension, params).await,
            Method::Snapshot => self.snapshot(extension, params).await,
            Method::Restore => self.restore(extension, params).await,
            Method::Fork => self.fork(extension, params).await,
            Method::ListSnapshots => self.list_snapshots(extension, params).await,
            Method::DeleteSnapshot => self.delete_snapshot(extension, params).await,
            Method::Connect => self.connect(extension, params).await,
        }
    }

    /// Reads the question, has it answered, writes the answer.
    pub(super) async fn with<A: Ask, T: Serialize>(
        &self,
        params: &Value,
        work: impl AsyncFnOnce(A) -> Result<T, Failure>,
    ) -> Result<Value, RpcError> {
        let answer = work(read(params)?).await?;
        serde_json::to_value(answer).map_err(|error| {
            RpcError::from(Failure::new(ErrorKind::Internal, format!("an answer cannot be written as JSON: {error}")))
        })
    }

    fn describe(&self, extension: &dyn SandboxExtension) -> Described {
        Described {
            id: self.extension.clone(),
            version: extension.version().map(str::to_owned),
            protocols: vec![PROTOCOL],
            verbs: verbs(extension),
            features: Vec::new(),
            inputs_schema: None,
        }
    }
}

pub(super) fn offered<T: ?Sized>(verb: Option<&T>, method: Method) -> Result<&T, RpcError> {
    verb.ok_or_else(|| no_such_method(method.as_str()))
}

/// The optional verbs that an extension has.
pub(crate) fn verbs(extension: &dyn SandboxExtension) -> Vec<Verb> {
    let has = |verb: &Verb| match verb {
        Verb::Validate => extension.validate().is_some(),
        Verb::Recover => extension.recover().is_some(),
        Verb::List => extension.list().is_some(),
        Verb::Status => extension.status().is_some(),
        Verb::EstimateCost => extension.estimate_cost().is_some(),
        Verb::Prices => extension.prices().is_some(),
        Verb::Extend => extension.extend().is_some(),
        Verb::Pause | Verb::Resume => extension.pause().is_some(),
        Verb::Snapshot | Verb::Restore | Verb::ListSnapshots | Verb::DeleteSnapshot => extension.snapshots().is_some(),
        Verb::Fork => extension.fork().is_some(),
        Verb::Connect => extension.connect().is_some(),
    };
    Method::ALL.iter().filter_map(|method| method.verb()).filter(has).collect()
}
