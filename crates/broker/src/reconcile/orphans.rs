//! What backends hold with our labels and without an open record.

use crate::catalog::{CatalogExtension, Listing};
use crate::control::{Context, OrphanSearch};
use crate::engine::{Broker, Placement};
use crate::hosts::Spot;
use crate::sagas::supervised;
use crate::state::Attachment;
use crate::store::{NewEvent, Sighting};
use jiff::Timestamp;
use sandboxer_sdk::{Listed, Teardown, TeardownReason};
use sandboxer_types::{ErrorKind, EventKind, ExtensionId, Failure, Handle, HostId, SandboxId, SshDestination, Verb};
use serde::Serialize;
use tokio::time::Instant;

/// One thing without an open record.
#[derive(Debug, Clone, Serialize)]
pub struct Orphan {
    /// The id it bears.
    pub sandbox_id: SandboxId,
    /// Which extension holds it.
    pub extension: ExtensionId,
    /// Where.
    pub host: HostId,
    /// When a search first saw it.
    pub first_seen: Timestamp,
    /// How many searches saw it.
    pub sightings: i64,
    /// It was removed, and that was verified.
    pub removed: bool,
    /// Why it was not removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kept_because: Option<String>,
}

/// What a search found.
#[derive(Debug, Clone, Default, Serialize)]
pub struct OrphanReport {
    /// Everything without an open record.
    pub orphans: Vec<Orphan>,
    /// Extensions that could not be asked, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unasked: Vec<String>,
}

/// Something without an open record, and where ssh finds its host.
struct Seen {
    sighting: Sighting,
    ssh: Option<SshDestination>,
}

impl Broker {
    /// Asks every extension that can list about every known host, and with `sweep` removes what is surely nobody's.
    pub(crate) async fn search_orphans(
        &self,
        search: OrphanSearch,
        context: &Context,
    ) -> Result<OrphanReport, Failure> {
        let mut report = OrphanReport { unasked: self.broken_hosts(), ..OrphanReport::default() };
        let mut left_to_remove = search.cap;
        let spots = self.hosts_to_search().await?;
        for extension in self.sound_extensions() {
            let placement = match self.placement(&extension).await {
                Ok(placement) => placement,
                Err(failure) => {
                    report.unasked.push(format!("{extension}: {failure}"));
                    continue;
                }
            };
            for sighting in self.unrecorded(&extension, &placement, &spots, &mut report.unasked).await? {
                let spot = spots.iter().find(|spot| spot.host == sighting.listed.host);
                let ssh = spot.and_then(|spot| spot.ssh.clone());
                let one = Seen { sighting, ssh };
                report.orphans.push(self.judge(one, &placement, search, &mut left_to_remove, context).await?);
            }
        }
        Ok(report)
    }

    fn sound_extensions(&self) -> Vec<ExtensionId> {
        let listings = self.parts.catalog.extensions().into_iter();
        let sound = |listing| match listing {
            Listing::Sound(extension) => Some(CatalogExtension::id(extension).clone()),
            Listing::Broken { .. } | Listing::Inert { .. } => None,
        };
        listings.filter_map(sound).collect()
    }

    /// What an extension holds on one host, with our label.
    async fn listed(&self, placement: &Placement, spot: &Spot) -> Result<Vec<Listed>, Failure> {
        let Some(verb) = placement.extension.list() else {
            return Err(Failure::new(ErrorKind::Unsupported, "it cannot list what it holds"));
        };
        let nobody = SandboxId::from_ulid(self.parts.ids.fresh());
        let call = self.query(&nobody, spot.ssh.clone(), placement, Verb::List.as_str())?;
        let owner = self.parts.store.owner();
        let host = &spot.host;
        let mut listed = supervised(&call, &self.parts.patience, verb.list(&call, host)).await?;
        // Only an exact match is ours, whatever the extension returned.
        listed.retain(|one| one.labels.get("sandboxer.owner").is_some_and(|label| label == owner.as_str()));
        match listed.iter().find(|one| one.host != *host) {
            None => Ok(listed),
            // Whose word is wrong about this one is not believed about the others either: nothing of it is removed.
            Some(elsewhere) => Err(Failure::new(
                ErrorKind::ContractViolation,
                format!(
                    "it was asked for what is on `{host}`, and listed `{}` on `{}`",
                    elsewhere.sandbox_id, elsewhere.host
                ),
            )),
        }
    }

    /// Everything the extension holds that has no open record, with how often it was seen. The records are read after
    /// the listing: an intent is durable before its effect, so whatever was listed had its record by then. Hosts that it gave no
    /// answer about are added to `unasked`.
    async fn unrecorded(
        &self,
        extension: &ExtensionId,
        placement: &Placement,
        spots: &[Spot],
        unasked: &mut Vec<String>,
    ) -> Result<Vec<Sighting>, Failure> {
        if placement.extension.list().is_none() {
            unasked.push(format!("{extension}: it cannot list what it holds"));
            return Ok(Vec::new());
        }
        let (mut answered, mut without): (_, Vec<Listed>) = (Vec::new(), Vec::new());
        for spot in spots {
            let listed = match self.listed(placement, spot).await {
                Ok(listed) => listed,
                // It makes nothing there.
                Err(failure) if failure.kind == ErrorKind::Unsupported && !spot.host.is_localhost() => Vec::new(),
                Err(failure) if spot.host.is_localhost() => {
                    unasked.push(format!("{extension}: {failure}"));
                    continue;
                }
                Err(failure) => {
                    unasked.push(format!("{extension} about `{}`: {failure}", spot.host));
                    continue;
                }
            };
            answered.push(spot.host.clone());
            for one in listed {
                let record = self.parts.store.get(&one.sandbox_id).await?;
                let is_open = record.is_some_and(|record| !record.state().is_closed());
                // An extension that takes no notice of the host lists the same everywhere.
                let is_known = without.iter().any(|known| known.sandbox_id == one.sandbox_id);
                if !is_open && !is_known {
                    without.push(one);
                }
            }
        }
        Ok(self.parts.store.sight(extension, answered, without).await?)
    }

    async fn judge(
        &self,
        seen: Seen,
        placement: &Placement,
        search: OrphanSearch,
        left_to_remove: &mut usize,
        context: &Context,
    ) -> Result<Orphan, Failure> {
        let sighting = &seen.sighting;
        let mut orphan = Orphan {
            sandbox_id: sighting.listed.sandbox_id.clone(),
            extension: sighting.extension.clone(),
            host: sighting.listed.host.clone(),
            first_seen: sighting.first_seen,
            sightings: sighting.count,
            removed: false,
            kept_because: self.reason_to_keep(sighting, search, *left_to_remove),
        };
        if orphan.kept_because.is_none() {
            *left_to_remove -= 1;
            match self.remove_orphan(&seen, placement, context).await {
                Ok(()) => orphan.removed = true,
                Err(failure) => orphan.kept_because = Some(failure.message),
            }
        }
        Ok(orphan)
    }

    fn reason_to_keep(&self, sighting: &Sighting, search: OrphanSearch, left_to_remove: usize) -> Option<String> {
        let age = self.parts.clock.now().duration_since(sighting.first_seen);
        let old_enough = std::time::Duration::try_from(age).is_ok_and(|age| age >= search.minimum_age);
        if !search.sweep {
            Some("only looked".to_owned())
        } else if sighting.count < 2 {
            Some("seen once; a second search must see it too".to_owned())
        } else if !old_enough {
            Some(format!("first seen less than {} ago", sandboxer_types::TimeSpan::from(search.minimum_age)))
        } else if left_to_remove == 0 {
            Some("the most that one sweep removes is reached".to_owned())
        } else {
            None
        }
    }

    async fn remove_orphan(&self, seen: &Seen, placement: &Placement, context: &Context) -> Result<(), Failure> {
        let listed = &seen.sighting.listed;
        let id = &listed.sandbox_id;
        let spot = Spot { host: listed.host.clone(), ssh: seen.ssh.clone(), slots: None };
        let still_there = self.listed(placement, &spot).await?.iter().any(|one| one.sandbox_id == *id);
        let recorded = self.parts.store.get(id).await?.is_some_and(|record| !record.state().is_closed());
        if !still_there || recorded {
            return Err(Failure::new(ErrorKind::Conflict, "it changed while it was looked at"));
        }
        self.parts.store.log(id, vec![NewEvent::new(EventKind::Orphan, "an orphan is about to be removed")]).await?;
        let mut call = self.query(id, spot.ssh.clone(), placement, "teardown")?;
        call.deadline = Instant::now() + self.parts.patience.teardown;
        call.cancel = context.cancel.clone();
        let request = Teardown {
            sandbox_id: id.clone(),
            host: listed.host.clone(),
            handle: Handle::minimal(id, &listed.host),
            reason: TeardownReason::Orphan,
        };
        let work = placement.extension.teardown(&call, &request);
        let report = supervised(&call, &self.parts.patience, work).await?;
        if !report.complete {
            return Err(Failure::new(
                ErrorKind::Partial,
                format!("the cleanup is not complete: {}", report.errors.join("; ")),
            ));
        }
        if spot.ssh.is_some() {
            // What no record says may have been attached there. Should this fail, the lease ends by itself and finds nothing.
            let attachment = Attachment { ssh: spot.ssh, jump: None, owns_machine: false, expire: Vec::new() };
            if let Err(failure) = self.release(id, &attachment).await {
                tracing::warn!(%failure, sandbox = %id, "the lease of an orphan is not released");
            }
        }
        self.parts.store.log(id, vec![NewEvent::new(EventKind::Orphan, "the orphan was removed")]).await?;
        Ok(())
    }
}
