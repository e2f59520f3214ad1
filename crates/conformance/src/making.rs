//! Making sandboxes, and removing them again.

use crate::asking::{may_pass, told};
use crate::bench::{Bench, Made, Named};
use crate::check::{Stop, hold};
use crate::ledger::Entry;
use sandboxer_sdk::wire::{AskDeleteSnapshot, AskProvision, AskTeardown, AskWaitReady};
use sandboxer_sdk::{Clock, SystemClock, TeardownReason};
use sandboxer_types::{CleanupReport, Failure, Handle, Reachability};
use std::time::Duration;

/// How often something that says that trying again may help is tried.
const ATTEMPTS: u32 = 20;
/// How long before the next attempt.
const PAUSE: Duration = Duration::from_millis(250);

impl Bench {
    /// The question that makes it, with what an earlier attempt has kept.
    pub(crate) fn provision_of(&self, named: &Named) -> AskProvision {
        let now = SystemClock.now();
        AskProvision {
            host: named.host.clone(),
            profile: self.subject().profile.clone(),
            inputs: named.inputs.clone(),
            ttl_ms: u64::try_from(named.lifetime.as_millis()).unwrap_or(u64::MAX),
            expires_at: now.checked_add(named.lifetime).unwrap_or(now),
            tether: None,
            draft: self.known().get(&named.sandbox_id).and_then(|known| known.draft.clone()),
        }
    }

    pub(crate) fn teardown_of(&self, named: &Named, handle: &Handle) -> AskTeardown {
        AskTeardown { host: named.host.clone(), handle: handle.clone(), reason: TeardownReason::Requested }
    }

    /// Makes it in a fresh process. A handle must be of what was asked for.
    pub(crate) async fn provision(&self, named: &Named) -> Result<Result<Handle, Failure>, Stop> {
        match self.ask(named, &self.provision_of(named)).await? {
            Ok(made) => checked(made.handle, named).map(Ok),
            Err(failure) => Ok(Err(failure)),
        }
    }

    /// Makes it, which must succeed; what says that trying again may help is tried again.
    pub(crate) async fn must_provision(&self, named: &Named) -> Result<Handle, Stop> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            match self.provision(named).await? {
                Ok(handle) => return Ok(handle),
                Err(failure) if may_pass(&failure) && attempt < ATTEMPTS => tokio::time::sleep(PAUSE).await,
                Err(failure) => return Err(Stop::failed(format!("`provision` failed: {}", told(&failure)))),
            }
        }
    }

    /// Waits until it is ready, in a fresh process.
    pub(crate) async fn wait_ready(
        &self,
        named: &Named,
        handle: &Handle,
    ) -> Result<Result<Reachability, Failure>, Stop> {
        match self.ask(named, &AskWaitReady { handle: handle.clone() }).await? {
            Ok(reached) => {
                self.remember(named, &reached.reachability);
                Ok(Ok(reached.reachability))
            }
            Err(failure) => Ok(Err(failure)),
        }
    }

    /// Waits until it is ready, which must succeed.
    pub(crate) async fn must_be_ready(&self, named: &Named, handle: &Handle) -> Result<Reachability, Stop> {
        let ready = self.wait_ready(named, handle).await?;
        ready.map_err(|failure| Stop::failed(format!("`wait_ready` failed: {}", told(&failure))))
    }

    /// Makes a sandbox, which must succeed.
    pub(crate) async fn make(&self) -> Result<Made, Stop> {
        self.make_named(self.name()?).await
    }

    /// Makes the sandbox of this name, which must succeed.
    pub(crate) async fn make_named(&self, named: Named) -> Result<Made, Stop> {
        let handle = self.must_provision(&named).await?;
        let reachability = self.must_be_ready(&named, &handle).await?;
        Ok(Made { named, handle, reachability })
    }

    /// Tears it down in a fresh process.
    pub(crate) async fn teardown(
        &self,
        named: &Named,
        handle: &Handle,
    ) -> Result<Result<CleanupReport, Failure>, Stop> {
        Ok(self.ask(named, &self.teardown_of(named, handle)).await?.map(|removed| removed.report))
    }

    /// Tears it down, which must succeed and be complete; what says that trying again may help is tried again.
    pub(crate) async fn must_tear_down(&self, named: &Named, handle: &Handle) -> Result<CleanupReport, Stop> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            match self.teardown(named, handle).await? {
                Ok(report) if report.complete => return Ok(report),
                Ok(_) if attempt < ATTEMPTS => {}
                Err(failure) if may_pass(&failure) && attempt < ATTEMPTS => {}
                Ok(report) => {
                    let errors = report.errors.join("; ");
                    return Err(Stop::failed(format!("`teardown` never became complete: {errors}")));
                }
                Err(failure) => return Err(Stop::failed(format!("`teardown` failed: {}", told(&failure)))),
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Removes a sandbox, which must succeed, and looks whether it is really gone.
    pub(crate) async fn remove(&self, named: &Named, handle: &Handle) -> Result<CleanupReport, Stop> {
        let report = self.must_tear_down(named, handle).await?;
        self.leave(named).await?;
        self.must_be_gone(named).await?;
        self.strike(named)?;
        Ok(report)
    }

    /// Forgets a sandbox of which it was said that nothing was made. That anybody sees it is a broken rule; where nobody can
    /// look, because its inputs lead nowhere, there is nothing to be seen.
    pub(crate) async fn forget(&self, named: &Named, said: &Failure) -> Result<(), Stop> {
        if let Ok(Some(how)) = self.seen(named).await {
            return Err(Stop::failed(format!("it said that nothing is left ({}), and yet: {how}", told(said))));
        }
        self.strike(named)
    }

    /// Removes whatever the check has left. What cannot be removed, or is not gone then, fails the check.
    pub(crate) async fn clean(&self) -> Result<(), Stop> {
        self.backend().bring_back().await?;
        let mut first = Ok(());
        // What another check could not remove is in its own result already.
        let own = |entry: &Entry| self.known().contains_key(&entry.sandbox_id);
        for entry in self.common.ledger.entries().into_iter().rev().filter(own) {
            first = first.and(self.sweep_entry(&entry).await);
        }
        let new = self.nothing_new().await;
        if new.is_err() {
            // What this check has left is in its own result; the next one is not to be blamed for it.
            self.common.take_baseline().await?;
        }
        first.and(new)
    }

    /// Removes what a ledger has, with its snapshots.
    pub(crate) async fn sweep_entry(&self, entry: &Entry) -> Result<(), Stop> {
        let named = self.named(entry);
        let mut kept = Ok(());
        for snapshot_id in &entry.snapshots {
            kept = kept.and(self.delete_snapshot(&named, snapshot_id).await);
        }
        let removed = self.remove(&named, &named.minimal_handle()).await;
        kept.and(removed.map(drop))
    }

    async fn delete_snapshot(&self, named: &Named, snapshot_id: &str) -> Result<(), Stop> {
        let ask = AskDeleteSnapshot { host: named.host.clone(), snapshot_id: snapshot_id.to_owned() };
        match self.ask(named, &ask).await? {
            Ok(removed) if removed.report.complete => Ok(()),
            Ok(removed) => {
                Err(Stop::failed(format!("the snapshot `{snapshot_id}` stays: {:?}", removed.report.errors)))
            }
            Err(failure) => Err(Stop::failed(format!("the snapshot `{snapshot_id}` stays: {}", told(&failure)))),
        }
    }
}

/// A handle must be of what was asked for.
pub(crate) fn checked(handle: Handle, named: &Named) -> Result<Handle, Stop> {
    let sound = handle.check(&named.sandbox_id, &named.host);
    sound.map(|()| handle).map_err(|fault| Stop::failed(format!("its handle breaks a rule: {fault}")))
}

/// That a report is one of somebody who has looked.
pub(crate) fn must_say_something(report: &CleanupReport) -> Result<(), Stop> {
    let said = report.removed.len() + report.already_absent.len() + report.retained.len();
    hold!(said > 0, "its report is complete, and says of nothing that it was removed, absent or retained");
    Ok(())
}
