//! What everything of a sandbox is called, derived from its id alone. Pure.

use super::mark::Mark;
use sandboxer_sdk::Call;
use sandboxer_types::{OwnerId, SandboxId, SandboxMark};

/// A sandbox's names on its machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Names {
    pub(super) owner: OwnerId,
    pub(super) id: SandboxId,
    /// The folder of workspaces: an absolute path.
    pub(super) base: String,
    pub(super) separate_users: bool,
}

impl Names {
    pub(super) fn folder(&self) -> String {
        format!("{}/{}", self.base.trim_end_matches('/'), self.id)
    }

    pub(super) fn workspace(&self) -> String {
        format!("{}/work", self.folder())
    }

    /// What the folder is called until its mark is in it.
    pub(super) fn unfinished(&self) -> String {
        unfinished(&self.owner, &self.id)
    }

    /// The account of the sandbox alone, where it has one.
    pub(super) fn account(&self) -> Option<String> {
        self.separate_users.then(|| account(&self.owner, &self.id))
    }

    /// First line of the folder's mark, and the account's comment.
    pub(super) fn label(&self) -> String {
        Mark::line(&self.owner, &self.id)
    }

    /// What its processes and its lease are called there.
    pub(super) fn mark(&self) -> SandboxMark {
        SandboxMark::of(&self.id, &self.owner)
    }

    /// The words of a command of the machine's that removes the sandbox: everything that bears its name and its label.
    pub(super) fn end(&self, agent: &str, root: &[String]) -> Vec<String> {
        let unfinished = format!("{}/{}", self.base.trim_end_matches('/'), self.unfinished());
        let mut words: Vec<String> = if self.separate_users { root.to_vec() } else { Vec::new() };
        words.extend([agent, "agent", "--end", self.mark().as_str(), "--label", &self.label()].map(str::to_owned));
        words.extend(["--remove-labelled".to_owned(), self.folder(), "--remove".to_owned(), unfinished]);
        if let Some(account) = self.account() {
            words.extend(["--account".to_owned(), account]);
        }
        words
    }
}

/// The lease of the sandbox that a call is about.
pub(super) fn lease(call: &Call) -> SandboxMark {
    SandboxMark::of(&call.sandbox_id, &call.owner)
}

pub(super) fn unfinished(owner: &OwnerId, id: &SandboxId) -> String {
    format!(".new-{owner}-{id}")
}

/// An account's name is short, and an id may be long or begin with a digit.
pub(super) fn account(owner: &OwnerId, id: &SandboxId) -> String {
    let digest = blake3::hash(Mark::line(owner, id).as_bytes()).to_hex();
    format!("sbx-{}", &digest.as_str()[..16])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_and_ids_have_accounts_of_their_own() {
        let owner = |last: char| format!("own01j0000000000000000000000{last}").parse::<OwnerId>().expect("an owner");
        let id = |text: &str| text.parse::<SandboxId>().expect("an id");
        let name = account(&owner('a'), &id("1"));
        assert_eq!(name.len(), 20);
        assert_ne!(name, account(&owner('b'), &id("1")));
        assert_ne!(name, account(&owner('a'), &id("2")));
        let names = Names { owner: owner('a'), id: id("web"), base: "/srv/w/".to_owned(), separate_users: true };
        assert_eq!(names.workspace(), "/srv/w/web/work");
        let words = names.end("/agent", &["sudo".to_owned(), "-n".to_owned()]);
        assert_eq!(words[..5], ["sudo", "-n", "/agent", "agent", "--end"]);
        assert_eq!(words.last(), names.account().as_ref());
    }
}
