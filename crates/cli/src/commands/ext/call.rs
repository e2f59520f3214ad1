//! `sandboxer ext call`: send an extension one request, and see what travels.

use super::extension_id;
use crate::commands::Session;
use crate::commands::request::profile_id;
use crate::error::{CommandResult, local_fault};
use crate::ui::Output;
use crate::ui::text::harmless;
use clap::Args;
use sandboxer_broker::catalog::CatalogExtension;
use sandboxer_sdk::host::Trace;
use sandboxer_sdk::wire::Method;
use sandboxer_sdk::{Call, Clock, Ids, SystemClock, SystemIds};
use sandboxer_types::{
    ErrorKind, Failure, HostId, Object, OwnerId, Profile, Residue, SandboxId, TtlPolicy, nearest_word,
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::process::ExitCode;
use std::sync::Arc;

/// What `ext call` takes.
#[derive(Debug, Args)]
pub(crate) struct ExtCallArguments {
    /// The extension's id, with or without `ext.`
    extension: String,
    /// The verb, such as `describe` or `provision`
    verb: String,
    /// Members of the request, as a JSON object or `@FILE`; what is left out is filled in
    #[arg(long, value_name = "JSON|@FILE", default_value = "{}")]
    params: String,
    /// The profile to send, where the verb takes one; a bare one otherwise
    #[arg(long, value_name = "PROFILE")]
    profile: Option<String>,
}

/// Says each line on the standard error as it travels.
struct Shown(Output);

impl Trace for Shown {
    fn sent(&self, line: &str) {
        self.0.note(&format!("→ {}", harmless(line)));
    }

    fn received(&self, line: &str) {
        self.0.note(&format!("← {}", harmless(line)));
    }

    fn said(&self, line: &str) {
        self.0.note(&format!("! {}", harmless(line)));
    }
}

/// Sends the request, and prints its result.
pub(super) async fn ext_call(session: &Session<'_>, arguments: ExtCallArguments) -> CommandResult<ExitCode> {
    let method = method(&arguments.verb)?;
    let catalog = session.engine.broker.catalog();
    let extension = catalog.extension(&extension_id(&arguments.extension)?).map_err(Failure::from)?;
    let given = params(&arguments.params)?;
    let profile = match &arguments.profile {
        Some(profile) => catalog.profile(&profile_id(profile)?).map_err(Failure::from)?.profile.clone(),
        None => bare_profile(extension)?,
    };
    let opened = session.engine.hosting.open_traced(extension, Arc::new(Shown(*session.output)));
    let hosted = tokio::select! {
        hosted = opened => hosted?,
        () = session.interrupts.cancel.cancelled() => {
            let failure = Failure::new(ErrorKind::Cancelled, "cancelled before anything was sent");
            return Err(failure.with_residue(Residue::None).into());
        }
    };
    let call = call(session, extension, method, &given)?;
    let members = filled(given, &call, &profile)?;
    let answered = hosted.ask_by_hand(&call, method, members).await;
    hosted.stop().await;
    let result = answered?;
    if matches!(method, Method::Provision | Method::Restore | Method::Fork) {
        session.output.warning(&format!(
            "nothing keeps a record of `{id}`; remove it with `sandboxer ext call {extension} teardown --params \
             '{{\"sandbox_id\":\"{id}\"}}'`",
            id = call.sandbox_id,
            extension = extension.id(),
        ));
    }
    Ok(session.output.data(&result, || serde_json::to_string_pretty(&result).unwrap_or_else(|_| result.to_string())))
}

fn method(text: &str) -> CommandResult<Method> {
    text.parse().map_err(|_| {
        let words = Method::ALL.iter().map(|method| method.as_str());
        let fault = Failure::invalid_input(format!("there is no verb `{}`", harmless(text)));
        match nearest_word(text, words.clone()) {
            Some(near) => fault.with_hint(format!("did you mean `{near}`?")),
            None => fault.with_hint(format!("there are {}", words.collect::<Vec<_>>().join(", "))),
        }
        .into()
    })
}

fn params(text: &str) -> CommandResult<Object> {
    let text = match text.strip_prefix('@') {
        Some(path) => std::fs::read_to_string(path)
            .map_err(|error| local_fault(format!("read the params from `{}`", harmless(path)), &error))?,
        None => text.to_owned(),
    };
    match serde_json::from_str(&text) {
        Ok(Value::Object(members)) => Ok(members),
        Ok(_) => Err(bad_params("they are no JSON object")),
        Err(error) => Err(bad_params(&error.to_string())),
    }
}

fn bad_params(why: &str) -> crate::error::CommandError {
    Failure::invalid_input(format!("the params cannot be read: {why}"))
        .with_hint(r#"write them as `--params '{"inputs":{"size":1}}'`, or as `--params @FILE`"#)
        .into()
}

fn bare_profile(extension: &CatalogExtension) -> CommandResult<Profile> {
    let value = json!({"id": "profile.by-hand", "extension": extension.id(), "ttl": TtlPolicy::default()});
    let profile = serde_json::from_value(value);
    profile.map_err(|error| Failure::invalid_input(error.to_string()).into())
}

/// The surroundings of the request. Members of the params that belong there replace what would be filled in.
fn call(session: &Session<'_>, extension: &CatalogExtension, method: Method, given: &Object) -> CommandResult<Call> {
    let sandbox_id = member(given, "sandbox_id")?.unwrap_or_else(|| SandboxId::from_ulid(SystemIds.fresh()));
    let mut call = session.engine.broker.single_call(extension, method.as_str(), sandbox_id)?;
    call.cancel = session.interrupts.cancel.clone();
    call.config.extend(member::<Object>(given, "config")?.unwrap_or_default());
    call.secrets.extend(member::<std::collections::BTreeMap<_, _>>(given, "secrets")?.unwrap_or_default());
    call.labels.extend(member::<std::collections::BTreeMap<_, _>>(given, "labels")?.unwrap_or_default());
    call.intent = member(given, "intent")?;
    let host: Option<HostId> = member(given, "host")?;
    call.ssh = session.engine.broker.ssh_of_host(host.as_ref())?;
    Ok(call)
}

fn member<T: DeserializeOwned>(given: &Object, name: &str) -> CommandResult<Option<T>> {
    let Some(value) = given.get(name) else { return Ok(None) };
    serde_json::from_value(value.clone()).map(Some).map_err(|error| {
        Failure::invalid_input(format!("the params cannot be used: {error}")).with_field(name, error.to_string()).into()
    })
}

/// The members of the question, with whatever was left out.
fn filled(given: Object, call: &Call, profile: &Profile) -> CommandResult<Object> {
    let host: HostId = member(&given, "host")?.unwrap_or_else(HostId::localhost);
    let owner: &OwnerId = &call.owner;
    let ttl = profile.ttl.default.as_duration();
    let expires_at = SystemClock.now().checked_add(ttl).map_err(|error| Failure::invalid_input(error.to_string()))?;
    let milliseconds = u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX);
    let handle = json!({"sandbox_id": call.sandbox_id, "host": host});
    let defaults = json!({
        "host": host, "profile": profile, "inputs": profile.inputs.defaults, "handle": handle, "source": handle,
        "ttl_ms": milliseconds, "expires_at": expires_at, "duration_ms": milliseconds, "reason": "requested",
        "owner": owner, "draft": null, "page": null, "kind": "filesystem",
    });
    let Value::Object(mut members) = defaults else {
        return Err(Failure::invalid_input("the params cannot be filled in").with_residue(Residue::None).into());
    };
    members.extend(given);
    Ok(members)
}
