//! Secrets that a test gives and takes away.

use sandboxer_broker::{Secret, Secrets};
use sandboxer_types::{ExtensionId, Failure};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Secrets by name, the same for every extension.
#[derive(Clone, Default)]
pub struct HeldSecrets(Arc<Mutex<BTreeMap<String, String>>>);

impl HeldSecrets {
    /// Gives a secret, or takes it away.
    pub fn set(&self, name: &str, secret: Option<&str>) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match secret {
            Some(secret) => drop(held.insert(name.to_owned(), secret.to_owned())),
            None => drop(held.remove(name)),
        }
    }
}

impl Secrets for HeldSecrets {
    fn find(&self, _extension: &ExtensionId, name: &str) -> Result<Secret, Failure> {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(match held.get(name) {
            Some(secret) => Secret::Found(secret.clone()),
            None => Secret::Missing { hint: "give it to the machine".to_owned() },
        })
    }
}
