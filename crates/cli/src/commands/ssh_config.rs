//! `sandboxer ssh-config`: what makes `ssh` reach sandboxes.

use super::Session;
use crate::config::{Config, make_private};
use crate::error::{CommandResult, local_fault};
use clap::Args;
use sandboxer_broker::ListFilter;
use sandboxer_ssh_server::HostKey;
use sandboxer_types::{Failure, SandboxStatus};
use serde_json::json;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

/// What stands behind an id or a name so that one block is enough for every sandbox.
pub(super) const DOMAIN: &str = ".sandboxer";
/// Whoever logs in so is the sandbox's own user.
pub(super) const OWN_USER: &str = "sandboxer";
/// What the known key is found by.
const KEY_ALIAS: &str = "sandboxer";
const KNOWN_HOSTS: &str = "known_hosts";
const HOST_KEY: &str = "host_key";

/// What `ssh-config` takes.
#[derive(Debug, Args)]
pub(crate) struct SshConfigArguments {
    /// An id, a unique prefix or suffix of one, or a name; without one, every sandbox there is and will be
    id: Option<String>,
}

/// Prints it.
pub(crate) async fn ssh_config(session: &Session<'_>, arguments: &SshConfigArguments) -> CommandResult<ExitCode> {
    let blocks = Blocks::new(&session.config)?;
    host_key(&session.config)?;
    let mut text = String::new();
    match &arguments.id {
        Some(id) => {
            let id = session.control().resolve(id).await?;
            text.push_str(&blocks.of(&session.control().show(&id).await?));
        }
        None => {
            text.push_str(&blocks.of_all());
            for status in session.control().list(&ListFilter::default()).await? {
                text.push('\n');
                text.push_str(&blocks.of(&status));
            }
        }
    }
    Ok(session.output.data(&json!({ "config": text }), || text.clone()))
}

/// The key of our server, made where it lacks, and known to `ssh` from then on.
pub(super) fn host_key(config: &Config) -> CommandResult<HostKey> {
    let folder = config.ssh_server();
    make_private(&folder)?;
    let key = || -> std::io::Result<HostKey> {
        let key = HostKey::kept(&folder.join(HOST_KEY))?;
        let line = format!("{KEY_ALIAS} {}\n", key.public_line()?);
        let known = folder.join(KNOWN_HOSTS);
        if std::fs::read_to_string(&known).is_ok_and(|text| text == line) {
            return Ok(key);
        }
        let mut file = tempfile::NamedTempFile::new_in(&folder)?;
        file.write_all(line.as_bytes())?;
        file.persist(&known)?;
        Ok(key)
    };
    Ok(key()
        .map_err(|error| local_fault(format!("use the key of the ssh server in `{}`", folder.display()), &error))?)
}

/// Blocks of a configuration of `ssh`.
struct Blocks {
    /// The words before the name of the sandbox, as a shell reads them, with the signs that `ssh` expands doubled.
    command: String,
    known_hosts: String,
}

impl Blocks {
    fn new(config: &Config) -> CommandResult<Self> {
        let program = std::env::current_exe().map_err(|error| local_fault("find this program", &error))?;
        let mut words = Vec::new();
        if let Some(file) = &config.ssh_config {
            words.extend(["env".to_owned(), format!("SANDBOXER_SSH_CONFIG={}", plain(file)?)]);
        }
        words.extend([plain(&program)?, "--quiet".to_owned(), "--state-dir".to_owned(), plain(&config.state)?]);
        for catalog in &config.catalogs {
            words.extend(["--catalog".to_owned(), plain(catalog)?]);
        }
        words.push("ssh-proxy".to_owned());
        let command: Vec<String> = words.iter().map(|word| shell_word(word)).collect();
        Ok(Self { command: command.join(" "), known_hosts: quoted(&config.ssh_server().join(KNOWN_HOSTS))? })
    }

    /// One for all sandboxes. What a hostile link could smuggle out of the quotes is no name of ours.
    fn of_all(&self) -> String {
        let text = format!("# Sandboxes of this state directory: `ssh NAME{DOMAIN}`, with a name or an id.\n");
        text + &self.block(&format!("*{DOMAIN} \"!*'*\""), "'%h'")
    }

    fn of(&self, status: &SandboxStatus) -> String {
        let id = status.sandbox_id.as_str();
        let names = status.name.as_ref().map_or_else(|| id.to_owned(), |name| format!("{name} {id}"));
        self.block(&names, id)
    }

    fn block(&self, patterns: &str, sandbox: &str) -> String {
        let mut text = format!("Host {patterns}\n");
        let options = [
            ("ProxyCommand", format!("{} -- {sandbox}", self.command)),
            ("User", OWN_USER.to_owned()),
            ("HostKeyAlias", KEY_ALIAS.to_owned()),
            ("UserKnownHostsFile", self.known_hosts.clone()),
            ("GlobalKnownHostsFile", "/dev/null".to_owned()),
            ("StrictHostKeyChecking", "yes".to_owned()),
            ("HostKeyAlgorithms", "ssh-ed25519".to_owned()),
            ("UpdateHostKeys", "no".to_owned()),
            ("CheckHostIP", "no".to_owned()),
            ("Compression", "no".to_owned()),
        ];
        for (option, value) in options {
            // Writing to a string cannot fail.
            if writeln!(text, "  {option} {value}").is_err() {
                break;
            }
        }
        text
    }
}

/// A path that can stand in a line.
fn plain(path: &Path) -> CommandResult<String> {
    let text = path.to_str().filter(|text| !text.chars().any(char::is_control));
    Ok(text.map(str::to_owned).ok_or_else(|| unwritable(path))?)
}

/// A path as an argument of an option, which expands some signs and cannot be told not to expand others.
fn quoted(path: &Path) -> CommandResult<String> {
    let text = plain(path)?;
    if text.contains(['"', '\\']) || text.contains("${") {
        return Err(unwritable(path).into());
    }
    Ok(format!("\"{}\"", text.replace('%', "%%")))
}

fn unwritable(path: &Path) -> Failure {
    Failure::invalid_input(format!("`{}` cannot stand in a configuration of ssh", path.display()))
        .with_hint("name another directory with `--state-dir` or SANDBOXER_STATE")
}

/// A word as shells read it back, with the sign that `ssh` expands doubled.
fn shell_word(word: &str) -> String {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "/._-=:@+,".contains(letter);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''").replace('%', "%%"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_come_back_from_a_shell() {
        for (word, written) in [
            ("/usr/bin/sandboxer", "/usr/bin/sandboxer"),
            ("", "''"),
            ("/my work", "'/my work'"),
            ("it's", r"'it'\''s'"),
            ("100%h", "'100%%h'"),
            ("$(id)", "'$(id)'"),
        ] {
            assert_eq!(shell_word(word), written);
        }
    }

    #[test]
    fn paths_that_ssh_would_change_are_refused() {
        assert_eq!(quoted(Path::new("/a b/50%")).ok().as_deref(), Some("\"/a b/50%%\""));
        for path in ["/a\"b", "/a\\b", "/a\nb", "/${HOME}"] {
            assert!(quoted(Path::new(path)).is_err(), "{path}");
        }
    }
}
