//! Each verb: its question, the method of the trait, its answer.

use super::dispatch::{Asked, offered};
use crate::wire::{
    AskConnect, AskDeleteSnapshot, AskEstimateCost, AskExtend, AskFork, AskList, AskListSnapshots, AskPause, AskPrices,
    AskProvision, AskRecover, AskRestore, AskResume, AskSnapshot, AskStatus, AskTeardown, AskValidate, AskWaitReady,
    Done, Estimated, Expiring, Found, Made, Method, Page, Priced, Reached, Removed, RpcError, SnapshotsPage,
    Snapshotted, Validated, time_span,
};
use crate::{Provision, SandboxExtension, Teardown};
use jiff::Timestamp;
use sandboxer_types::SandboxId;
use serde_json::Value;

/// How many entries a page of a list has.
const PAGE: usize = 1000;

impl Asked {
    pub(super) async fn validate(&self, extension: &dyn SandboxExtension, params: &Value) -> Result<Value, RpcError> {
        let verb = offered(extension.validate(), Method::Validate)?;
        let call = &self.call;
        self.with(params, async |ask: AskValidate| {
            let request = not_yet(call.sandbox_id.clone(), ask);
            verb.validate(call, &request).await.map(|inputs| Validated { inputs })
        })
        .await
    }

    pub(super) async fn provision(&self, extension: &dyn SandboxExtension, params: &Value) -> Result<Value, RpcError> {
        let call = &self.call;
        self.with(params, async |ask: AskProvision| {
            let request = ask.into_request(call.sandbox_id.clone());
            extension.provision(call, &request).await.map(|handle| Made { handle })
        })
        .await
    }

    pub(super) async fn wait_ready(&self, extension: &dyn SandboxExtension, params: &Value) -> Result<Value, RpcError> {
        let call = &self.call;
        self.with(params, async |ask: AskWaitReady| {
            extension.wait_ready(call, &ask.handle).await.map(|reachability| Reached { reachability })
        })
        .await
    }

    pub(super) async fn teardown(&self, extension: &dyn SandboxExtension, params: &Value) -> Result<Value, RpcError> {
        let call = &self.call;
        self.with(params, async |AskTeardown { host, handle, reason }: AskTeardown| {
            let request = Teardown { sandbox_id: call.sandbox_id.clone(), host, handle, reason };
            extension.teardown(call, &request).await.map(|report| Removed { report })
        })
        .await
    }

    pub(super) async fn recover(&self, extension: &dyn SandboxExtension, params: &Value) -> Result<Value, RpcError> {
        let verb = offered(extension.recover(), Method::Recover)?;
        let call = &self.call;
        self.with(params, async |ask: AskRecover| {
            verb.recover(call, &ask.host, ask.draft.as_ref()).await.map(Found::from)
        })
        .await
    }

    pub(super) async fn list(&self, extension: &dyn SandboxExtension, params: &Value) -> Result<Value, RpcError> {
        let verb = offered(extension.list(), Method::List)?;
        let call = &self.call;
        self.with(params, async |ask: AskList| {
            let all = verb.list(call, &ask.host).await?;
            let (sandboxes, next) = page(all, ask.page.as_deref(), |one| one.sandbox_id.as_str());
            Ok(Page { sandboxes, next })
        })
        .await
    }

    pub(super) async fn status(&self, extension: &dyn SandboxExtension, params: &Value) -> Result<Value, RpcError> {
        let verb = offered(extension.status(), Method::Status)?;
        let call = &self.call;
        self.with(params, async |ask: AskStatus| verb.status(call, &ask.handle).await).await
    }

    pub(super) async fn estimate_cost(
        &self,
        extension: &dyn SandboxExtension,
        params: &Value,
    ) -> Result<Value, RpcError> {
        let verb = offered(extension.estimate_cost(), Method::EstimateCost)?;
        let call = &self.call;
        self.with(params, async |ask: AskEstimateCost| {
            let duration = time_span(ask.duration_ms);
            let quote = verb.estimate_cost(call, &ask.host, &ask.profile, &ask.inputs, duration).await?;
            Ok(Estimated { quote })
        })
        .await
    }

    pub(super) async fn prices(&self, extension: &dyn SandboxExtension, params: &Value) -> Result<Value, RpcError> {
        let verb = offered(extension.prices(), Method::Prices)?;
        let call = &self.call;
        self.with(params, async |_: AskPrices| verb.prices(call).await.map(|prices| Priced { prices })).await
    }

    pub(super) async fn extend(&self, extension: &dyn SandboxExtension, params: &Value) -> Result<Value, RpcError> {
        let verb = offered(extension.extend(), Method::Extend)?;
        let call = &self.call;
        self.with(params, async |ask: AskExtend| {
            let expires_at = verb.extend(call, &ask.handle, time_span(ask.ttl_ms)).await?;
            Ok(Expiring { expires_at })
        })
        .await
    }

    pub(super) async fn pause(&self, extension: &dyn SandboxExtension, params: &Value) -> Result<Value, RpcError> {
        let verb = offered(extension.pause(), Method::Pause)?;
        let call = &self.call;
        self.with(params, async |ask: AskPause| verb.pause(call, &ask.handle).await.map(|()| Done {})).await
    }

    pub(super) async fn resume(&self, extension: &dyn SandboxExtension, params: &Value) -> Result<Value, RpcError> {
        let verb = offered(extension.pause(), Method::Resume)?;
        let call = &self.call;
        self.with(params, async |ask: AskResume| {
            verb.resume(call, &ask.handle).await.map(|reachability| Reached { reachability })
        })
        .await
    }

    pub(super) async fn snapshot(&self, extension: &dyn SandboxExtension, params: &Value) -> Result<Value, RpcError> {
        let verb = offered(extension.snapshots(), Method::Snapshot)?;
        let call = &self.call;
        self.with(params, async |ask: AskSnapshot| {
            let snapshot = verb.snapshot(call, &ask.handle, &ask.snapshot_id, ask.kind).await?;
            Ok(Snapshotted { snapshot })
        })
        .await
    }

    pub(super) async fn restore(&self, extension: &dyn SandboxExtension, params: &Value) -> Result<Value, RpcError> {
        let verb = offered(extension.snapshots(), Method::Restore)?;
        let call = &self.call;
        self.with(params, async |ask: AskRestore| {
            let (snapshot_id, request) = ask.into_request(call.sandbox_id.clone());
            verb.restore(call, &snapshot_id, &request).await.map(|handle| Made { handle })
        })
        .await
    }

    pub(super) async fn fork(&self, extension: &dyn SandboxExtension, params: &Value) -> Result<Value, RpcError> {
        let verb = offered(extension.fork(), Method::Fork)?;
        let call = &self.call;
        self.with(params, async |ask: AskFork| {
            let (source, request) = ask.into_request(call.sandbox_id.clone());
            verb.fork(call, &source, &request).await.map(|handle| Made { handle })
        })
        .await
    }

    pub(super) async fn list_snapshots(
        &self,
        extension: &dyn SandboxExtension,
        params: &Value,
    ) -> Result<Value, RpcError> {
        let verb = offered(extension.snapshots(), Method::ListSnapshots)?;
        let call = &self.call;
        self.with(params, async |ask: AskListSnapshots| {
            let all = verb.list_snapshots(call, &ask.host).await?;
            let (snapshots, next) = page(all, ask.page.as_deref(), |one| one.snapshot_id.as_str());
            Ok(SnapshotsPage { snapshots, next })
        })
        .await
    }

    pub(super) async fn delete_snapshot(
        &self,
        extension: &dyn SandboxExtension,
        params: &Value,
    ) -> Result<Value, RpcError> {
        let verb = offered(extension.snapshots(), Method::DeleteSnapshot)?;
        let call = &self.call;
        self.with(params, async |ask: AskDeleteSnapshot| {
            let report = verb.delete_snapshot(call, &ask.host, &ask.snapshot_id).await?;
            Ok(Removed { report })
        })
        .await
    }

    pub(super) async fn connect(&self, extension: &dyn SandboxExtension, params: &Value) -> Result<Value, RpcError> {
        let verb = offered(extension.connect(), Method::Connect)?;
        let call = &self.call;
        self.with(params, async |ask: AskConnect| verb.connect(call, &ask.handle).await).await
    }
}

/// What `provision` would be asked, as far as `validate` tells it.
fn not_yet(sandbox_id: SandboxId, AskValidate { host, profile, inputs }: AskValidate) -> Provision {
    let ttl = profile.ttl.default;
    Provision { sandbox_id, host, profile, inputs, expires_at: Timestamp::UNIX_EPOCH, ttl, tether: None, draft: None }
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
