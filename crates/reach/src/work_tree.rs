//! Folders as git sees them: what of a folder is worth having elsewhere.
//!
//! That is what the ignore files do not match, committed or not ([`unignored`]), what its repository holds although they
//! match it ([`Question`]), and the repository itself.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ignore::{DirEntry, WalkBuilder};
use rustix::fs::{AtFlags, CWD};

/// How a folder belongs to git.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GitTree {
    /// Not the root of a work tree.
    None,
    /// With its repository in it.
    Whole,
    /// `.git` is a file that names a repository elsewhere: a linked work tree, or a submodule of its own.
    Linked,
}

impl GitTree {
    /// Looks at a folder.
    pub fn of(folder: &Path) -> Self {
        match folder.join(".git").symlink_metadata() {
            Ok(status) if status.is_dir() => Self::Whole,
            Ok(_) => Self::Linked,
            Err(_) => Self::None,
        }
    }
}

/// Which file or folder something is, whatever its path: the numbers of its device and of its inode.
pub type Identity = (u64, u64);

/// The identity of what stands at a path, no link followed. `None` for nothing, and for what may not be looked at.
pub fn identity(path: &Path) -> Option<Identity> {
    let status = rustix::fs::statat(CWD, path, AtFlags::SYMLINK_NOFOLLOW).ok()?;
    Some((status.st_dev, status.st_ino))
}

/// What the ignore files do not match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unignored {
    /// Its path below the folder.
    pub path: PathBuf,
    /// It is a repository's own folder. What is in it is not told of: that is wanted as it is, whatever the ignore files say.
    pub is_repository: bool,
}

/// What git would not ignore below a folder, each folder before what is in it, without the folder's own `.git` and without the
/// folders `left_out`. No link is followed. What cannot be looked at is told as a line for a person.
pub fn unignored(folder: &Path, left_out: Vec<Identity>) -> impl Iterator<Item = Result<Unignored, String>> + use<> {
    // Only there do the ignore files of the folders above count.
    let in_work_tree = folder.ancestors().any(|ancestor| ancestor.join(".git").symlink_metadata().is_ok());
    let mut builder = WalkBuilder::new(folder);
    builder.hidden(false).git_global(false).require_git(in_work_tree).parents(in_work_tree).follow_links(false);
    builder.filter_entry(move |entry| {
        let is_own_repository = entry.depth() == 1 && entry.file_name() == ".git";
        let may_be_left_out = !left_out.is_empty() && entry.depth() > 0 && is_folder(entry);
        let is_left_out = may_be_left_out && identity(entry.path()).is_some_and(|id| left_out.contains(&id));
        !is_own_repository && !is_left_out && !is_in_repository(entry)
    });
    let folder = folder.to_owned();
    builder.build().filter_map(move |entry| match entry {
        Ok(entry) if entry.depth() == 0 => None,
        Ok(entry) => {
            let path = entry.path().strip_prefix(&folder).ok()?.to_owned();
            Some(Ok(Unignored { path, is_repository: is_folder(&entry) && entry.file_name() == ".git" }))
        }
        Err(error) => Some(Err(error.to_string())),
    })
}

fn is_in_repository(entry: &DirEntry) -> bool {
    entry.depth() > 1 && entry.path().parent().is_some_and(|parent| parent.ends_with(".git"))
}

fn is_folder(entry: &DirEntry) -> bool {
    entry.file_type().is_some_and(|kind| kind.is_dir())
}

/// The folders that lead to something, the outermost first, and the thing itself.
pub fn way_to(path: &Path) -> Vec<&Path> {
    let mut way: Vec<&Path> = path.ancestors().filter(|path| !path.as_os_str().is_empty()).collect();
    way.reverse();
    way
}

/// What is asked of `git` about a folder with its repository in it: what that holds although the ignore files match it.
///
/// The folder's own settings may name programs to run: to watch files, as hooks, and to fetch what a partial clone lacks.
/// None of them is run, since the folder may be anybody's.
#[derive(Debug, Clone, Copy)]
pub struct Question;

impl Question {
    /// How long git may take.
    pub const PATIENCE: Duration = Duration::from_secs(60);
    /// What must stand in its environment. The transports are a list of allowed ones that names none.
    pub const ENVIRONMENT: [(&str, &str); 4] = [
        ("GIT_ALLOW_PROTOCOL", "none"),
        ("GIT_NO_LAZY_FETCH", "1"),
        ("GIT_OPTIONAL_LOCKS", "0"),
        ("GIT_TERMINAL_PROMPT", "0"),
    ];
    /// What must not stand there: it would lead git elsewhere.
    pub const UNWANTED: [&str; 3] = ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"];

    /// The arguments of `git`.
    pub fn arguments<S: AsRef<OsStr> + ?Sized>(folder: &S) -> Vec<&OsStr> {
        let settings = ["-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "-C"].map(OsStr::new);
        let words = ["ls-files", "-z", "-c", "-i", "--exclude-standard"].map(OsStr::new);
        settings.into_iter().chain([folder.as_ref()]).chain(words).collect()
    }

    /// The paths below the folder that git has printed.
    pub fn answer(printed: &[u8]) -> Vec<PathBuf> {
        let names = printed.split(|byte| *byte == 0).filter(|name| !name.is_empty());
        names.map(|name| PathBuf::from(OsString::from_vec(name.to_vec()))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{create_dir_all, write};

    fn found(folder: &Path, left_out: Vec<Identity>) -> Vec<Unignored> {
        let mut found: Vec<Unignored> = unignored(folder, left_out).map(Result::unwrap).collect();
        found.sort_by(|one, other| one.path.cmp(&other.path));
        found
    }

    #[test]
    fn what_is_ignored_or_left_out_or_a_repositorys_own_is_not_walked_through() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        for inner in [".git", "left/out", "inner/.git/objects", "ignored"] {
            create_dir_all(root.join(inner)).unwrap();
        }
        write(root.join(".gitignore"), "ignored\n").unwrap();
        write(root.join("left/out/file"), "").unwrap();
        let entry = |path: &str, is_repository| Unignored { path: path.into(), is_repository };
        let expected =
            [entry(".gitignore", false), entry("inner", false), entry("inner/.git", true), entry("left", false)];
        assert_eq!(found(root, vec![identity(&root.join("left/out")).unwrap()]), expected);
        assert_eq!(found(&root.join("left"), Vec::new()), [entry("out", false), entry("out/file", false)]);
        assert_eq!([GitTree::of(root), GitTree::of(&root.join("left"))], [GitTree::Whole, GitTree::None]);
        write(root.join("left/.git"), "gitdir: elsewhere\n").unwrap();
        assert_eq!(GitTree::of(&root.join("left")), GitTree::Linked);
    }

    #[test]
    fn the_way_to_something_begins_outside() {
        assert_eq!(way_to(Path::new("a/b/c")), [Path::new("a"), Path::new("a/b"), Path::new("a/b/c")]);
        assert_eq!(Question::answer(b"a\0b/c\0"), [PathBuf::from("a"), PathBuf::from("b/c")]);
    }
}
