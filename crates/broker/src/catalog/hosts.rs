//! Hosts, which unlike manifests and profiles stand many to a file.

use super::entry::Origin;
use super::files::FoundHosts;
use super::load::shadows;
use super::miss::{Inertness, Kind};
use super::shelf::{Shelf, Slot};
use sandboxer_types::source::{Fault, HostsFile, parse_hosts};
use sandboxer_types::{Host, HostId};
use std::collections::BTreeMap;

/// A host that can be used, as far as its description goes.
#[derive(Debug)]
pub struct CatalogHost {
    /// The host.
    pub host: Host,
    /// Where it came from.
    pub origin: Origin,
    /// What it replaces, the latest first.
    pub shadows: Vec<Origin>,
}

/// A shelf with this machine on it, which always exists.
pub(super) fn shelf() -> Shelf<CatalogHost> {
    let mut shelf = Shelf::new(Kind::Host);
    let localhost = CatalogHost { host: Host::localhost(), origin: Origin::built_in("localhost"), shadows: Vec::new() };
    shelf.slots.insert(localhost.host.id.to_string(), Slot::Sound(localhost));
    shelf
}

/// Puts a file's hosts on the shelf. A host replaces what earlier sources have under its id, even when it is broken; of
/// an id that is described twice neither is taken. Returns the faults that belong to no id.
pub(super) fn shelve(shelf: &mut Shelf<CatalogHost>, found: FoundHosts, inertness: Option<Inertness>) -> Vec<Fault> {
    let FoundHosts { origin, text } = found;
    let file = match text {
        Ok(text) => parse_hosts(&origin.file, &text),
        Err(fault) => HostsFile { entries: Vec::new(), faults: vec![fault] },
    };
    if let Some(inertness) = inertness {
        // What is inert has no faults: nobody asked for it.
        let ids = file.entries.into_iter().filter_map(|entry| entry.id);
        shelf.inert.extend(ids.map(|id| (id.to_string(), (origin.clone(), inertness.clone()))));
        return Vec::new();
    }
    let mut strays = file.faults;
    let mut by_id: BTreeMap<HostId, Result<Host, Vec<Fault>>> = BTreeMap::new();
    for entry in file.entries {
        match (entry.id, entry.host) {
            (None, Ok(host)) => drop(by_id.insert(host.id.clone(), Ok(host))),
            (None, Err(faults)) => strays.extend(faults),
            (Some(id), host) => {
                let both = match (by_id.remove(&id), host) {
                    (Some(Err(mut faults)), Err(more)) => {
                        faults.extend(more);
                        Err(faults)
                    }
                    (Some(Err(faults)), Ok(_)) | (_, Err(faults)) => Err(faults),
                    (_, Ok(host)) => Ok(host),
                };
                by_id.insert(id, both);
            }
        }
    }
    for (id, host) in by_id {
        let replaced = shelf.slots.remove(id.as_str()).map(|slot| match slot {
            Slot::Sound(host) => (host.origin, host.shadows),
            Slot::Broken { origin, shadows, .. } => (origin, shadows),
        });
        let (origin, shadows) = (origin.clone(), shadows(replaced));
        let slot = match host {
            Ok(host) => Slot::Sound(CatalogHost { host, origin, shadows }),
            Err(faults) => Slot::Broken { origin, shadows, faults },
        };
        shelf.slots.insert(id.to_string(), slot);
    }
    strays
}
