//! From a request to the record of an intent: everything that can be refused is refused here, before anything exists.

use crate::engine::Broker;
use crate::hosts::Spot;
use crate::state::Idempotency;
use crate::state::{Durability, Lease, Lifecycle, Operation, OperationKind, Record};
use sandboxer_types::{
    ErrorKind, ExtensionId, Failure, Profile, Residue, SandboxCreateRequest, SandboxId, TimeSpan, check_label_key,
};
use std::collections::BTreeMap;
use std::path::Path;

impl Broker {
    /// The record that `request` asks for, on that host, owned by this process and not yet written down.
    pub(crate) fn intend(&self, request: &SandboxCreateRequest, spot: Spot) -> Result<Record, Failure> {
        let entry = self.parts.catalog.profile(&request.profile).map_err(Failure::from)?;
        let mut profile = entry.profile.clone();
        expand_home(&mut profile, self.parts.home.as_deref())?;
        let extension = chosen_extension(&profile)?;
        let declared = self.parts.catalog.extension(&extension).map_err(Failure::from)?;
        let inputs = crate::catalog::validate_inputs(declared, entry, &request.inputs)?;
        refuse_what_is_not_built(&profile)?;
        let span = lease_span(&profile, request.ttl)?;
        let labels = merged_labels(&profile, &request.labels)?;
        Ok(Record {
            sandbox_id: request.sandbox_id.clone().unwrap_or_else(|| SandboxId::from_ulid(self.parts.ids.fresh())),
            name: request.name.clone(),
            isolation: declared.manifest.capabilities.isolation_levels.first().cloned(),
            profile,
            extension,
            host: spot.host,
            ssh: spot.ssh,
            consumer: request.consumer.clone(),
            inputs,
            labels,
            created_at: self.parts.clock.now(),
            ready_at: None,
            closed_at: None,
            lease: Lease::from_now(self.parts.clock.as_ref(), span),
            tether: request.tether,
            idempotency: idempotency(request)?,
            ambiguous: false,
            durability: Durability::PowerLoss,
            lifecycle: Lifecycle::Planned,
            operation: Some(Operation { kind: OperationKind::Create, by: self.parts.process.clone() }),
            epoch: 1,
        })
    }
}

fn chosen_extension(profile: &Profile) -> Result<ExtensionId, Failure> {
    profile.extension.clone().ok_or_else(|| {
        Failure::new(ErrorKind::Unsupported, format!("`{}` lists candidates, and routing is not there yet", profile.id))
            .with_residue(Residue::None)
            .with_hint("name one `extension` in the profile")
    })
}

/// Writes out the `~` of exposed folders: an extension knows nobody's home.
fn expand_home(profile: &mut Profile, home: Option<&Path>) -> Result<(), Failure> {
    for expose in &mut profile.expose {
        let Some(rest) = expose.path.strip_prefix('~').filter(|rest| rest.is_empty() || rest.starts_with('/')) else {
            continue;
        };
        let home = home.and_then(Path::to_str).ok_or_else(|| {
            Failure::new(
                ErrorKind::Precondition,
                format!("`{}` is exposed, and no home directory is known", expose.path),
            )
            .with_residue(Residue::None)
            .with_hint("set HOME, or write an absolute path in the profile")
        })?;
        expose.path = format!("{}{rest}", home.trim_end_matches('/'));
    }
    Ok(())
}

fn refuse_what_is_not_built(profile: &Profile) -> Result<(), Failure> {
    if profile.secrets.is_empty() {
        return Ok(());
    }
    Err(Failure::new(
        ErrorKind::Unsupported,
        format!("`{}` asks for secrets, which cannot be handed over yet", profile.id),
    )
    .with_residue(Residue::None)
    .with_hint("remove `secrets` from the profile"))
}

/// How long the sandbox may live: what was asked for, within what the profile allows.
pub(super) fn lease_span(profile: &Profile, asked: Option<TimeSpan>) -> Result<TimeSpan, Failure> {
    let span = asked.unwrap_or(profile.ttl.default);
    if span > profile.ttl.max {
        return Err(Failure::invalid_input(format!(
            "a time to live of {span} is more than the {} that `{}` allows",
            profile.ttl.max, profile.id
        ))
        .with_field("ttl", format!("at most {}", profile.ttl.max))
        .with_hint("ask for less, or raise `ttl.max` in the profile"));
    }
    if span.as_duration().is_zero() {
        return Err(Failure::invalid_input("a time to live of nothing is over before it begins")
            .with_field("ttl", "more than 0s"));
    }
    Ok(span)
}

fn merged_labels(profile: &Profile, asked: &BTreeMap<String, String>) -> Result<BTreeMap<String, String>, Failure> {
    let mut labels = profile.labels.clone();
    for (key, value) in asked {
        check_label_key(key)
            .map_err(|fault| Failure::invalid_input(fault.to_string()).with_field("labels", fault.to_string()))?;
        if value.len() > 256 || value.chars().any(char::is_control) {
            return Err(Failure::invalid_input(format!("the value of the label `{key}` is not valid"))
                .with_field("labels", "at most 256 bytes without control characters"));
        }
        labels.insert(key.clone(), value.clone());
    }
    Ok(labels)
}

fn idempotency(request: &SandboxCreateRequest) -> Result<Option<Idempotency>, Failure> {
    let Some(key) = &request.idempotency_key else { return Ok(None) };
    if key.is_empty() || key.len() > 256 || key.chars().any(char::is_control) {
        return Err(Failure::invalid_input("the idempotency key is not valid")
            .with_field("idempotency_key", "1 to 256 bytes without control characters"));
    }
    Ok(Some(Idempotency { key: key.clone(), request_digest: digest(request)? }))
}

/// What two requests must share to be the same: everything but the process that happens to ask.
fn digest(request: &SandboxCreateRequest) -> Result<String, Failure> {
    let mut compared = request.clone();
    compared.tether = None;
    let text = serde_json::to_vec(&compared)
        .map_err(|error| Failure::new(ErrorKind::Internal, "the request cannot be written down").caused_by(&error))?;
    Ok(blake3::hash(&text).to_hex().to_string())
}
