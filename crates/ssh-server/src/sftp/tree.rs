//! Files and folders of the sandbox, as sftp wants them done.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::{self, BoxStream};
use sandboxer_reach::{Entry, EntryKind, ExecEvent, ReachError, ReachErrorKind, Session, WriteOptions};

use super::copying::Upload;
use super::packet::{Attributes, Code, Fault};
use crate::place::Place;

/// As many links as the kernel follows.
const MOST_LINKS: usize = 40;
/// What is never given to others unless they are named.
const MASK: u32 = 0o022;
/// What a program that fails says beyond that is left out.
const LONGEST_COMPLAINT: usize = 1024;

/// Runs a program on a path that is no text, and that stands in `$1` as numbers. What the substitution would cut off at
/// its end is held by a letter.
const BY_NUMBERS: &str = r#"path=$(printf "$1x"); shift; exec "$@" "${path%x}""#;

/// A way to the files.
pub(super) struct Tree {
    place: Place,
    /// Where relative paths begin.
    base: PathBuf,
}

impl Tree {
    pub(super) async fn new(place: &Place, base: PathBuf) -> Self {
        let tree = Self { place: place.clone(), base };
        if tree.base.is_absolute() {
            return tree;
        }
        let home = tree.home().await.unwrap_or_else(|error| {
            tracing::debug!(?error, "there is no home; paths begin at the root");
            PathBuf::from("/")
        });
        Self { base: home, ..tree }
    }

    fn session(&self) -> &Arc<dyn Session> {
        self.place.session()
    }

    fn user(&self) -> Option<&str> {
        self.place.user()
    }

    async fn home(&self) -> Result<PathBuf, Fault> {
        Ok(self.session().stat(Path::new("."), self.user()).await?.path)
    }

    /// The path that a client means.
    pub(super) fn at(&self, bytes: &[u8]) -> Result<PathBuf, Fault> {
        if bytes.contains(&0) {
            return Err(Fault::new(Code::BadMessage, "a path contains a zero byte"));
        }
        Ok(self.base.join(OsStr::from_bytes(bytes)))
    }

    /// The entry itself.
    pub(super) async fn entry(&self, path: &Path) -> Result<Entry, Fault> {
        Ok(self.session().stat(path, self.user()).await?)
    }

    /// The entry itself, if there is one.
    pub(super) async fn entry_if_any(&self, path: &Path) -> Result<Option<Entry>, Fault> {
        match self.session().stat(path, self.user()).await {
            Ok(entry) => Ok(Some(entry)),
            Err(error) if error.kind() == ReachErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// What a path leads to.
    pub(super) async fn followed(&self, path: &Path) -> Result<Entry, Fault> {
        let mut path = path.to_owned();
        for _ in 0..MOST_LINKS {
            let entry = self.entry(&path).await?;
            let (EntryKind::Symlink, Some(target)) = (entry.kind, &entry.target) else { return Ok(entry) };
            path = entry.path.parent().unwrap_or(Path::new("/")).join(target);
        }
        Err(too_many_links())
    }

    /// What a path leads to, if that is anything.
    pub(super) async fn followed_if_any(&self, path: &Path) -> Result<Option<Entry>, Fault> {
        match self.followed(path).await {
            Ok(entry) => Ok(Some(entry)),
            Err(fault) if fault.code == Code::NoSuchFile => Ok(None),
            Err(fault) => Err(fault),
        }
    }

    /// The same path from the root on, without links and dots. Its last part need not be there.
    pub(super) async fn real(&self, path: &Path) -> Result<PathBuf, Fault> {
        let mut real = PathBuf::from("/");
        let mut ahead = parts(path);
        let mut links = 0;
        while let Some(part) = ahead.pop() {
            if part == ".." {
                real.pop();
                continue;
            }
            let next = real.join(&part);
            let Some(entry) = self.entry_if_any(&next).await? else {
                if ahead.is_empty() {
                    return Ok(next);
                }
                return Err(Fault::new(Code::NoSuchFile, format!("`{}` does not exist", next.display())));
            };
            match entry.target.filter(|_| entry.kind == EntryKind::Symlink) {
                Some(_) if links == MOST_LINKS => return Err(too_many_links()),
                Some(target) => {
                    links += 1;
                    if target.is_absolute() {
                        real = PathBuf::from("/");
                    }
                    ahead.extend(parts(&target));
                }
                None => real = next,
            }
        }
        Ok(real)
    }

    /// A path that may begin with `~`, which is the home.
    pub(super) async fn expanded(&self, bytes: &[u8]) -> Result<PathBuf, Fault> {
        match bytes.strip_prefix(b"~") {
            None => self.real(&self.at(bytes)?).await,
            Some(rest) if rest.is_empty() || rest.starts_with(b"/") => {
                let below = rest.iter().position(|byte| *byte != b'/').map_or(&[][..], |begin| &rest[begin..]);
                self.real(&self.home().await?.join(OsStr::from_bytes(below))).await
            }
            Some(_) => Err(Fault::new(Code::NoSuchFile, "only the home of oneself is known")),
        }
    }

    pub(super) async fn list(&self, path: &Path) -> Result<Vec<Entry>, Fault> {
        Ok(self.session().list(path, self.user()).await?)
    }

    pub(super) async fn read(&self, path: &Path) -> Result<BoxStream<'static, Result<Bytes, ReachError>>, Fault> {
        Ok(self.session().read(path, self.user()).await?.stream)
    }

    pub(super) fn upload(&self, path: &Path) -> Upload {
        Upload::begin(Arc::clone(self.session()), path.to_owned(), self.user().map(str::to_owned))
    }

    /// Makes a file empty; a new one gets that mode.
    pub(super) async fn make_empty(&self, path: &Path, is_new: bool, mode: Option<u32>) -> Result<(), Fault> {
        self.needs_parent(path).await?;
        let mode = is_new.then(|| mode.unwrap_or(0o666) & 0o777 & !MASK);
        Ok(self.session().write(path, WriteOptions { mode }, stream::empty().boxed(), self.user()).await?)
    }

    /// Parents that lack are made by sessions, and by no client's wish.
    async fn needs_parent(&self, path: &Path) -> Result<(), Fault> {
        let parent = path.parent().unwrap_or(Path::new("/"));
        match self.followed(parent).await?.kind {
            EntryKind::Directory => Ok(()),
            _ => Err(Fault::new(Code::NoSuchFile, format!("`{}` is no directory", parent.display()))),
        }
    }

    pub(super) async fn make_folder(&self, path: &Path, mode: Option<u32>) -> Result<(), Fault> {
        self.needs_parent(path).await?;
        self.session().make_dir(path, self.user()).await?;
        match mode {
            Some(mode) => Ok(self.session().set_mode(path, mode & 0o777 & !MASK, self.user()).await?),
            None => Ok(()),
        }
    }

    pub(super) async fn remove_file(&self, path: &Path) -> Result<(), Fault> {
        if self.entry(path).await?.kind == EntryKind::Directory {
            return Err(Fault::new(Code::Failure, format!("`{}` is a directory", path.display())));
        }
        Ok(self.session().remove(path, self.user()).await?)
    }

    /// Removes an empty folder. What is put into it at the same moment stays, where the sandbox has the program for that.
    pub(super) async fn remove_folder(&self, path: &Path) -> Result<(), Fault> {
        if self.entry(path).await?.kind != EntryKind::Directory {
            return Err(Fault::new(Code::Failure, format!("`{}` is no directory", path.display())));
        }
        if !self.list(path).await?.is_empty() {
            return Err(Fault::new(Code::Failure, format!("`{}` is not empty", path.display())));
        }
        match self.run(&["rmdir", "--"], path).await {
            Err(fault) if fault.code == Code::Unsupported => Ok(self.session().remove(path, self.user()).await?),
            other => other,
        }
    }

    /// With `replaces`, what stood there goes.
    pub(super) async fn rename(&self, from: &Path, to: &Path, replaces: bool) -> Result<(), Fault> {
        if !replaces {
            self.is_free(to).await?;
        }
        Ok(self.session().rename(from, to, self.user()).await?)
    }

    pub(super) async fn link(&self, path: &Path, target: &Path) -> Result<(), Fault> {
        self.is_free(path).await?;
        Ok(self.session().make_symlink(path, target, self.user()).await?)
    }

    pub(super) async fn one_more_name(&self, path: &Path, existing: &Path) -> Result<(), Fault> {
        self.is_free(path).await?;
        Ok(self.session().make_hard_link(path, existing, self.user()).await?)
    }

    async fn is_free(&self, path: &Path) -> Result<(), Fault> {
        match self.entry_if_any(path).await? {
            Some(_) => Err(Fault::new(Code::Failure, format!("`{}` exists already", path.display()))),
            None => Ok(()),
        }
    }

    /// Sets mode and times. Not the size, for which the content is needed.
    pub(super) async fn set(&self, path: &Path, wanted: Attributes) -> Result<(), Fault> {
        if let Some(mode) = wanted.mode {
            self.session().set_mode(path, mode & 0o7777, self.user()).await?;
        }
        if let Some((read, written)) = wanted.times {
            let (read, written) = (format!("@{read}"), format!("@{written}"));
            self.run(&["touch", "-c", "-a", "-d", &read, "--"], path).await?;
            self.run(&["touch", "-c", "-m", "-d", &written, "--"], path).await?;
        }
        if wanted.owner.is_some() { Err(Self::no_owners()) } else { Ok(()) }
    }

    pub(super) fn no_owners() -> Fault {
        Fault::new(Code::Unsupported, "owners cannot be changed")
    }

    /// Runs a program of the sandbox's on a path; `Unsupported` when there is none.
    async fn run(&self, words: &[&str], path: &Path) -> Result<(), Fault> {
        let lacking = |why: &str| Fault::new(Code::Unsupported, why.to_owned());
        let request = match path.to_str() {
            Some(text) => self.place.command(words.iter().copied().chain([text])),
            None => {
                let escaped: String = path.as_os_str().as_bytes().iter().map(|byte| format!("\\{byte:03o}")).collect();
                let before = ["/bin/sh", "-c", BY_NUMBERS, "sh", &escaped];
                self.place.command(before.into_iter().chain(words.iter().copied()))
            }
        };
        let mut execution = match self.session().exec(request).await {
            Err(error) if error.shell_code().is_some() => return Err(lacking(&error.to_string())),
            other => other?,
        };
        let mut complaint = Vec::new();
        while let Some(event) = execution.next_event().await? {
            if let ExecEvent::Stderr(bytes) = event
                && complaint.len() < LONGEST_COMPLAINT
            {
                complaint.extend_from_slice(&bytes);
            }
        }
        if execution.wait().await?.success() {
            return Ok(());
        }
        complaint.truncate(LONGEST_COMPLAINT);
        Err(Fault::new(Code::Failure, String::from_utf8_lossy(&complaint).trim().to_owned()))
    }
}

/// The parts of a path, the last of them first.
fn parts(path: &Path) -> Vec<OsString> {
    let named = |part: Component<'_>| match part {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    };
    path.components().rev().filter_map(named).collect()
}

fn too_many_links() -> Fault {
    Fault::new(Code::Failure, "too many links")
}
