//! What `ext` and `profile` share.

use crate::error::{CommandError, CommandResult};
use crate::ui::Output;
use sandboxer_broker::catalog::{Catalog, Listing, Miss, Origin};
use sandboxer_types::Failure;
use sandboxer_types::source::Fault;
use serde_json::{Value, json};
use std::process::ExitCode;

/// One row of a list: id, title, whether it can be used, and where it came from.
pub(super) struct Row {
    pub(super) id: String,
    pub(super) title: String,
    pub(super) status: String,
    pub(super) origin: String,
}

impl Row {
    pub(super) fn of<T>(listing: &Listing<'_, T>, sound: impl Fn(&T) -> (String, String, Origin)) -> Self {
        match listing {
            Listing::Sound(thing) => {
                let (id, title, origin) = sound(thing);
                Self { id, title, status: "ok".to_owned(), origin: origin.to_string() }
            }
            Listing::Broken { id, origin, faults } => Self {
                id: (*id).to_owned(),
                title: String::new(),
                status: format!("broken ({})", faults.len()),
                origin: origin.to_string(),
            },
            Listing::Inert { id, origin, .. } => Self {
                id: (*id).to_owned(),
                title: String::new(),
                status: "not trusted".to_owned(),
                origin: origin.to_string(),
            },
        }
    }

    pub(super) fn json(&self) -> Value {
        json!({ "id": self.id, "title": self.title, "status": self.status, "origin": self.origin })
    }

    pub(super) fn cells(&self) -> [String; 4] {
        [self.id.clone(), self.status.clone(), self.title.clone(), self.origin.clone()]
    }
}

/// What is not there, or not trusted, has no faults to show; that must not look like having none.
pub(super) fn can_be_checked(miss: Option<Miss>) -> CommandResult<()> {
    match miss {
        Some(miss @ (Miss::Unknown { .. } | Miss::Untrusted { .. })) => Err(Failure::from(miss).into()),
        Some(Miss::Broken { .. }) | None => Ok(()),
    }
}

/// Prints every fault of the catalog that `concerns` accepts, and fails when there is one.
pub(super) fn check(catalog: &Catalog, output: &Output, concerns: impl Fn(&Fault) -> bool) -> CommandResult<ExitCode> {
    let faults: Vec<Fault> = catalog.check().into_iter().filter(concerns).collect();
    let data = json!({ "faults": faults });
    let code = output.data(&data, || {
        if faults.is_empty() {
            return "no faults".to_owned();
        }
        faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n\n")
    });
    if faults.is_empty() {
        return Ok(code);
    }
    let count = faults.len();
    let what = if count == 1 { "1 fault".to_owned() } else { format!("{count} faults") };
    Err(CommandError::from(Failure::invalid_input(format!("{what} in the catalog"))))
}
