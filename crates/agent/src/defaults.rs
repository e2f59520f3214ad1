//! What applies to requests that do not say otherwise. `/init` may change it.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

/// At one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Defaults {
    /// The user of requests that name none.
    pub(crate) user: String,
    /// Where commands run that name no directory, if it exists.
    pub(crate) workdir: Option<String>,
    /// Variables of every command.
    pub(crate) environment: BTreeMap<String, String>,
}

/// Those that apply now.
#[derive(Debug)]
pub(crate) struct CurrentDefaults(RwLock<Arc<Defaults>>);

impl CurrentDefaults {
    pub(crate) fn new(defaults: Defaults) -> Self {
        Self(RwLock::new(Arc::new(defaults)))
    }

    pub(crate) fn get(&self) -> Arc<Defaults> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn change(&self, change: impl FnOnce(&mut Defaults)) {
        change(Arc::make_mut(&mut self.0.write().unwrap_or_else(PoisonError::into_inner)));
    }
}
