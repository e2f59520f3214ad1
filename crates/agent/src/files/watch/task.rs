//! The task behind a watch.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::statfs;
use sandboxer_envd::connectrpc::ConnectError;
use sandboxer_envd::filesystem::EntryInfo;
use tokio::io::unix::AsyncFd;
use tokio::sync::mpsc;

use super::tree::{Change, ChangeKind, Round, Tree};
use crate::files::call::{FileCall, fault};
use crate::files::entry;

/// What waits for a client that does not read, beside the kernel's own queue.
const WAITING: usize = 256;

/// File systems whose changes the kernel may not tell: NFS, SMB 1 to 3, CIFS, FUSE.
const NETWORKS: [u64; 5] = [0x6969, 0x517b, 0xfe53_4d42, 0xff53_4d42, 0x6573_5546];

/// What a client wants to watch.
#[derive(Debug, Clone, Copy)]
pub(in crate::files) struct Wanted {
    pub(in crate::files) recursive: bool,
    /// Whether each change comes with its entry, where there is one.
    pub(in crate::files) described: bool,
    /// Whether a network's file system may be watched, though it may stay silent.
    pub(in crate::files) networks: bool,
}

/// What a client is told.
#[derive(Debug)]
pub(in crate::files) enum Told {
    Change(Change, Option<Box<EntryInfo>>),
    /// The kernel dropped events.
    Overflow,
    /// Nothing more will be told.
    Broken(io::Error),
}

/// Watches a directory from now on, until the receiver is dropped.
pub(in crate::files) async fn start(
    call: FileCall,
    path: PathBuf,
    wanted: Wanted,
) -> Result<mpsc::Receiver<Told>, ConnectError> {
    if !wanted.networks && is_on_network(&call, &path).await? {
        let message = format!("`{}` is on a network's file system, whose changes are not told", path.display());
        return Err(ConnectError::invalid_argument(message));
    }
    let tree = call.run(&path, move |path| Tree::open(path, wanted.recursive)).await;
    let tree = tree.map_err(with_hint)?;
    let readiness = readiness(&tree).map_err(|error| fault(&path, &error))?;
    let (sender, receiver) = mpsc::channel(WAITING);
    let watch = Watch { call, path, described: wanted.described, sender };
    tokio::spawn(watch.run(tree, readiness));
    Ok(receiver)
}

async fn is_on_network(call: &FileCall, path: &Path) -> Result<bool, ConnectError> {
    let kind = |path: &Path| Ok(statfs(path)?.f_type);
    let kind = call.run(path, kind).await?;
    #[allow(clippy::cast_sign_loss, reason = "a magic number of 32 bits")]
    Ok(NETWORKS.contains(&(kind as u64 & 0xffff_ffff)))
}

/// The kernel's words for too many watches are a full disk and too many open files.
fn with_hint(mut error: ConnectError) -> ConnectError {
    if error.code == sandboxer_envd::connectrpc::ErrorCode::ResourceExhausted {
        let message = error.message.unwrap_or_default();
        error.message = Some(format!("{message} (the limits are fs.inotify.max_user_watches and max_user_instances)"));
    }
    error
}

/// A descriptor of its own, so that the tree itself can travel to the workers.
fn readiness(tree: &Tree) -> io::Result<AsyncFd<OwnedFd>> {
    let descriptor = rustix::fd::AsFd::as_fd(tree).try_clone_to_owned()?;
    #[allow(unsafe_code, reason = "the safe form is deprecated")]
    // SAFETY: the descriptor is owned by what is registered, and stays open and the same as long as that lives.
    let registered = unsafe { AsyncFd::register_with_interest(descriptor, tokio::io::Interest::READABLE) };
    registered.map_err(|error| error.into_parts().1)
}

struct Watch {
    call: FileCall,
    path: PathBuf,
    described: bool,
    sender: mpsc::Sender<Told>,
}

impl Watch {
    async fn run(self, mut tree: Tree, readiness: AsyncFd<OwnedFd>) {
        loop {
            let ready = tokio::select! {
                ready = readiness.readable() => ready,
                () = self.sender.closed() => return,
            };
            let mut ready = match ready {
                Ok(ready) => ready,
                Err(error) => return self.break_off(error).await,
            };
            let read = self.call.act(move || {
                let round = tree.read();
                Ok((tree, round))
            });
            let round = match read.await {
                Ok((same, round)) => {
                    tree = same;
                    round
                }
                Err(error) => return self.break_off(error).await,
            };
            match round {
                Ok(round) => {
                    if self.pass_on(round).await.is_none() {
                        return;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => ready.clear_ready(),
                Err(error) => return self.break_off(error).await,
            }
        }
    }

    async fn break_off(&self, error: io::Error) {
        // A client that is gone need not be told.
        self.sender.send(Told::Broken(error)).await.ok();
    }

    /// `None` when nobody listens any more.
    async fn pass_on(&self, round: Round) -> Option<()> {
        let entries = if self.described { self.describe(&round.changes).await } else { Vec::new() };
        let mut entries = entries.into_iter();
        for change in round.changes {
            self.sender.send(Told::Change(change, entries.next().flatten())).await.ok()?;
        }
        if round.overflow {
            self.sender.send(Told::Overflow).await.ok()?;
        }
        Some(())
    }

    /// The entry of each change that still has one.
    async fn describe(&self, changes: &[Change]) -> Vec<Option<Box<EntryInfo>>> {
        let wanted = |change: &Change| {
            let stands = !matches!(change.kind, ChangeKind::Removed | ChangeKind::MovedAway);
            stands.then(|| self.path.join(&change.path))
        };
        let paths: Vec<_> = changes.iter().map(wanted).collect();
        let accounts = self.call.shared.accounts();
        let describe = move |path: PathBuf| entry::describe(&path, &accounts).ok().map(Box::new);
        let described = move || Ok(paths.into_iter().map(|path| path.and_then(&describe)).collect());
        let described = self.call.act(described).await;
        described.unwrap_or_else(|_| changes.iter().map(|_| None).collect())
    }
}
