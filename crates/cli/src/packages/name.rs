//! What a package is called.

use sandboxer_types::{ExtensionId, Failure};
use serde::Serialize;
use std::fmt;
use std::path::Path;

/// The name of a package, under the rule for names of extensions.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) struct PackageName(String);

impl PackageName {
    /// Reads one, with or without `ext.`.
    pub(crate) fn parse(text: &str) -> Result<Self, Failure> {
        let name = text.strip_prefix("ext.").unwrap_or(text);
        match format!("ext.{name}").parse::<ExtensionId>() {
            Ok(_) => Ok(Self(name.to_owned())),
            Err(fault) => {
                let message = format!("a package cannot be called `{}`: {}", name.escape_debug(), fault.rule);
                Err(Failure::invalid_input(message).with_hint("`--name NAME` gives it another name"))
            }
        }
    }

    /// What a package is called that has these extensions: as the only one, else as where it comes from, less a version.
    /// So the next version of it has the same name.
    pub(crate) fn of(extensions: &[String], source: &Path) -> Result<Self, Failure> {
        match extensions {
            [only] => Self::parse(only),
            _ => Self::parse(stem(&source.file_name().unwrap_or_default().to_string_lossy())),
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PackageName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

fn stem(file: &str) -> &str {
    let name = [".tar.gz", ".tgz", ".tar"].iter().find_map(|end| file.strip_suffix(end)).unwrap_or(file);
    let begins_version = |(at, _): &(usize, &str)| {
        let rest = &name[at + 1..];
        rest.strip_prefix('v').unwrap_or(rest).starts_with(|letter: char| letter.is_ascii_digit())
    };
    name.match_indices(['-', '_']).find(begins_version).map_or(name, |(at, _)| &name[..at])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stays_from_version_to_version() {
        let of = |extensions: &[&str], source: &str| {
            let extensions: Vec<String> = extensions.iter().map(|id| (*id).to_owned()).collect();
            PackageName::of(&extensions, Path::new(source)).map(|name| name.0).map_err(|failure| failure.message)
        };
        assert_eq!(of(&["ext.demo"], "anything-1.0.tgz").as_deref(), Ok("demo"));
        let two = ["ext.a", "ext.b"];
        for source in ["/x/my-tools", "my-tools.tar", "my-tools-1.0.2.tar.gz", "my-tools_v2.tgz", "my-tools-2.tar"] {
            assert_eq!(of(&two, source).as_deref(), Ok("my-tools"), "{source}");
        }
        for source in ["/", "My Tools", "-1.0.tar"] {
            let refused = of(&two, source).expect_err("no name");
            assert!(refused.starts_with("a package cannot be called"), "{refused}");
        }
        assert_eq!(PackageName::parse("ext.demo").map(|name| name.0), Ok("demo".to_owned()));
        for path in ["..", "a/b", ".versions", ""] {
            PackageName::parse(path).expect_err("no name");
        }
    }
}
