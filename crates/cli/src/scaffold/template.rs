//! The files of a new project, as `templates` has them.

use clap::ValueEnum;

/// What an extension is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Language {
    /// A class
    Python,
    /// A script for every request
    Sh,
    /// A program over the SDK's traits
    Rust,
}

/// All templates, by their names: the folder of a language or `common`, and then the name in a project. `.in` at the end of a
/// name only keeps tools from taking the template for what it will be.
const TEMPLATES: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/templates.rs"));

/// For editors: what they complete and check the project's files with.
const SCHEMAS: [(&str, &[u8]); 3] = [
    ("schemas/manifest.schema.json", include_bytes!("../../../../schemas/manifest.schema.json")),
    ("schemas/profile.schema.json", include_bytes!("../../../../schemas/profile.schema.json")),
    ("schemas/test-plan.schema.json", include_bytes!("../../../../schemas/test-plan.schema.json")),
];

impl Language {
    fn folder(self) -> &'static str {
        match self {
            Self::Python => "python/",
            Self::Sh => "sh/",
            Self::Rust => "rust/",
        }
    }

    /// The templates of a project in this language, by their names in it.
    pub(super) fn templates(self) -> impl Iterator<Item = (&'static str, &'static [u8])> {
        let in_project = move |name: &'static str| {
            let name = name.strip_prefix(self.folder()).or_else(|| name.strip_prefix("common/"))?;
            Some(name.strip_suffix(".in").unwrap_or(name))
        };
        TEMPLATES.iter().filter_map(move |(name, content)| Some((in_project(name)?, *content)))
    }

    /// The same of files that are the project's as they are.
    pub(super) fn schemas() -> impl Iterator<Item = (&'static str, &'static [u8])> {
        SCHEMAS.into_iter()
    }
}
