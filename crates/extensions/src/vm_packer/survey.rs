//! What the machine says of itself and of one sandbox's place on it. Pure.

use super::failure::garbled;
use super::mark::Mark;
use sandboxer_types::{Failure, OwnerId, SandboxId};

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Survey {
    /// Number of the user who logs in.
    pub(super) user: u32,
    /// Words that make a command root's, if the login may do that.
    pub(super) root: Option<Vec<String>>,
    /// What makes a command another user's.
    pub(super) become_user: Become,
    /// The folder of workspaces, as an absolute path.
    pub(super) base: String,
    pub(super) standing: Standing,
    /// Whether the workspace is whole.
    pub(super) filled: bool,
    /// Comment of the sandbox's account, where that is there.
    pub(super) account: Option<String>,
}

/// What makes a command another user's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Become {
    Runuser,
    Sudo,
    Su,
}

/// What stands in the workspace's place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Standing {
    Nothing,
    /// This very sandbox's folder.
    Own(Box<Mark>),
    /// The folder of a sandbox of that id which another state directory made.
    Others(OwnerId),
    /// Something that bears no mark of ours.
    Foreign,
}

impl Survey {
    pub(super) fn read(answer: &[u8], owner: &OwnerId, id: &SandboxId) -> Result<Self, Failure> {
        let unclear = || garbled("itself");
        let text = std::str::from_utf8(answer).map_err(|_| unclear())?;
        let fields: Vec<&str> = text.split('\0').collect();
        let ["sandboxer-survey", _, user, root, become_user, base, standing, filled, mark, account, "whole", ""] =
            fields[..]
        else {
            return Err(unclear());
        };
        if !base.starts_with('/') || base.chars().any(char::is_control) {
            return Err(unclear());
        }
        let root = match root {
            "self" => Some(Vec::new()),
            "sudo" => Some(vec!["sudo".to_owned(), "-n".to_owned()]),
            "no" => None,
            _ => return Err(unclear()),
        };
        let standing = match (standing, Mark::read(mark)) {
            ("absent", _) => Standing::Nothing,
            ("folder", Some(mark)) if mark.id == *id && mark.owner == *owner => Standing::Own(Box::new(mark)),
            ("folder", Some(mark)) if mark.id == *id => Standing::Others(mark.owner),
            ("folder" | "other", _) => Standing::Foreign,
            _ => return Err(unclear()),
        };
        let comment = account.split(':').nth(4).map(str::to_owned);
        Ok(Self {
            user: user.parse().map_err(|_| unclear())?,
            root,
            become_user: match become_user {
                "runuser" => Become::Runuser,
                "sudo" => Become::Sudo,
                "su" => Become::Su,
                _ => return Err(unclear()),
            },
            base: base.to_owned(),
            standing,
            filled: filled == "yes",
            account: comment,
        })
    }
}

/// The marks that `list.sh` tells, with their folders.
pub(super) fn marks(answer: &[u8]) -> Result<Vec<(String, Mark)>, Failure> {
    let unclear = || garbled("its workspaces");
    let text = String::from_utf8_lossy(answer);
    let rest = text.strip_suffix("whole\0").ok_or_else(unclear)?;
    let fields: Vec<&str> = rest.split('\0').collect();
    // What follows the last NUL.
    let (last, pairs) = fields.split_last().ok_or_else(unclear)?;
    if !last.is_empty() || pairs.len() % 2 != 0 {
        return Err(unclear());
    }
    let read = |pair: &[&str]| {
        let mark = Mark::read(pair[1])?;
        // A folder that was moved is not where its sandbox is.
        let is_there = pair[0].rsplit('/').next() == Some(mark.id.as_str());
        is_there.then(|| (pair[0].to_owned(), mark))
    };
    Ok(pairs.chunks(2).filter_map(read).collect())
}

#[cfg(test)]
mod tests {
    use super::super::mark::About;
    use super::*;
    use std::collections::BTreeMap;

    fn ids() -> (OwnerId, SandboxId) {
        ("own01j0000000000000000000000a".parse().expect("an owner"), "web".parse().expect("an id"))
    }

    fn mark(owner: OwnerId, id: SandboxId) -> String {
        let about =
            About { digest: "d".to_owned(), host: "localhost".to_owned(), created_at: None, labels: BTreeMap::new() };
        Mark { owner, id, about }.write()
    }

    fn answer(standing: &str, mark: &str) -> Vec<u8> {
        format!("sandboxer-survey\0/root\00\0self\0runuser\0/srv\0{standing}\0yes\0{mark}\0\0whole\0").into_bytes()
    }

    #[test]
    fn whose_a_folder_is() {
        let (owner, id) = ids();
        let standing = |answer: &[u8]| Survey::read(answer, &owner, &id).expect("an answer").standing;
        assert_eq!(standing(&answer("absent", "")), Standing::Nothing);
        assert!(matches!(standing(&answer("folder", &mark(owner.clone(), id.clone()))), Standing::Own(_)));
        let other: OwnerId = "own01j0000000000000000000000b".parse().expect("an owner");
        assert_eq!(standing(&answer("folder", &mark(other.clone(), id.clone()))), Standing::Others(other));
        assert_eq!(
            standing(&answer("folder", &mark(owner.clone(), "else".parse().expect("an id")))),
            Standing::Foreign
        );
        for foreign in ["", "rubbish"] {
            assert_eq!(standing(&answer("folder", foreign)), Standing::Foreign);
            assert_eq!(standing(&answer("other", foreign)), Standing::Foreign);
        }
    }

    #[test]
    fn an_answer_of_another_shape_is_none() {
        let (owner, id) = ids();
        let good = answer("absent", "");
        for cut in 0..good.len() {
            Survey::read(&good[..cut], &owner, &id).expect_err("a part of an answer");
        }
        let text = String::from_utf8(good).expect("text");
        for bad in
            [text.replace("self", "maybe"), text.replace("/srv", "srv"), format!("x{text}"), text.replace("absent", "")]
        {
            Survey::read(bad.as_bytes(), &owner, &id).expect_err(&bad);
        }
    }

    #[test]
    fn only_marks_in_their_own_folders_are_listed() {
        let (owner, id) = ids();
        let mark = mark(owner, id);
        let text = format!("/w/web\0{mark}\0/w/moved\0{mark}\0/w/x\0rubbish\0whole\0");
        let marks = marks(text.as_bytes()).expect("a list");
        assert_eq!(marks.iter().map(|(folder, _)| folder.as_str()).collect::<Vec<_>>(), ["/w/web"]);
        assert_eq!(super::marks(b"whole\0"), Ok(Vec::new()));
        for bad in ["", "whole", "/w/web\0whole\0", "/w/web\0x\0"] {
            super::marks(bad.as_bytes()).expect_err(bad);
        }
    }
}
