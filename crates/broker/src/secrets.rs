//! The secrets that manifests declare, handed to the verbs that they are declared for and to nobody else.

use crate::engine::{Broker, Placement};
use sandboxer_types::{ErrorKind, ExtensionId, Failure, Residue, SecretDeclaration};
use std::collections::BTreeMap;

/// Where secrets come from.
pub trait Secrets: Send + Sync {
    /// The secret of this name for this extension. A failure means that it is there and cannot be used as it is.
    fn find(&self, extension: &ExtensionId, name: &str) -> Result<Secret, Failure>;
}

/// What a search for a secret came to. It has no `Debug`, so that a secret is never shown by accident.
pub enum Secret {
    /// This.
    Found(String),
    /// It is not there.
    Missing {
        /// How to give it.
        hint: String,
    },
}

/// For engines whose extensions need no secrets.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoSecrets;

impl Secrets for NoSecrets {
    fn find(&self, _extension: &ExtensionId, _name: &str) -> Result<Secret, Failure> {
        Ok(Secret::Missing { hint: "there are no secrets here".to_owned() })
    }
}

/// The verbs that every sandbox goes through.
const VERBS_OF_A_LIFE: [&str; 3] = ["provision", "wait_ready", "teardown"];

impl Broker {
    /// What `verb` of the extension is handed. Nothing was sent when one that it cannot do without is missing.
    pub(crate) fn secrets(&self, placement: &Placement, verb: &str) -> Result<BTreeMap<String, String>, Failure> {
        self.secrets_of(&placement.id, &placement.secrets, verb)
    }

    /// The same, by what a manifest declares.
    pub(crate) fn secrets_of(
        &self,
        extension: &ExtensionId,
        declared: &BTreeMap<String, SecretDeclaration>,
        verb: &str,
    ) -> Result<BTreeMap<String, String>, Failure> {
        let mut handed = BTreeMap::new();
        for (name, declared) in declared {
            if !declared.verbs.is_empty() && !declared.verbs.iter().any(|one| one == verb) {
                continue;
            }
            match self.parts.secrets.find(extension, name)? {
                Secret::Found(secret) => drop(handed.insert(name.clone(), secret)),
                Secret::Missing { hint } if declared.required => {
                    return Err(Failure::new(
                        ErrorKind::Unauthenticated,
                        format!("the secret `{name}`, which `{extension}` needs for `{verb}`, is not there"),
                    )
                    .with_residue(Residue::None)
                    .with_hint(hint));
                }
                Secret::Missing { .. } => {}
            }
        }
        Ok(handed)
    }

    /// Whether a whole life can be led with the secrets that are there: what cannot be removed is not made.
    pub(crate) fn check_secrets(&self, placement: &Placement) -> Result<(), Failure> {
        VERBS_OF_A_LIFE.iter().try_for_each(|verb| self.secrets(placement, verb).map(drop))
    }
}
