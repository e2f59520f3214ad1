//! How a ready sandbox is reached.

use crate::{HostId, Object};
use serde::{Deserialize, Serialize};

/// What `wait_ready` returned; shown as `SandboxStatus.reachability`. Members it does not know pass through.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Reachability {
    /// `[user@]host[:port]` or `ssh://…`, never beginning with `-`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ssh: Option<String>,
    /// The workspace's path, there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote_dir: Option<String>,
    /// The machine it was placed on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<HostId>,
    /// The compose project, for a compose stack.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compose_project: Option<String>,
    /// A socket on which our agent already listens: `unix:/path`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_members_pass_through() {
        let text = r#"{"ssh":"me@box:22","host":"box","ports":{"80":8080}}"#;
        let reachability: Reachability = serde_json::from_str(text).expect("parses");
        assert_eq!(reachability.ssh.as_deref(), Some("me@box:22"));
        assert_eq!(serde_json::to_string(&reachability).expect("serializes"), text);
    }
}
