//! What is left to a person when an extension that made something cannot be called.

use crate::catalog::Miss;
use crate::state::{Lifecycle, Record};
use sandboxer_types::{CleanupReport, ExtensionId, Failure, OwnerId};

/// Why the catalog does not have an extension that it once had, in words.
pub(crate) fn why_missing(extension: &ExtensionId, miss: &Miss) -> String {
    let reason = match miss {
        Miss::Unknown { .. } => "its manifest is not there".to_owned(),
        Miss::Broken { origin, faults, id, .. } => {
            let first = faults.first().map(|fault| fault.headline()).unwrap_or_default();
            format!("its manifest ({origin}) is broken: {first}; `sandboxer ext check {id}` shows the lines")
        }
        Miss::Untrusted { origin, inertness, .. } => {
            format!("its manifest stands in `{}`, which {inertness}; `sandboxer trust .` allows it", origin.file)
        }
    };
    format!("`{extension}` cannot be called: {reason}")
}

/// Why an extension that the catalog has cannot be opened, in words.
pub(crate) fn why_closed(extension: &ExtensionId, failure: &Failure) -> String {
    let mut said = vec![failure.message.clone()];
    said.extend(failure.causes.iter().cloned());
    let mut why = format!("`{extension}` cannot be called: {}", said.join(": "));
    if let Some(hint) = &failure.hint {
        why.push_str(&format!(" ({hint})"));
    }
    why
}

/// The report of a teardown that nobody could be asked for: what to look for.
pub(crate) fn by_hand(record: &Record, owner: &OwnerId, why: String) -> CleanupReport {
    let (id, host) = (&record.sandbox_id, &record.host);
    let handle = serde_json::Value::Object(record.teardown_handle().members().clone());
    let mut report = CleanupReport {
        errors: vec![
            why,
            format!(
                "look on `{host}` for what is named after `{id}`, or bears the labels `sandboxer.id={id}` and \
                 `sandboxer.owner={owner}`"
            ),
            format!("what the extension knew of it: {handle}"),
        ],
        ..CleanupReport::default()
    };
    if let Lifecycle::TearingDown { attachment: Some(attachment), .. } = &record.lifecycle {
        let route = attachment.route();
        report.errors.push(format!("a lease named `{id}` may be held on {route}, where it ends by itself"));
    }
    report
}
