//! Everything that bears a sandbox's id.

use sandboxer_sdk::Call;
use sandboxer_types::{Failure, Handle, OwnerId, SandboxId, SandboxMark};
use serde_json::Value;
use std::collections::BTreeMap;

/// Where our agent is in the containers of the service that commands enter.
pub(super) const AGENT_INSIDE: &str = "/.sandboxer/agent";
/// A folder in memory beside it, which anybody inside may write to.
pub(super) const AGENT_SOCKETS: &str = "/.sandboxer/run";
/// The label of everything that one sandbox is: whose it is and which.
pub(super) const MARK: &str = "sandboxer.compose";
/// The label of an image that one sandbox has built. Not [`MARK`]: who runs the image by hand makes no part of the sandbox.
pub(super) const BUILT: &str = "sandboxer.built";
/// The label of an exposed port's wish: the host ports that the compose file asked for.
pub(super) const ASKED_PORTS: &str = "sandboxer.ports";

const ROOT: &str = ".local/share/sandboxer/compose";

/// What a sandbox's things are called.
#[derive(Debug, Clone)]
pub(super) struct Names {
    id: SandboxId,
    owner: OwnerId,
    root: String,
}

impl Names {
    /// The names of `call`'s sandbox on a machine with that home.
    pub(super) fn of(call: &Call, home: &str) -> Result<Self, Failure> {
        Ok(Self { id: call.sandbox_id.clone(), owner: call.owner.clone(), root: root(call, home)? })
    }

    /// The same, when a handle says where it is.
    pub(super) fn of_handle(call: &Call, handle: &Handle) -> Option<Self> {
        let work = handle.text("remote_dir")?;
        let root = work.strip_suffix("/work")?.strip_suffix(call.sandbox_id.as_str())?.strip_suffix('/')?;
        let plain =
            root.starts_with('/') && !root.chars().any(char::is_control) && !root.split('/').any(|part| part == "..");
        plain.then(|| Self { id: call.sandbox_id.clone(), owner: call.owner.clone(), root: root.to_owned() })
    }

    pub(super) fn root(&self) -> &str {
        &self.root
    }

    pub(super) fn id(&self) -> &SandboxId {
        &self.id
    }

    /// Of the sandbox on its machine.
    pub(super) fn lease(&self) -> SandboxMark {
        SandboxMark::of(&self.id, &self.owner)
    }

    pub(super) fn owner(&self) -> &OwnerId {
        &self.owner
    }

    pub(super) fn project(&self) -> String {
        format!("sandboxer-{}", self.id)
    }

    pub(super) fn folder(&self) -> String {
        format!("{}/{}", self.root, self.id)
    }

    /// Something in the folder.
    pub(super) fn inside(&self, name: &str) -> String {
        format!("{}/{}/{name}", self.root, self.id)
    }

    /// The repository.
    pub(super) fn work(&self) -> String {
        self.inside("work")
    }

    /// The value of [`MARK`].
    pub(super) fn mark(&self) -> String {
        format!("{}/{}", self.owner, self.id)
    }

    /// The labels of everything that is made.
    pub(super) fn labels(&self, call: &Call) -> BTreeMap<String, String> {
        let mut labels = call.labels.clone();
        labels.insert("sandboxer.id".to_owned(), self.id.to_string());
        labels.insert("sandboxer.owner".to_owned(), self.owner.to_string());
        labels.insert(MARK.to_owned(), self.mark());
        labels
    }
}

/// The folder of all sandboxes: the manifest's `config.root`, below the home unless it is absolute.
fn root(call: &Call, home: &str) -> Result<String, Failure> {
    let asked = match call.config.get("root") {
        None => ROOT,
        Some(Value::String(root)) => root.as_str(),
        Some(_) => "",
    };
    let plain = |text: &str| !text.is_empty() && !text.chars().any(char::is_control) && !text.contains([':', ',', '$']);
    let stays = asked.split('/').all(|part| part != ".." && part != "." && !part.starts_with('-'));
    if !plain(asked) || !stays {
        return Err(Failure::invalid_input("`config.root` must be a folder's path without `..`, `:`, `,` and `$`")
            .with_field("config.root", "is no such path"));
    }
    let asked = asked.trim_end_matches('/');
    let root =
        if asked.starts_with('/') { asked.to_owned() } else { format!("{}/{asked}", home.trim_end_matches('/')) };
    let has_home = asked.starts_with('/') || home.starts_with('/') && home.len() > 1;
    if has_home && root.starts_with('/') && plain(&root) {
        Ok(root)
    } else {
        Err(super::failure::precondition("the login there has no home folder that sandboxes could be kept in")
            .with_hint("set `config: {root: /absolute/path}` in the manifest of `ext.compose-ssh`"))
    }
}

/// The id in a handle.
pub(super) fn id_of(handle: &Handle) -> Result<SandboxId, Failure> {
    let id = handle.text("sandbox_id").and_then(|id| id.parse().ok());
    id.ok_or_else(|| Failure::invalid_input("the handle has no valid `sandbox_id`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call() -> Call {
        let owner = "own01h00000000000000000000000".parse().unwrap_or_else(|fault| panic!("{fault}"));
        Call::detached("box-1".parse().expect("an id"), owner)
    }

    #[test]
    fn everything_is_named_after_the_id() {
        let names = Names::of(&call(), "/home/me").expect("plain");
        assert_eq!(names.project(), "sandboxer-box-1");
        assert_eq!(names.work(), "/home/me/.local/share/sandboxer/compose/box-1/work");
    }

    #[test]
    fn a_handle_says_where_only_its_own_sandbox_is() {
        let handle = |work: &str| Handle::from(sandboxer_types::Object::new()).with("remote_dir", work);
        let names = Names::of_handle(&call(), &handle("/srv/boxes/box-1/work")).expect("its own");
        assert_eq!(names.folder(), "/srv/boxes/box-1");
        for work in ["/srv/boxes/box-2/work", "/srv/../box-1/work", "boxes/box-1/work", "/srv/box-1", "/srvbox-1/work"]
        {
            assert!(Names::of_handle(&call(), &handle(work)).is_none(), "{work}");
        }
    }

    #[test]
    fn a_root_that_leads_elsewhere_or_confuses_a_mount_is_refused() {
        for root in ["../x", "/srv/../x", "", "a:b", "-x", "a\nb"] {
            let mut call = call();
            call.config.insert("root".to_owned(), root.into());
            Names::of(&call, "/home/me").expect_err(root);
        }
        let mut absolute = call();
        absolute.config.insert("root".to_owned(), "/srv/boxes/".into());
        assert_eq!(Names::of(&absolute, "/home/me").expect("absolute").folder(), "/srv/boxes/box-1");
        Names::of(&call(), "").expect_err("no home");
    }
}
