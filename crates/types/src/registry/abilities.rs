//! What sandboxes of an extension or a profile can do, in one shape for both.

use crate::{Capabilities, Feature, IsolationLevel, PricingModel, SnapshotKind, Verb};
use serde::{Deserialize, Serialize};

/// The verbs that every extension has.
const IMPLIED: [&str; 3] = ["provision", "wait_ready", "teardown"];

/// What can be relied on. Of a profile that several extensions can make, what each of them can do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(extend("additionalProperties" = false)))]
pub struct RegistryAbilities {
    /// The weakest of `isolation_levels`; null when they do not compare.
    pub isolation: Option<IsolationLevel>,
    /// The isolation that its sandboxes may have, weakest first.
    #[cfg_attr(feature = "schema", schemars(extend("minItems" = 1, "uniqueItems" = true)))]
    pub isolation_levels: Vec<IsolationLevel>,
    /// How it may have to be paid for.
    #[cfg_attr(feature = "schema", schemars(extend("minItems" = 1, "uniqueItems" = true)))]
    pub pricing_models: Vec<PricingModel>,
    /// Every verb, those that every extension has included.
    #[cfg_attr(feature = "schema", schemars(with = "Vec<crate::schema::AnyVerb>", extend("uniqueItems" = true)))]
    pub verbs: Vec<String>,
    /// What is promised about its behaviour.
    #[cfg_attr(feature = "schema", schemars(extend("uniqueItems" = true)))]
    pub features: Vec<Feature>,
    /// What its snapshots keep; empty when it has none.
    #[cfg_attr(feature = "schema", schemars(extend("uniqueItems" = true)))]
    pub snapshot_kinds: Vec<SnapshotKind>,
}

impl RegistryAbilities {
    /// What an extension can do, by its manifest.
    pub fn of(capabilities: &Capabilities) -> Self {
        let verbs = in_order(&capabilities.verbs);
        let kinds = capabilities.snapshot.as_ref().map(|snapshot| in_order(&snapshot.kinds));
        let isolation_levels = by_strength(capabilities.isolation_levels.clone());
        Self {
            isolation: weakest(&isolation_levels),
            isolation_levels,
            pricing_models: vec![capabilities.pricing_model],
            verbs: IMPLIED.into_iter().chain(verbs.into_iter().map(Verb::as_str)).map(str::to_owned).collect(),
            features: in_order(&capabilities.features),
            snapshot_kinds: kinds.unwrap_or_default(),
        }
    }

    /// What sandboxes can do that any of `extensions` may make, and that have at least the isolation `minimum`.
    pub fn common(extensions: &[&Capabilities], minimum: Option<&IsolationLevel>) -> Self {
        let all: Vec<Self> = extensions.iter().map(|capabilities| Self::of(capabilities)).collect();
        let suits = |level: &IsolationLevel| minimum.is_none_or(|minimum| level.satisfies(minimum));
        let levels = all.iter().flat_map(|one| one.isolation_levels.iter().filter(|level| suits(level)).cloned());
        let isolation_levels = by_strength(levels.collect());
        let models: Vec<PricingModel> = all.iter().flat_map(|one| one.pricing_models.clone()).collect();
        Self {
            isolation: weakest(&isolation_levels),
            isolation_levels,
            pricing_models: in_order(&models),
            verbs: shared(&all, |one| &one.verbs),
            features: shared(&all, |one| &one.features),
            snapshot_kinds: shared(&all, |one| &one.snapshot_kinds),
        }
    }
}

/// Sorted, and each once: how a manifest orders words means nothing.
fn in_order<T: Copy + Ord>(words: &[T]) -> Vec<T> {
    let mut words = words.to_vec();
    words.sort_unstable();
    words.dedup();
    words
}

/// Weakest first, then the authors' own by name; each once.
fn by_strength(mut levels: Vec<IsolationLevel>) -> Vec<IsolationLevel> {
    let rank = |level: &IsolationLevel| {
        let known = IsolationLevel::RANKED.iter().position(|name| *name == level.as_str());
        (known.unwrap_or(usize::MAX), level.as_str().to_owned())
    };
    levels.sort_by_key(rank);
    levels.dedup();
    levels
}

fn weakest(levels: &[IsolationLevel]) -> Option<IsolationLevel> {
    levels.iter().find(|level| levels.iter().all(|other| other.satisfies(level))).cloned()
}

fn shared<T: Clone + PartialEq>(all: &[RegistryAbilities], of: impl Fn(&RegistryAbilities) -> &Vec<T>) -> Vec<T> {
    let Some((first, others)) = all.split_first() else { return Vec::new() };
    let everywhere = |word: &&T| others.iter().all(|other| of(other).contains(word));
    of(first).iter().filter(everywhere).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn capabilities(value: serde_json::Value) -> Capabilities {
        serde_json::from_value(value).expect("valid")
    }

    #[test]
    fn what_is_common_is_what_each_can_do_and_the_weakest_isolation_that_suits() {
        let one = capabilities(json!({
            "isolation_levels": ["vm", "process"], "pricing_model": "metered", "verbs": ["snapshot", "list"],
            "features": ["native_ttl", "labels"], "snapshot": {"kinds": ["memory", "filesystem"]},
        }));
        let other = capabilities(json!({
            "isolation_levels": ["microvm"], "pricing_model": "free", "verbs": ["list", "pause"], "features": ["labels"],
        }));
        let common = RegistryAbilities::common(&[&one, &other], Some(&IsolationLevel::Container));
        let expected = json!({
            "isolation": "microvm", "isolation_levels": ["microvm", "vm"], "pricing_models": ["free", "metered"],
            "verbs": ["provision", "wait_ready", "teardown", "list"], "features": ["labels"], "snapshot_kinds": [],
        });
        assert_eq!(serde_json::to_value(common).expect("JSON"), expected);
        assert_eq!(RegistryAbilities::of(&one).isolation, Some(IsolationLevel::Process));
        assert_eq!(RegistryAbilities::of(&one).snapshot_kinds, [SnapshotKind::Filesystem, SnapshotKind::Memory]);
    }

    #[test]
    fn levels_that_do_not_compare_have_no_weakest() {
        let own = capabilities(json!({"isolation_levels": ["x-enclave", "vm"], "pricing_model": "free"}));
        let abilities = RegistryAbilities::of(&own);
        assert_eq!(abilities.isolation, None);
        assert_eq!(serde_json::to_value(abilities.isolation_levels).expect("JSON"), json!(["vm", "x-enclave"]));
    }
}
