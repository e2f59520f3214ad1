//! What a supervisor is told when it starts, and what it answers: one message each way over a pair of sockets.
//!
//! The descriptors travel with the message instead of being inherited. So the new process can be started in the cheap
//! way, and no descriptor of the broker is ever inheritable while another of its threads starts something.

use super::process::ProcessName;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::{IoSlice, IoSliceMut};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
    Shutdown,
};
use sandboxer_types::{Failure, OwnerId, Resources, SandboxId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io;
use std::mem::MaybeUninit;
use std::path::PathBuf;

/// Everything a supervisor must know.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Specification {
    /// Which sandbox.
    pub(crate) sandbox_id: SandboxId,
    /// Whose.
    pub(crate) owner: OwnerId,
    /// The first of the host's user ids that the sandbox has for itself; absent when it has only the caller's own.
    pub(crate) first_uid: Option<u32>,
    /// Whether it shares the host's network instead of having an empty one of its own.
    pub(crate) host_network: bool,
    /// The most its commands may use.
    pub(crate) resources: Resources,
    /// Folders of the host that can be read inside.
    pub(crate) expose: Vec<PathBuf>,
    /// Where its commands run.
    pub(crate) workdir: PathBuf,
    /// Variables of its commands.
    pub(crate) environment: BTreeMap<String, String>,
    /// When its lease runs out, in nanoseconds after boot.
    pub(crate) deadline: u64,
    /// The process with which it ends.
    pub(crate) tether: Option<ProcessName>,
}

/// The descriptors that go with a specification.
pub(crate) struct Descriptors<D> {
    /// The folder of all sandboxes.
    pub(crate) root: D,
    /// The sandbox's folder.
    pub(crate) folder: D,
    /// The sandbox's lock.
    pub(crate) lock: D,
    /// The supervisor's listening socket.
    pub(crate) control: D,
    /// The agent's listening socket.
    pub(crate) agent: D,
    /// Holds the range of user ids.
    pub(crate) uids: Option<D>,
}

/// What a supervisor answers once.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Answer {
    /// The agent runs.
    Running,
    /// It could not be made. The residue is true.
    Failed(Box<Failure>),
}

/// Sends the specification and the descriptors, and says that this is all.
pub(crate) fn send(
    socket: impl AsFd,
    specification: &Specification,
    descriptors: &Descriptors<BorrowedFd<'_>>,
) -> io::Result<()> {
    let text = serde_json::to_vec(specification)?;
    let Descriptors { root, folder, lock, control, agent, uids } = descriptors;
    let mut list = vec![*root, *folder, *lock, *control, *agent];
    list.extend(*uids);
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(6))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !ancillary.push(SendAncillaryMessage::ScmRights(&list)) {
        return Err(io::Error::other("the descriptors do not fit into a message"));
    }
    let sent = rustix::net::sendmsg(&socket, &[IoSlice::new(&text)], &mut ancillary, SendFlags::NOSIGNAL)?;
    let mut rest = &text[sent..];
    while !rest.is_empty() {
        let sent = rustix::net::send(&socket, rest, SendFlags::NOSIGNAL)?;
        rest = &rest[sent..];
    }
    Ok(rustix::net::shutdown(&socket, Shutdown::Write)?)
}

/// Receives what [`send`] sent.
pub(crate) fn receive(socket: impl AsFd) -> io::Result<(Specification, Descriptors<OwnedFd>)> {
    let mut text = Vec::new();
    let mut received = Vec::new();
    loop {
        let mut part = [0; 16 * 1024];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(6))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let flags = RecvFlags::CMSG_CLOEXEC;
        let message = rustix::net::recvmsg(&socket, &mut [IoSliceMut::new(&mut part)], &mut ancillary, flags)?;
        for item in ancillary.drain() {
            if let RecvAncillaryMessage::ScmRights(descriptors) = item {
                received.extend(descriptors);
            }
        }
        if message.bytes == 0 {
            break;
        }
        text.extend_from_slice(&part[..message.bytes]);
    }
    let missing = || io::Error::other("a descriptor is missing");
    let mut received = received.into_iter();
    let mut next = || received.next().ok_or_else(missing);
    let (root, folder, lock, control, agent) = (next()?, next()?, next()?, next()?, next()?);
    let uids = received.next();
    Ok((serde_json::from_slice(&text)?, Descriptors { root, folder, lock, control, agent, uids }))
}
