//! Things by id, whether sound, broken or inert.

use super::entry::Origin;
use super::miss::{Inertness, Kind, Miss};
use sandboxer_types::nearest_word;
use sandboxer_types::source::Fault;
use std::collections::BTreeMap;

/// What there is to say about an id.
#[derive(Debug)]
pub enum Listing<'a, T> {
    /// It can be used.
    Sound(&'a T),
    /// It cannot be used.
    Broken {
        /// The id its file's name promises.
        id: &'a str,
        /// Where it came from.
        origin: &'a Origin,
        /// What is wrong.
        faults: &'a [Fault],
    },
    /// It stands in the working directory or in a package, and is not trusted.
    Inert {
        /// The id its file's name promises.
        id: &'a str,
        /// Where it came from.
        origin: &'a Origin,
        /// Why it is inert.
        inertness: Inertness,
    },
}

/// What an id stands for.
#[derive(Debug)]
pub(super) enum Slot<T> {
    Sound(T),
    Broken { origin: Origin, shadows: Vec<Origin>, faults: Vec<Fault> },
}

/// Things of one kind, by id.
#[derive(Debug)]
pub(super) struct Shelf<T> {
    pub(super) kind: Kind,
    pub(super) slots: BTreeMap<String, Slot<T>>,
    pub(super) inert: BTreeMap<String, (Origin, Inertness)>,
}

impl<T> Shelf<T> {
    pub(super) fn new(kind: Kind) -> Self {
        Self { kind, slots: BTreeMap::new(), inert: BTreeMap::new() }
    }

    /// The thing called `id`, or why there is none.
    pub(super) fn get(&self, id: &str) -> Result<&T, Miss> {
        match (self.slots.get(id), self.inert.get(id)) {
            (Some(Slot::Sound(thing)), _) => Ok(thing),
            (Some(Slot::Broken { origin, faults, .. }), _) => {
                Err(Miss::Broken { kind: self.kind, id: id.to_owned(), origin: origin.clone(), faults: faults.clone() })
            }
            (None, Some((origin, inertness))) => Err(Miss::Untrusted {
                kind: self.kind,
                id: id.to_owned(),
                origin: origin.clone(),
                inertness: inertness.clone(),
            }),
            (None, None) => Err(Miss::Unknown { kind: self.kind, id: id.to_owned(), nearest: self.nearest(id) }),
        }
    }

    /// Ids share their prefix, so what is compared is the rest.
    fn nearest(&self, id: &str) -> Option<String> {
        let prefix = self.kind.prefix();
        let names = self.slots.keys().filter_map(|known| known.strip_prefix(prefix));
        nearest_word(id.strip_prefix(prefix)?, names).map(|name| format!("{prefix}{name}"))
    }

    /// Everything of every state, by id. What is trusted and what is inert may bear the same id.
    pub(super) fn list(&self) -> Vec<Listing<'_, T>> {
        let slots = self.slots.iter().map(|(id, slot)| match slot {
            Slot::Sound(thing) => Listing::Sound(thing),
            Slot::Broken { origin, faults, .. } => Listing::Broken { id, origin, faults },
        });
        let inert = self.inert.iter().map(|(id, (origin, inertness))| Listing::Inert {
            id,
            origin,
            inertness: inertness.clone(),
        });
        slots.chain(inert).collect()
    }

    /// The things that can be used.
    pub(super) fn sound(&self) -> impl Iterator<Item = &T> {
        self.slots.values().filter_map(|slot| match slot {
            Slot::Sound(thing) => Some(thing),
            Slot::Broken { .. } => None,
        })
    }

    /// The faults of what cannot be used.
    pub(super) fn faults(&self) -> impl Iterator<Item = &Fault> {
        self.slots.values().flat_map(|slot| match slot {
            Slot::Sound(_) => [].iter(),
            Slot::Broken { faults, .. } => faults.iter(),
        })
    }
}
