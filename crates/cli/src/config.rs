//! Settings from the environment. Nothing else reads it.

use crate::args::Global;
use crate::error::{CommandResult, local_fault};
use sandboxer_types::{ConsumerName, ErrorKind, Failure, Residue};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

#[allow(clippy::disallowed_methods, reason = "this is the one place that reads the environment")]
fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// Where things are, and who asks.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    /// What must survive.
    pub(crate) state: PathBuf,
    /// The user's own extensions, profiles and trust.
    pub(crate) config: PathBuf,
    /// Where the command was typed.
    pub(crate) working_directory: PathBuf,
    /// Directories given by `--catalog`.
    pub(crate) catalogs: Vec<PathBuf>,
    /// A configuration of ssh's instead of the user's and the system's.
    pub(crate) ssh_config: Option<PathBuf>,
}

impl Config {
    /// Reads the environment.
    pub(crate) fn read(global: &Global) -> CommandResult<Self> {
        let working_directory =
            std::env::current_dir().map_err(|error| local_fault("tell the working directory", &error))?;
        // Not by the parser: that would show the option in every usage line as if it had been typed.
        let given = global.state_dir.clone().or_else(|| variable("SANDBOXER_STATE").map(PathBuf::from));
        let state = match given {
            Some(given) => working_directory.join(given),
            None => xdg("XDG_STATE_HOME", ".local/state")?,
        };
        let catalogs = global.catalog.iter().map(|given| working_directory.join(given)).collect();
        let ssh_config = variable("SANDBOXER_SSH_CONFIG").map(|given| working_directory.join(given));
        Ok(Self { state, config: xdg("XDG_CONFIG_HOME", ".config")?, working_directory, catalogs, ssh_config })
    }

    /// The file that keeps what is trusted.
    pub(crate) fn trust_book(&self) -> PathBuf {
        self.config.join("trust.json")
    }

    /// The packages of extensions that were added.
    pub(crate) fn packages(&self) -> PathBuf {
        self.config.join("packages")
    }

    /// The files that hold the secrets of extensions.
    pub(crate) fn secrets(&self) -> PathBuf {
        self.config.join("secrets")
    }

    /// Makes the state directory, closed to others, where it is missing.
    pub(crate) fn prepare_state(&self) -> CommandResult<()> {
        make_private(&self.state)?;
        make_private(&self.processes())?;
        make_private(&self.here())?;
        make_private(&self.local())
    }

    /// The locks of living processes.
    pub(crate) fn processes(&self) -> PathBuf {
        self.state.join("processes")
    }

    /// The sandboxes of `ext.local`.
    pub(crate) fn local(&self) -> PathBuf {
        self.state.join("local")
    }

    /// The Python package, and virtual environments.
    pub(crate) fn python(&self) -> PathBuf {
        self.state.join("python")
    }

    /// What ssh needs: control sockets, logs, the keys of machines.
    pub(crate) fn ssh(&self) -> PathBuf {
        self.state.join("ssh")
    }

    /// The sockets of this machine's own daemon, for sandboxes that are entered from here.
    pub(crate) fn here(&self) -> PathBuf {
        self.state.join("here")
    }

    /// What our own ssh server needs: its key, and what comes faster than it is taken.
    pub(crate) fn ssh_server(&self) -> PathBuf {
        self.state.join("ssh-server")
    }

    /// The runs of the conformance suite, a folder an extension.
    pub(crate) fn conformance(&self) -> PathBuf {
        self.state.join("conformance")
    }

    /// The store.
    pub(crate) fn store(&self) -> PathBuf {
        self.state.join("store.sqlite")
    }
}

/// Makes a directory, closed to others, where it is missing.
pub(crate) fn make_private(folder: &Path) -> CommandResult<()> {
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(|error| state_fault(folder, &error))?;
    let metadata = std::fs::metadata(folder).map_err(|error| state_fault(folder, &error))?;
    let mode = metadata.permissions().mode();
    if mode & 0o077 != 0 {
        std::fs::set_permissions(folder, std::fs::Permissions::from_mode(mode & 0o7700))
            .map_err(|error| state_fault(folder, &error))?;
    }
    Ok(())
}

fn state_fault(folder: &Path, error: &std::io::Error) -> Failure {
    local_fault(format!("use the state directory `{}`", folder.display()), error)
        .with_hint("name a directory you can write to with `--state-dir` or SANDBOXER_STATE")
}

fn xdg(name: &str, fallback: &str) -> CommandResult<PathBuf> {
    let base = match variable(name).map(PathBuf::from).filter(|path| path.is_absolute()) {
        Some(base) => base,
        None => home()?.join(fallback),
    };
    Ok(base.join("sandboxer"))
}

/// The home directory of who runs this.
pub(crate) fn home() -> CommandResult<PathBuf> {
    variable("HOME").map(PathBuf::from).filter(|path| path.is_absolute()).ok_or_else(|| {
        Failure::new(ErrorKind::Precondition, "HOME is not set to an absolute path")
            .with_residue(Residue::None)
            .with_hint("set HOME, or both XDG_STATE_HOME and XDG_CONFIG_HOME")
            .into()
    })
}

/// Who asks: `SANDBOXER_CONSUMER`, else `user:` and the name of the user.
pub(crate) fn consumer(given: Option<ConsumerName>) -> CommandResult<ConsumerName> {
    if let Some(given) = given {
        return Ok(given);
    }
    let name = match variable("SANDBOXER_CONSUMER") {
        Some(name) => name.to_string_lossy().into_owned(),
        None => match variable("USER").or_else(|| variable("LOGNAME")) {
            Some(user) => format!("user:{}", user.to_string_lossy()),
            None => format!("uid:{}", rustix::process::getuid().as_raw()),
        },
    };
    name.parse().map_err(|fault: sandboxer_types::IdFault| Failure::invalid_input(fault.to_string()).into())
}

/// The variables that hold secrets: nothing that is started gets them.
#[allow(clippy::disallowed_methods, reason = "this is the one place that reads the environment")]
pub(crate) fn secret_variables() -> Vec<OsString> {
    let names = std::env::vars_os().map(|(name, _)| name);
    names.filter(|name| name.as_encoded_bytes().starts_with(b"SANDBOXER_SECRET_")).collect()
}

/// What a login has set for its commands, as for those of the agent that it started: its search path, where its container
/// engine is. Not what is of the login itself, nor a secret.
#[allow(clippy::disallowed_methods, reason = "this is the one place that reads the environment")]
pub(crate) fn login_environment() -> BTreeMap<String, String> {
    let of_the_login =
        ["SSH_CLIENT", "SSH_CONNECTION", "SSH_TTY", "SSH_ORIGINAL_COMMAND", "TERM", "PWD", "OLDPWD", "SHLVL", "_"];
    let is_passed = |name: &String| !of_the_login.contains(&name.as_str()) && !name.starts_with("SANDBOXER_SECRET_");
    let text = |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value.into_string().ok()?));
    std::env::vars_os().filter_map(text).filter(|(name, _)| is_passed(name)).collect()
}

/// The environment of an extension's process: what every program needs, and what its manifest has passed on.
pub(crate) fn extension_environment<'a>(passed: impl Iterator<Item = &'a String>) -> Vec<(OsString, OsString)> {
    let names = ["PATH", "HOME", "TMPDIR"].into_iter().chain(passed.map(String::as_str));
    names.filter_map(|name| Some((name.into(), variable(name)?))).collect()
}

/// A secret of an extension, by the name of its variable.
pub(crate) fn secret_variable(name: &str) -> Option<OsString> {
    variable(name)
}

/// The terminal's type, which a shell inside should know.
pub(crate) fn terminal_type() -> Option<String> {
    variable("TERM").map(|term| term.to_string_lossy().into_owned())
}
