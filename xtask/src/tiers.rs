//! The list of test tiers, and which of them can run here.

use crate::shell;
use anyhow::Context;
use serde::Deserialize;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tier {
    pub(crate) name: String,
    pub(crate) about: String,
    #[serde(default)]
    root: bool,
    #[serde(default)]
    programs: Vec<String>,
    /// The tests that belong to it, as a nextest filterset.
    pub(crate) filter: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Tiers {
    tier: Vec<Tier>,
}

/// Reads the list.
pub(crate) fn read() -> anyhow::Result<Vec<Tier>> {
    let path = shell::root().join(".config/tiers.toml");
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(toml::from_str::<Tiers>(&text)?.tier)
}

impl Tier {
    /// Why it cannot run here, if it cannot.
    pub(crate) fn obstacle(&self) -> anyhow::Result<Option<String>> {
        if self.root && !shell::is_root()? {
            return Ok(Some("needs root".to_owned()));
        }
        let missing: Vec<&str> = self.programs.iter().map(String::as_str).filter(|name| !shell::has(name)).collect();
        Ok((!missing.is_empty()).then(|| format!("needs {}", missing.join(", "))))
    }
}
