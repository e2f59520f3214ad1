//! What backends hold with our labels and without an open record.

use crate::catalog::{CatalogExtension, Listing};
use crate::control::{Context, OrphanSearch};
use crate::engine::{Broker, Placement};
use crate::sagas::supervised;
use crate::store::{NewEvent, Sighting};
use jiff::Timestamp;
use sandboxer_sdk::{Listed, Teardown, TeardownReason};
use sandboxer_types::{ErrorKind, EventKind, ExtensionId, Failure, Handle, HostId, SandboxId, Verb};
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

impl Broker {
    /// Asks every extension that can list, and with `sweep` removes what is surely nobody's.
    pub(crate) async fn search_orphans(
        &self,
        search: OrphanSearch,
        context: &Context,
    ) -> Result<OrphanReport, Failure> {
        let mut report = OrphanReport::default();
        let mut left_to_remove = search.cap;
        let ids = self.sound_extensions();
        for extension in ids {
            let placement = match self.placement(&extension).await {
                Ok(placement) => placement,
                Err(failure) => {
                    report.unasked.push(format!("{extension}: {failure}"));
                    continue;
                }
            };
            match self.unrecorded(&extension, &placement).await {
                Ok(sightings) => {
                    for sighting in sightings {
                        let orphan = self.judge(sighting, &placement, search, &mut left_to_remove, context).await?;
                        report.orphans.push(orphan);
                    }
                }
                Err(failure) => report.unasked.push(format!("{extension}: {failure}")),
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

    async fn listed(&self, placement: &Placement) -> Result<Vec<Listed>, Failure> {
        let Some(verb) = placement.extension.list() else {
            return Err(Failure::new(ErrorKind::Unsupported, "it cannot list what it holds"));
        };
        let call = self.query(&SandboxId::from_ulid(self.parts.ids.fresh()), placement, Verb::List.as_str())?;
        let owner = self.parts.store.owner();
        let host = HostId::localhost();
        let mut listed = supervised(&call, &self.parts.patience, verb.list(&call, &host)).await?;
        // Only an exact match is ours, whatever the extension returned.
        listed.retain(|one| one.labels.get("sandboxer.owner").is_some_and(|label| label == owner.as_str()));
        match listed.iter().find(|one| one.host != host) {
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
    /// the listing: an intent is durable before its effect, so whatever was listed had its record by then.
    async fn unrecorded(&self, extension: &ExtensionId, placement: &Placement) -> Result<Vec<Sighting>, Failure> {
        let mut without = Vec::new();
        for listed in self.listed(placement).await? {
            let record = self.parts.store.get(&listed.sandbox_id).await?;
            if record.is_none_or(|record| record.state().is_closed()) {
                without.push(listed);
            }
        }
        Ok(self.parts.store.sight(extension, without).await?)
    }

    async fn judge(
        &self,
        sighting: Sighting,
        placement: &Placement,
        search: OrphanSearch,
        left_to_remove: &mut usize,
        context: &Context,
    ) -> Result<Orphan, Failure> {
        let mut orphan = Orphan {
            sandbox_id: sighting.listed.sandbox_id.clone(),
            extension: sighting.extension.clone(),
            host: sighting.listed.host.clone(),
            first_seen: sighting.first_seen,
            sightings: sighting.count,
            removed: false,
            kept_because: self.reason_to_keep(&sighting, search, *left_to_remove),
        };
        if orphan.kept_because.is_none() {
            *left_to_remove -= 1;
            match self.remove_orphan(&sighting, placement, context).await {
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

    async fn remove_orphan(
        &self,
        sighting: &Sighting,
        placement: &Placement,
        context: &Context,
    ) -> Result<(), Failure> {
        let listed = &sighting.listed;
        let id = &listed.sandbox_id;
        let still_there = self.listed(placement).await?.iter().any(|one| one.sandbox_id == *id);
        let recorded = self.parts.store.get(id).await?.is_some_and(|record| !record.state().is_closed());
        if !still_there || recorded {
            return Err(Failure::new(ErrorKind::Conflict, "it changed while it was looked at"));
        }
        self.parts.store.log(id, vec![NewEvent::new(EventKind::Orphan, "an orphan is about to be removed")]).await?;
        let mut call = self.query(id, placement, "teardown")?;
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
        self.parts.store.log(id, vec![NewEvent::new(EventKind::Orphan, "the orphan was removed")]).await?;
        Ok(())
    }
}
