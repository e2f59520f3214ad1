//! From a request to a method of the trait, and from what it returns to an answer.

use super::sink::WireSink;
use crate::wire::{
    Ask, AskConnect, AskDeleteSnapshot, AskDescribe, AskEstimateCost, AskExtend, AskFork, AskList, AskListSnapshots,
    AskPause, AskPrices, AskProvision, AskRecover, AskRestore, AskResume, AskSnapshot, AskStatus, AskTeardown,
    AskValidate, AskWaitReady, Described, Done, Estimated, Expiring, Found, LONGEST_LINE, Made, Method, PROTOCOL, Page,
    Priced, Reached, Removed, RpcError, RpcErrorCode, SnapshotsPage, Snapshotted, Surroundings, Validated, answer_line,
    error_line, time_span,
};
use crate::{Call, Ids, Provision, SandboxExtension, SystemIds, SystemRunner, Teardown};
use jiff::Timestamp;
use sandboxer_types::{ErrorKind, Failure, Residue, SandboxId, Verb};
use serde::Serialize;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How many entries a page of a list has.
const PAGE: usize = 1000;

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
struct Asked {
    call: Call,
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
            Method::Describe
            | Method::Provision
            | Method::WaitReady
            | Method::Teardown
            | Method::Validate
            | Method::Recover
            | Method::List
            | Method::Status => self.answer_about_life(extension, method, params).await,
            Method::EstimateCost
            | Method::Prices
            | Method::Extend
            | Method::Pause
            | Method::Resume
            | Method::Snapshot
            | Method::Restore
            | Method::Fork
            | Method::ListSnapshots
            | Method::DeleteSnapshot
            | Method::Connect => self.answer_about_more(extension, method, params).await,
        }
    }

    /// The verbs that the lives of all sandboxes consist of.
    async fn answer_about_life(
        &self,
        extension: &dyn SandboxExtension,
        method: Method,
        params: &Value,
    ) -> Result<Value, RpcError> {
        let call = &self.call;
        match method {
            Method::Describe => self.with(params, async |_: AskDescribe| Ok(self.describe(extension))).await,
            Method::Provision => {
                self.with(params, async |ask: AskProvision| {
                    let request = ask.into_request(call.sandbox_id.clone());
                    extension.provision(call, &request).await.map(|handle| Made { handle })
                })
                .await
            }
            Method::WaitReady => {
                self.with(params, async |ask: AskWaitReady| {
                    extension.wait_ready(call, &ask.handle).await.map(|reachability| Reached { reachability })
                })
                .await
            }
            Method::Teardown => {
                self.with(params, async |AskTeardown { host, handle, reason }: AskTeardown| {
                    let request = Teardown { sandbox_id: call.sandbox_id.clone(), host, handle, reason };
                    extension.teardown(call, &request).await.map(|report| Removed { report })
                })
                .await
            }
            Method::Validate => {
                let verb = offered(extension.validate(), method)?;
                self.with(params, async |ask: AskValidate| {
                    let request = not_yet(call.sandbox_id.clone(), ask);
                    verb.validate(call, &request).await.map(|inputs| Validated { inputs })
                })
                .await
            }
            Method::Recover => {
                let verb = offered(extension.recover(), method)?;
                self.with(params, async |ask: AskRecover| {
                    verb.recover(call, &ask.host, ask.draft.as_ref()).await.map(Found::from)
                })
                .await
            }
            Method::List => {
                let verb = offered(extension.list(), method)?;
                self.with(params, async |ask: AskList| {
                    let all = verb.list(call, &ask.host).await?;
                    let (sandboxes, next) = page(all, ask.page.as_deref(), |one| one.sandbox_id.as_str());
                    Ok(Page { sandboxes, next })
                })
                .await
            }
            Method::Status => {
                let verb = offered(extension.status(), method)?;
                self.with(params, async |ask: AskStatus| verb.status(call, &ask.handle).await).await
            }
            other => Err(no_such_method(other.as_str())),
        }
    }

    /// The verbs that few have.
    async fn answer_about_more(
        &self,
        extension: &dyn SandboxExtension,
        method: Method,
        params: &Value,
    ) -> Result<Value, RpcError> {
        let call = &self.call;
        match method {
            Method::EstimateCost => {
                let verb = offered(extension.estimate_cost(), method)?;
                self.with(params, async |ask: AskEstimateCost| {
                    let duration = time_span(ask.duration_ms);
                    verb.estimate_cost(call, &ask.host, &ask.profile, &ask.inputs, duration)
                        .await
                        .map(|quote| Estimated { quote })
                })
                .await
            }
            Method::Prices => {
                let verb = offered(extension.prices(), method)?;
                self.with(params, async |_: AskPrices| verb.prices(call).await.map(|prices| Priced { prices })).await
            }
            Method::Extend => {
                let verb = offered(extension.extend(), method)?;
                self.with(params, async |ask: AskExtend| {
                    let ttl = time_span(ask.ttl_ms);
                    verb.extend(call, &ask.handle, ttl).await.map(|expires_at| Expiring { expires_at })
                })
                .await
            }
            Method::Pause => {
                let verb = offered(extension.pause(), method)?;
                self.with(params, async |ask: AskPause| verb.pause(call, &ask.handle).await.map(|()| Done {})).await
            }
            Method::Resume => {
                let verb = offered(extension.pause(), method)?;
                self.with(params, async |ask: AskResume| {
                    verb.resume(call, &ask.handle).await.map(|reachability| Reached { reachability })
                })
                .await
            }
            Method::Connect => {
                let verb = offered(extension.connect(), method)?;
                self.with(params, async |ask: AskConnect| verb.connect(call, &ask.handle).await).await
            }
            other => self.answer_about_copies(extension, other, params).await,
        }
    }

    /// The verbs about snapshots and forks.
    async fn answer_about_copies(
        &self,
        extension: &dyn SandboxExtension,
        method: Method,
        params: &Value,
    ) -> Result<Value, RpcError> {
        let call = &self.call;
        let id = || call.sandbox_id.clone();
        if method == Method::Fork {
            let verb = offered(extension.fork(), method)?;
            let fork = async |ask: AskFork| {
                let (source, request) = ask.into_request(id());
                verb.fork(call, &source, &request).await.map(|handle| Made { handle })
            };
            return self.with(params, fork).await;
        }
        let verb = offered(extension.snapshots(), method)?;
        match method {
            Method::Snapshot => {
                self.with(params, async |ask: AskSnapshot| {
                    let kept = verb.snapshot(call, &ask.handle, &ask.snapshot_id, ask.kind).await;
                    kept.map(|snapshot| Snapshotted { snapshot })
                })
                .await
            }
            Method::Restore => {
                self.with(params, async |ask: AskRestore| {
                    let (snapshot_id, request) = ask.into_request(id());
                    verb.restore(call, &snapshot_id, &request).await.map(|handle| Made { handle })
                })
                .await
            }
            Method::ListSnapshots => {
                self.with(params, async |ask: AskListSnapshots| {
                    let all = verb.list_snapshots(call, &ask.host).await?;
                    let (snapshots, next) = page(all, ask.page.as_deref(), |one| one.snapshot_id.as_str());
                    Ok(SnapshotsPage { snapshots, next })
                })
                .await
            }
            Method::DeleteSnapshot => {
                self.with(params, async |ask: AskDeleteSnapshot| {
                    let removed = verb.delete_snapshot(call, &ask.host, &ask.snapshot_id).await;
                    removed.map(|report| Removed { report })
                })
                .await
            }
            other => Err(no_such_method(other.as_str())),
        }
    }

    /// Reads the question, has it answered, writes the answer.
    async fn with<A: Ask, T: Serialize>(
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

fn offered<T: ?Sized>(verb: Option<&T>, method: Method) -> Result<&T, RpcError> {
    verb.ok_or_else(|| no_such_method(method.as_str()))
}

/// What `provision` would be asked, as far as `validate` tells it.
fn not_yet(sandbox_id: SandboxId, AskValidate { host, profile, inputs }: AskValidate) -> Provision {
    let ttl = profile.ttl.default;
    Provision { sandbox_id, host, profile, inputs, expires_at: Timestamp::UNIX_EPOCH, ttl, tether: None, draft: None }
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

/// The entries after the one called `after`, in the order of their names, and where the next page begins.
fn page<T>(mut all: Vec<T>, after: Option<&str>, name: impl Fn(&T) -> &str) -> (Vec<T>, Option<String>) {
    all.sort_by(|one, other| name(one).cmp(name(other)));
    let start = after.map_or(0, |after| all.partition_point(|one| name(one) <= after));
    let mut entries = all.split_off(start);
    let next = entries.get(PAGE - 1).filter(|_| entries.len() > PAGE).map(|last| name(last).to_owned());
    entries.truncate(PAGE);
    (entries, next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_together_are_the_whole_list() {
        let all: Vec<String> = (0..2 * PAGE + 1).rev().map(|number| format!("{number:05}")).collect();
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let (entries, next) = page(all.clone(), after.as_deref(), |one| one.as_str());
            found.extend(entries);
            match next {
                Some(next) => after = Some(next),
                None => break,
            }
        }
        let mut expected = all;
        expected.sort();
        assert_eq!(found, expected);
    }
}
