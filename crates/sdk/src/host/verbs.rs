//! The optional verbs, asked of a program.

use super::breach::{Breach, Rule};
use super::hosted::HostedExtension;
use crate::wire::{
    AskConnect, AskDeleteSnapshot, AskEstimateCost, AskExtend, AskFork, AskList, AskListSnapshots, AskPause, AskPrices,
    AskRecover, AskRestore, AskResume, AskSnapshot, AskStatus, AskValidate, Done, Estimated, Expiring, Found, Made,
    Page, Priced, Reached, Removed, SnapshotsPage, Snapshotted, Validated, milliseconds,
};
use crate::{
    Call, Connect, Connection, EstimateCost, Extend, Fork, List, Listed, Pause, Prices, Provision, Recover, Recovered,
    Snapshots, StatusReport, StatusVerb, Validate,
};
use async_trait::async_trait;
use jiff::Timestamp;
use sandboxer_types::{
    CleanupReport, ExtensionId, Failure, Handle, HostId, MeterPrice, MeterQuote, Object, Profile, Reachability,
    Snapshot, SnapshotKind, TimeSpan,
};

#[async_trait]
impl Validate for HostedExtension {
    async fn validate(&self, call: &Call, request: &Provision) -> Result<Object, Failure> {
        let Provision { host, profile, inputs, .. } = request.clone();
        let Validated { inputs } = self.ask(call, AskValidate { host, profile, inputs }).await?;
        Ok(inputs)
    }
}

#[async_trait]
impl Recover for HostedExtension {
    async fn recover(&self, call: &Call, host: &HostId, draft: Option<&Object>) -> Result<Recovered, Failure> {
        let found: Found = self.ask(call, AskRecover { host: host.clone(), draft: draft.cloned() }).await?;
        match found.into() {
            Recovered::Present(handle) => self.check(handle, call, host).map(Recovered::Present),
            other => Ok(other),
        }
    }
}

/// So many pages of a list are read; an extension that has more goes round in circles.
const MOST_PAGES: usize = 1000;

#[async_trait]
impl List for HostedExtension {
    async fn list(&self, call: &Call, host: &HostId) -> Result<Vec<Listed>, Failure> {
        let (mut all, mut page) = (Vec::new(), None);
        for _ in 0..MOST_PAGES {
            let ask = AskList { host: host.clone(), owner: call.owner.clone(), page };
            let Page { sandboxes, next } = self.ask(call, ask).await?;
            all.extend(sandboxes);
            match next {
                Some(next) => page = Some(next),
                None => return Ok(all),
            }
        }
        Err(endless(&self.id))
    }
}

fn endless(extension: &ExtensionId) -> Failure {
    Breach::new(Rule::Message, format!("a list has more than {MOST_PAGES} pages")).failure(extension)
}

#[async_trait]
impl StatusVerb for HostedExtension {
    async fn status(&self, call: &Call, handle: &Handle) -> Result<StatusReport, Failure> {
        self.ask(call, AskStatus { handle: handle.clone() }).await
    }
}

#[async_trait]
impl Extend for HostedExtension {
    async fn extend(&self, call: &Call, handle: &Handle, ttl: TimeSpan) -> Result<Timestamp, Failure> {
        let ask = AskExtend { handle: handle.clone(), ttl_ms: milliseconds(ttl) };
        let Expiring { expires_at } = self.ask(call, ask).await?;
        Ok(expires_at)
    }
}

#[async_trait]
impl Pause for HostedExtension {
    async fn pause(&self, call: &Call, handle: &Handle) -> Result<(), Failure> {
        let Done {} = self.ask(call, AskPause { handle: handle.clone() }).await?;
        Ok(())
    }

    async fn resume(&self, call: &Call, handle: &Handle) -> Result<Reachability, Failure> {
        let Reached { reachability } = self.ask(call, AskResume { handle: handle.clone() }).await?;
        Ok(reachability)
    }
}

#[async_trait]
impl EstimateCost for HostedExtension {
    async fn estimate_cost(
        &self,
        call: &Call,
        host: &HostId,
        profile: &Profile,
        inputs: &Object,
        duration: TimeSpan,
    ) -> Result<MeterQuote, Failure> {
        let (host, profile, inputs) = (host.clone(), profile.clone(), inputs.clone());
        let ask = AskEstimateCost { host, profile, inputs, duration_ms: milliseconds(duration) };
        let Estimated { quote } = self.ask(call, ask).await?;
        Ok(quote)
    }
}

#[async_trait]
impl Prices for HostedExtension {
    async fn prices(&self, call: &Call) -> Result<Vec<MeterPrice>, Failure> {
        let Priced { prices } = self.ask(call, AskPrices {}).await?;
        Ok(prices)
    }
}

#[async_trait]
impl Snapshots for HostedExtension {
    async fn snapshot(
        &self,
        call: &Call,
        handle: &Handle,
        snapshot_id: &str,
        kind: SnapshotKind,
    ) -> Result<Snapshot, Failure> {
        let ask = AskSnapshot { handle: handle.clone(), snapshot_id: snapshot_id.to_owned(), kind };
        let Snapshotted { snapshot } = self.ask(call, ask).await?;
        if snapshot.snapshot_id == snapshot_id {
            return Ok(snapshot);
        }
        let what = format!("it kept the snapshot as `{}`, not as `{snapshot_id}`", snapshot.snapshot_id);
        Err(Breach::new(Rule::Identity, what).failure(&self.id))
    }

    async fn restore(&self, call: &Call, snapshot_id: &str, request: &Provision) -> Result<Handle, Failure> {
        let ask = AskRestore::of(snapshot_id.to_owned(), request);
        let Made { handle } = self.ask_again(call, ask, |ask, draft| ask.draft = Some(draft)).await?;
        self.check(handle, call, &request.host)
    }

    async fn list_snapshots(&self, call: &Call, host: &HostId) -> Result<Vec<Snapshot>, Failure> {
        let (mut all, mut page) = (Vec::new(), None);
        for _ in 0..MOST_PAGES {
            let ask = AskListSnapshots { host: host.clone(), owner: call.owner.clone(), page };
            let SnapshotsPage { snapshots, next } = self.ask(call, ask).await?;
            all.extend(snapshots);
            match next {
                Some(next) => page = Some(next),
                None => return Ok(all),
            }
        }
        Err(endless(&self.id))
    }

    async fn delete_snapshot(&self, call: &Call, host: &HostId, snapshot_id: &str) -> Result<CleanupReport, Failure> {
        let ask = AskDeleteSnapshot { host: host.clone(), snapshot_id: snapshot_id.to_owned() };
        let Removed { report } = self.ask(call, ask).await?;
        Ok(report)
    }
}

#[async_trait]
impl Fork for HostedExtension {
    async fn fork(&self, call: &Call, source: &Handle, request: &Provision) -> Result<Handle, Failure> {
        let ask = AskFork::of(source.clone(), request);
        let Made { handle } = self.ask_again(call, ask, |ask, draft| ask.draft = Some(draft)).await?;
        self.check(handle, call, &request.host)
    }
}

#[async_trait]
impl Connect for HostedExtension {
    async fn connect(&self, call: &Call, handle: &Handle) -> Result<Connection, Failure> {
        self.ask(call, AskConnect { handle: handle.clone() }).await
    }
}
