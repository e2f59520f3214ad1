//! How a ready sandbox is reached.

use crate::id::quote_shortened;
use crate::{HostId, Object};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What `wait_ready` returned; shown as `SandboxStatus.reachability`. Members it does not know pass through.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Reachability {
    /// `[user@]host[:port]` or `ssh://…`, never beginning with `-`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(regex(pattern = r"^[^\s-]\S*$")))]
    pub ssh: Option<String>,
    /// The workspace's path, there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(min = 1)))]
    pub remote_dir: Option<String>,
    /// The machine it was placed on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<HostId>,
    /// The compose project, for a compose stack.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(min = 1)))]
    pub compose_project: Option<String>,
    /// A socket on which our agent already listens: `unix:/path`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(regex(pattern = "^unix:/")))]
    pub agent: Option<String>,
    /// The machine to go through on the way to `ssh`, written as that is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(regex(pattern = r"^[^\s-]\S*$")))]
    pub jump: Option<String>,
    /// Whether the machine at `ssh` is the sandbox itself, and goes with it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub owns_machine: bool,
    /// Words to put before a command so that it enters the sandbox from the ssh host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::Words>"))]
    pub enter: Option<Vec<String>>,
    /// Where commands start, inside. Otherwise in `remote_dir`, and in a sandbox that is entered by `enter` where that leads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(regex(pattern = "^/")))]
    pub workdir: Option<String>,
    /// Where our agent is inside, for a sandbox that is entered by `enter` and has it already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(regex(pattern = "^/")))]
    pub agent_path: Option<String>,
    /// Words of a command that removes the sandbox from the ssh host, without us.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::Words>"))]
    pub expire: Option<Vec<String>>,
    /// Words of a command of the ssh host, or of this machine without one, that prints what the sandbox's services said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::Words>"))]
    pub logs: Option<Vec<String>>,
    /// The same for a command that goes on printing what they say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::Words>"))]
    pub logs_follow: Option<Vec<String>>,
    /// Where a service of the sandbox is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(regex(pattern = r"^\S+$")))]
    pub url: Option<String>,
    /// Where its ports are, as the extension puts it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ports: Option<Value>,
    /// The isolation in force, when it differs from what the manifest says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub isolation: Option<crate::IsolationLevel>,
    /// Limits that were asked for and are not in force, each in a sentence.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub limits_unenforced: Vec<String>,
    /// Whatever else the extension says.
    #[serde(flatten)]
    pub other: Object,
}

/// The reachability breaks the contract.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the reachability's `{member}` {fault}")]
pub struct ReachabilityFault {
    /// Which member.
    pub member: &'static str,
    /// What is wrong with it.
    pub fault: String,
}

impl Reachability {
    /// Checks what programs rely on: these texts become arguments of `ssh` and others, and paths on this machine. `host`
    /// is where the sandbox was placed.
    pub fn check(&self, host: &HostId) -> Result<(), ReachabilityFault> {
        for (member, text) in [("remote_dir", &self.remote_dir), ("compose_project", &self.compose_project)] {
            checked(member, text.as_deref(), check_line)?;
        }
        checked("ssh", self.ssh.as_deref(), check_ssh)?;
        checked("jump", self.jump.as_deref(), check_ssh)?;
        checked("agent_path", self.agent_path.as_deref(), check_path)?;
        checked("workdir", self.workdir.as_deref(), check_path)?;
        checked("url", self.url.as_deref(), check_word)?;
        checked("agent", self.agent.as_deref(), check_agent)?;
        for (member, words) in
            [("enter", &self.enter), ("expire", &self.expire), ("logs", &self.logs), ("logs_follow", &self.logs_follow)]
        {
            checked(member, words.as_deref(), check_command)?;
        }
        checked("host", self.host.as_ref(), |found| {
            if found == host { Ok(()) } else { Err(format!("is `{found}`, but it was placed on `{host}`")) }
        })
    }
}

impl Reachability {
    /// The folder in which commands start, where it is not the sandbox's own affair.
    pub fn starting_folder(&self) -> Option<&str> {
        let beside = if self.enter.is_none() { self.remote_dir.as_deref() } else { None };
        self.workdir.as_deref().or(beside)
    }
}

fn checked<T>(
    member: &'static str,
    value: Option<T>,
    check: impl FnOnce(T) -> Result<(), String>,
) -> Result<(), ReachabilityFault> {
    value.map_or(Ok(()), check).map_err(|fault| ReachabilityFault { member, fault })
}

fn check_line(text: &str) -> Result<(), String> {
    if text.is_empty() {
        Err("is empty".to_owned())
    } else if text.chars().any(char::is_control) {
        Err(format!("has control characters: {}", quote_shortened(text)))
    } else {
        Ok(())
    }
}

fn check_word(text: &str) -> Result<(), String> {
    check_line(text)?;
    if text.chars().any(char::is_whitespace) {
        return Err(format!("has white space: {}", quote_shortened(text)));
    }
    Ok(())
}

/// An address that is handed to `ssh` must be one, and no option; nor may its user or host pass for one where the parts
/// are handed over one by one.
fn check_ssh(address: &str) -> Result<(), String> {
    check_word(address)?;
    let rest = address.strip_prefix("ssh://").unwrap_or(address);
    let (user, host) = rest.rsplit_once('@').map_or((None, rest), |(user, host)| (Some(user), host));
    for part in [Some(address), Some(rest), user, Some(host)].into_iter().flatten() {
        if part.is_empty() || part.starts_with('-') {
            return Err(format!("is not `[user@]host[:port]` or `ssh://…`: {}", quote_shortened(address)));
        }
    }
    Ok(())
}

fn check_path(path: &str) -> Result<(), String> {
    check_line(path)?;
    if path.starts_with('/') { Ok(()) } else { Err(format!("is no absolute path: {}", quote_shortened(path))) }
}

fn check_agent(address: &str) -> Result<(), String> {
    check_line(address)?;
    match address.strip_prefix("unix:") {
        Some(path) if path.starts_with('/') => Ok(()),
        _ => Err(format!("is not `unix:` and an absolute path: {}", quote_shortened(address))),
    }
}

fn check_command(words: &[String]) -> Result<(), String> {
    if words.first().is_none_or(|program| program.is_empty() || program.starts_with('-')) {
        Err("does not begin with a program".to_owned())
    } else if words.iter().any(|word| word.contains('\0')) {
        Err("has a word with a NUL byte".to_owned())
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn reachability(value: Value) -> Reachability {
        serde_json::from_value(value).expect("parses")
    }

    #[test]
    fn unknown_members_pass_through() {
        let text = r#"{"ssh":"me@box:22","host":"box","ports":{"80":8080},"mood":"good"}"#;
        let reachability: Reachability = serde_json::from_str(text).expect("parses");
        assert_eq!(reachability.ssh.as_deref(), Some("me@box:22"));
        assert_eq!(serde_json::to_string(&reachability).expect("serializes"), text);
    }

    #[test]
    fn what_the_protocol_allows_is_accepted() {
        for sound in [
            json!({}),
            json!({"ssh": "box"}),
            json!({"ssh": "me@box:22", "host": "localhost", "remote_dir": "/home/me/my work"}),
            json!({"ssh": "ssh://me@[::1]:2222"}),
            json!({"agent": "unix:/run/user/1000/agent.sock"}),
            json!({"enter": ["docker", "exec", "-i", "box"], "expire": ["docker", "rm", "-f", "box"]}),
            json!({"url": "https://box.example.org/", "ports": [80, 443]}),
        ] {
            assert_eq!(reachability(sound.clone()).check(&HostId::localhost()), Ok(()), "{sound}");
        }
    }

    #[test]
    fn commands_start_where_they_can() {
        let start = |value: Value| reachability(value).starting_folder().map(str::to_owned);
        assert_eq!(start(json!({"remote_dir": "/w"})), Some("/w".to_owned()));
        assert_eq!(start(json!({"remote_dir": "/w", "enter": ["docker", "exec", "-i", "x"]})), None);
        assert_eq!(start(json!({"remote_dir": "/w", "enter": ["sudo"], "workdir": "/v"})), Some("/v".to_owned()));
        assert_eq!(start(json!({})), None);
    }

    #[test]
    fn a_breach_is_said_with_its_member() {
        for (breach, member) in [
            (json!({"ssh": "-oProxyCommand=touch /tmp/x"}), "ssh"),
            (json!({"ssh": "ssh://-oProxyCommand=x"}), "ssh"),
            (json!({"ssh": "me@-oProxyCommand=x"}), "ssh"),
            (json!({"ssh": "-me@box"}), "ssh"),
            (json!({"ssh": "me@"}), "ssh"),
            (json!({"ssh": ""}), "ssh"),
            (json!({"ssh": "box rm"}), "ssh"),
            (json!({"ssh": "box\u{2028}x"}), "ssh"),
            (json!({"ssh": "box\u{1b}[2J"}), "ssh"),
            (json!({"agent": "/run/agent.sock"}), "agent"),
            (json!({"agent": "unix:run/agent.sock"}), "agent"),
            (json!({"agent": "unix:/run/\0"}), "agent"),
            (json!({"host": "elsewhere"}), "host"),
            (json!({"enter": []}), "enter"),
            (json!({"jump": "-oProxyCommand=id"}), "jump"),
            (json!({"agent_path": "agent"}), "agent_path"),
            (json!({"workdir": "work"}), "workdir"),
            (json!({"enter": ["-c"]}), "enter"),
            (json!({"logs": []}), "logs"),
            (json!({"logs_follow": ["-f"]}), "logs_follow"),
            (json!({"expire": ["rm", "a\0b"]}), "expire"),
            (json!({"url": "https://box/ x"}), "url"),
            (json!({"remote_dir": "/work\nspace"}), "remote_dir"),
        ] {
            let fault = reachability(breach.clone()).check(&HostId::localhost()).expect_err(&breach.to_string());
            assert_eq!(fault.member, member, "{breach}");
            assert!(!fault.to_string().chars().any(char::is_control), "{fault}");
        }
    }
}
