//! What `run` and `create` share: how a request is typed.

use crate::config::{Config, consumer};
use crate::error::{CommandResult, local_fault};
use clap::Args;
use sandboxer_types::{
    ConsumerName, ErrorKind, Failure, HostId, Object, ProfileId, SandboxCreateRequest, SandboxName, TimeSpan,
};
use serde_json::Value;
use std::path::Path;

/// The parts of a request.
#[derive(Debug, Args)]
pub(crate) struct RequestArguments {
    /// Directory or git URL to put at the sandbox's workspace; short for `-i repo=…`
    #[arg(long, value_name = "DIR|URL")]
    pub(crate) repo: Option<String>,
    /// An input of the profile; the value is JSON where it parses as such, else text
    #[arg(long = "input", short, value_name = "KEY=VALUE", value_parser = key_value)]
    pub(crate) inputs: Vec<(String, String)>,
    /// How long it may live, such as `30m`; the profile's default otherwise
    #[arg(long, value_name = "DURATION")]
    pub(crate) ttl: Option<TimeSpan>,
    /// Who it is for [default: SANDBOXER_CONSUMER, else the user's name]
    #[arg(long, value_name = "NAME")]
    pub(crate) consumer: Option<ConsumerName>,
    /// A nickname, unique among live sandboxes
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<SandboxName>,
    /// Where to place it
    #[arg(long, value_name = "HOST")]
    pub(crate) host: Option<HostId>,
    /// A label; repeatable
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = key_value)]
    pub(crate) labels: Vec<(String, String)>,
}

/// Splits `key=value`.
pub(crate) fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("write it as KEY=VALUE".to_owned()),
    }
}

/// Reads the name of a profile, with or without its `profile.`.
pub(crate) fn profile_id(text: &str) -> CommandResult<ProfileId> {
    ProfileId::from_short(text).map_err(|fault| {
        Failure::invalid_input(fault.to_string()).with_hint("`sandboxer profile ls` lists what there is").into()
    })
}

impl RequestArguments {
    /// The request that was typed.
    pub(crate) fn request(self, profile: &str, config: &Config) -> CommandResult<SandboxCreateRequest> {
        let mut request = SandboxCreateRequest::new(profile_id(profile)?, consumer(self.consumer)?);
        request.inputs = input_object(self.inputs, self.repo, &config.working_directory)?;
        request.ttl = self.ttl;
        request.name = self.name;
        request.host = self.host;
        request.labels = self.labels.into_iter().collect();
        Ok(request)
    }
}

/// The inputs that were typed; a relative directory to begin with is one of the working directory's.
pub(crate) fn input_object(
    typed: Vec<(String, String)>,
    repo: Option<String>,
    working_directory: &Path,
) -> CommandResult<Object> {
    let mut inputs = Object::new();
    for (key, value) in typed {
        let value = serde_json::from_str(&value).unwrap_or(Value::String(value));
        if inputs.insert(key.clone(), value).is_some() {
            return Err(Failure::invalid_input(format!("the input `{key}` is given twice")).into());
        }
    }
    if let Some(repo) = repo {
        if inputs.contains_key("repo") {
            return Err(Failure::invalid_input("`repo` is given twice, by `--repo` and by `-i`").into());
        }
        inputs.insert("repo".to_owned(), Value::String(repo));
    }
    if let Some(Value::String(repo)) = inputs.get_mut("repo") {
        *repo = absolute_repo(repo, working_directory)?;
    }
    Ok(inputs)
}

/// Makes a directory absolute, since only here it is known what a relative one is relative to. Leaves URLs alone.
fn absolute_repo(repo: &str, working_directory: &Path) -> CommandResult<String> {
    let path = working_directory.join(repo);
    // The working directory is `.`; nothing at all is for the extension's schema to refuse.
    if repo.is_empty() {
        return Ok(String::new());
    }
    let is_url = repo.contains("://") || (repo.contains(':') && !path.exists());
    if is_url {
        return Ok(repo.to_owned());
    }
    let path = path.canonicalize().map_err(|error| {
        local_fault(format!("read the directory `{}`", crate::ui::text::harmless(repo)), &error)
            .with_hint("`--repo` takes a directory, or a git URL such as https://example.org/app.git")
    })?;
    path.into_os_string().into_string().map_err(|path| {
        Failure::new(ErrorKind::InvalidInput, format!("the path `{}` is not UTF-8", path.display())).into()
    })
}
