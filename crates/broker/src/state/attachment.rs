//! What of ours is on the machine that a sandbox is reached through.

use sandboxer_reach::Route;
use sandboxer_types::{ErrorKind, Failure, Reachability, Residue, SshDestination, SshDestinationFault};
use serde::{Deserialize, Serialize};

/// What is done on the machine that a sandbox is reached through, written down before it is done: a lease of the sandbox's
/// id is placed there. As long as it stands in a record, a detach is owed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// Where ssh finds the machine; this one when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ssh: Option<SshDestination>,
    /// The machine to go through, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jump: Option<SshDestination>,
    /// Whether the machine is the sandbox itself, and need not be there any more once its extension has removed it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub owns_machine: bool,
    /// What the machine runs when the lease runs out; when empty, it only ends what runs there under the sandbox's name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expire: Vec<String>,
}

/// An attachment that was made, and how it turned out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attached {
    /// What was written down before.
    #[serde(flatten)]
    pub attachment: Attachment,
    /// How it turned out.
    #[serde(flatten)]
    pub standing: Standing,
}

/// How an attachment turned out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// What commands and files go by.
    pub session: SessionKind,
    /// Why nobody on the machine holds the lease, where nobody does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unheld: Option<String>,
}

/// What commands and files go by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionKind {
    /// Our agent.
    Agent,
    /// The machine's shell alone, since no agent can run there.
    Plain,
}

impl From<sandboxer_reach::SessionKind> for SessionKind {
    fn from(kind: sandboxer_reach::SessionKind) -> Self {
        match kind {
            sandboxer_reach::SessionKind::Agent => Self::Agent,
            sandboxer_reach::SessionKind::Plain => Self::Plain,
        }
    }
}

impl Attachment {
    /// What a sandbox of this reachability needs; `None` where it is not reached through a machine.
    ///
    /// # Errors
    ///
    /// `contract_violation` where an address is none.
    pub fn of(reachability: &Reachability) -> Result<Option<Self>, Failure> {
        let Some(route) = Route::of(reachability).map_err(|fault| not_an_address(&fault))? else { return Ok(None) };
        let (ssh, jump) = match route {
            Route::Here => (None, None),
            Route::Ssh { destination, jump } => (Some(destination), jump),
        };
        // This machine is nobody's sandbox.
        let owns_machine = reachability.owns_machine && ssh.is_some();
        let expire = reachability.expire.clone().unwrap_or_default();
        Ok(Some(Self { ssh, jump, owns_machine, expire }))
    }

    /// Where the machine is.
    pub fn route(&self) -> Route {
        match &self.ssh {
            Some(destination) => Route::Ssh { destination: destination.clone(), jump: self.jump.clone() },
            None => Route::Here,
        }
    }
}

impl Attached {
    /// Whether the machine holds a lease.
    pub const fn is_held(&self) -> bool {
        self.standing.unheld.is_none()
    }

    /// What is to be undone of it: nothing where nobody holds a lease.
    pub fn owed(self) -> Option<Attachment> {
        if self.is_held() { Some(self.attachment) } else { None }
    }
}

fn not_an_address(fault: &SshDestinationFault) -> Failure {
    Failure::new(ErrorKind::ContractViolation, fault.to_string())
        .with_residue(Residue::Present)
        .with_hint(SshDestination::FORMS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::Lifecycle;
    use serde_json::json;

    #[test]
    fn what_an_older_version_wrote_is_read_as_nothing_attached() {
        let handle = json!({"sandbox_id": "a", "host": "localhost"});
        let read = |value| serde_json::from_value::<Lifecycle>(value).expect("readable");
        let ready = read(json!({"state": "ready", "handle": handle, "reachability": {"ssh": "box"}}));
        assert_eq!(ready.attached(), None);
        let torn = read(json!({"state": "tearing_down", "handle": handle, "reason": "requested"}));
        assert!(matches!(torn, Lifecycle::TearingDown { attachment: None, .. }));
    }

    #[test]
    fn only_what_leads_through_a_machine_is_attached() {
        let of = |ssh: Option<&str>, enter: Option<&str>| {
            let enter = enter.map(|word| vec![word.to_owned()]);
            let jump = Some("gate".to_owned());
            let reachability = Reachability { ssh: ssh.map(str::to_owned), enter, jump, ..Reachability::default() };
            Attachment::of(&reachability).map(|found| found.map(|found| found.route().to_string()))
        };
        assert_eq!(of(None, None), Ok(None));
        assert_eq!(of(Some("me@box"), None), Ok(Some("me@box through gate".to_owned())));
        assert_eq!(of(None, Some("docker")), Ok(Some("this machine".to_owned())), "no way, no gate on it");
        assert_eq!(of(Some("a b"), None).expect_err("no address").kind, ErrorKind::ContractViolation);
    }
}
