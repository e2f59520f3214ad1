//! Why a look-up found nothing to use.

use super::entry::Origin;
use sandboxer_types::source::Fault;
use sandboxer_types::{ErrorKind, Failure, Residue};
use std::fmt;

/// What was looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An extension.
    Extension,
    /// A profile.
    Profile,
    /// A host.
    Host,
}

impl Kind {
    /// The word for it in messages, which is also its command.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Extension => "extension",
            Self::Profile => "profile",
            Self::Host => "host",
        }
    }

    /// What its ids and files begin with.
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Extension => "ext.",
            Self::Profile => "profile.",
            Self::Host => "",
        }
    }

    /// The folder its files lie in; for hosts, the one file they all stand in.
    pub const fn folder(self) -> &'static str {
        match self {
            Self::Extension => "extensions",
            Self::Profile => "profiles",
            Self::Host => "hosts.yaml",
        }
    }

    const fn command(self) -> &'static str {
        match self {
            Self::Extension => "ext",
            Self::Profile => "profile",
            Self::Host => "host",
        }
    }
}

/// Why a file of the working directory or of a package is inert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Inertness {
    /// It was never trusted.
    NotTrusted,
    /// It was trusted, and is no longer what it was.
    Changed,
    /// It is what was trusted, but a file beside it, which its handler may run, is not.
    NeighbourChanged,
    /// It is of a package that is no longer what was added.
    PackageChanged {
        /// The first file that differs, by its path below the package.
        file: String,
    },
}

impl fmt::Display for Inertness {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotTrusted => formatter.write_str("is not trusted"),
            Self::Changed => formatter.write_str("has changed since it was trusted"),
            Self::NeighbourChanged => {
                formatter.write_str("is trusted, but a file its handler may run has changed since")
            }
            Self::PackageChanged { file } => {
                write!(formatter, "is of a package whose file `{file}` is not what was added")
            }
        }
    }
}

/// Why a look-up found nothing to use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Miss {
    /// There is no such thing.
    #[error("no {} `{id}`", kind.word())]
    Unknown {
        /// What was looked up.
        kind: Kind,
        /// The id asked for.
        id: String,
        /// The id that was probably meant.
        nearest: Option<String>,
    },
    /// Its file, or what it refers to, has faults.
    #[error("the {} `{id}` ({origin}) has {}", kind.word(), count(faults.len()))]
    Broken {
        /// What was looked up.
        kind: Kind,
        /// The id asked for.
        id: String,
        /// Where it came from.
        origin: Origin,
        /// What is wrong.
        faults: Vec<Fault>,
    },
    /// It stands in the working directory or in a package, which is not trusted as it is.
    #[error("the {} `{id}` stands in `{}`, which {inertness}", kind.word(), origin.file)]
    Untrusted {
        /// What was looked up.
        kind: Kind,
        /// The id asked for.
        id: String,
        /// Where it came from.
        origin: Origin,
        /// Why it is inert.
        inertness: Inertness,
    },
}

fn count(faults: usize) -> String {
    if faults == 1 { "a fault".to_owned() } else { format!("{faults} faults") }
}

impl From<Miss> for Failure {
    fn from(miss: Miss) -> Self {
        let message = miss.to_string();
        let failure = |kind| Self::new(kind, message).with_residue(Residue::None);
        match miss {
            Miss::Unknown { kind, nearest, .. } => {
                let hint = match nearest {
                    Some(nearest) => format!("did you mean `{nearest}`?"),
                    None => format!("`sandboxer {} ls` lists what there is", kind.command()),
                };
                failure(ErrorKind::NotFound).with_hint(hint)
            }
            Miss::Broken { kind, id, faults, .. } => {
                let mut failure = failure(ErrorKind::InvalidInput);
                let hint = match faults.as_slice() {
                    [Fault { hint: Some(hint), .. }] => hint.clone(),
                    _ => format!("`sandboxer {} check {id}` shows the lines", kind.command()),
                };
                failure.causes = faults.iter().map(Fault::headline).collect();
                let faults = faults.iter().filter_map(|fault| serde_json::to_value(fault).ok()).collect();
                failure.details.insert("faults".to_owned(), serde_json::Value::Array(faults));
                failure.with_hint(hint)
            }
            Miss::Untrusted { origin, .. } => failure(ErrorKind::Precondition).with_hint(match &origin.package {
                None => "`sandboxer trust .` shows what this directory would be allowed, and allows it".to_owned(),
                Some(package) => format!(
                    "`sandboxer ext add` with the package makes it what it was; `sandboxer trust {}` shows what it would \
                     be allowed as it is, and allows it",
                    package.folder.display()
                ),
            }),
        }
    }
}
