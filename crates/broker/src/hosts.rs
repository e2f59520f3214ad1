//! Where sandboxes are placed, and where ssh finds that.

use crate::catalog::{CatalogHost, Listing, Miss};
use crate::engine::Broker;
use crate::state::Record;
use crate::store::RecordFilter;
use sandboxer_types::{Failure, HostId, SshDestination};
use std::collections::BTreeSet;

/// A host that a sandbox may be placed on.
#[derive(Debug, Clone)]
pub(crate) struct Spot {
    pub(crate) host: HostId,
    /// Where ssh finds it; `None` for this machine.
    pub(crate) ssh: Option<SshDestination>,
    /// How many sandboxes it has at once, if somebody said.
    pub(crate) slots: Option<u32>,
}

impl Spot {
    /// This machine, of which nothing was said.
    pub(crate) fn localhost() -> Self {
        Self { host: HostId::localhost(), ssh: None, slots: None }
    }

    fn of(known: &CatalogHost) -> Self {
        let host = &known.host;
        Self { host: host.id.clone(), ssh: host.destination(), slots: host.slots }
    }
}

impl Broker {
    /// The host that was asked for, else this machine: one of the catalog, or an alias of the user's ssh config.
    pub(crate) async fn spot(&self, asked: Option<&HostId>) -> Result<Spot, Failure> {
        let localhost = HostId::localhost();
        let asked = asked.unwrap_or(&localhost);
        match self.parts.catalog.host(asked) {
            Ok(known) => Ok(Spot::of(known)),
            Err(Miss::Unknown { .. }) if self.parts.machines.is_alias(asked).await => {
                Ok(Spot { host: asked.clone(), ssh: Some(SshDestination::alias(asked)), slots: None })
            }
            Err(miss) => Err(miss.into()),
        }
    }

    /// Where ssh finds the host of a sandbox: as the catalog says now, else where it was when the sandbox was placed.
    pub(crate) fn ssh_of(&self, record: &Record) -> Option<SshDestination> {
        match self.parts.catalog.host(&record.host) {
            Ok(known) => known.host.destination(),
            Err(_) if record.host.is_localhost() => None,
            Err(_) => record.ssh.clone().or_else(|| Some(SshDestination::alias(&record.host))),
        }
    }

    /// Where ssh finds a host of the catalog; `None` for this machine. A name that the catalog does not know is an alias.
    ///
    /// # Errors
    ///
    /// Why a host of that name cannot be used.
    pub fn ssh_of_host(&self, host: Option<&HostId>) -> Result<Option<SshDestination>, Failure> {
        let Some(host) = host else { return Ok(None) };
        match self.parts.catalog.host(host) {
            Ok(known) => Ok(known.host.destination()),
            Err(Miss::Unknown { .. }) => Ok(Some(SshDestination::alias(host))),
            Err(miss) => Err(miss.into()),
        }
    }

    /// Every host that something of ours may be on: those of the catalog, and those that sandboxes were placed on.
    pub(crate) async fn hosts_to_search(&self) -> Result<Vec<Spot>, Failure> {
        let catalog = self.parts.catalog.hosts().into_iter();
        let mut spots: Vec<Spot> = catalog
            .filter_map(|listing| match listing {
                Listing::Sound(known) => Some(Spot::of(known)),
                Listing::Broken { .. } | Listing::Inert { .. } => None,
            })
            .collect();
        // This machine first: it answers at once.
        spots.sort_by_key(|spot| !spot.host.is_localhost());
        let mut found: BTreeSet<HostId> = spots.iter().map(|spot| spot.host.clone()).collect();
        let everything = RecordFilter { include_closed: true, ..RecordFilter::default() };
        for record in self.parts.store.list(&everything).await? {
            if found.insert(record.host.clone()) {
                spots.push(Spot { ssh: self.ssh_of(&record), host: record.host, slots: None });
            }
        }
        Ok(spots)
    }

    /// The hosts of the catalog that cannot be asked as they are described, and why. What stands in an untrusted folder is
    /// none of ours: had anything been placed there, a record would tell.
    pub(crate) fn broken_hosts(&self) -> Vec<String> {
        let listings = self.parts.catalog.hosts().into_iter();
        let broken = |listing| match listing {
            Listing::Broken { id, origin, .. } => Some(format!("`{id}`: its entry in {origin} is broken")),
            Listing::Sound(_) | Listing::Inert { .. } => None,
        };
        listings.filter_map(broken).collect()
    }
}
