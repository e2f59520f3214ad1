//! Files, by the small programs that every machine has.

use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use bytes::Bytes;
use futures::stream::{BoxStream, StreamExt as _};
use tokio::io::AsyncWriteExt as _;

use super::gate::Gate;
use super::shell::{Piece, Shell, tool};
use crate::ssh::nonce;
use crate::{Content, ReachError, ReachErrorKind, WriteOptions};

pub(super) fn bytes(path: &Path) -> &[u8] {
    path.as_os_str().as_bytes()
}

/// One of the calls that only succeed or fail.
pub(super) async fn simple(gate: &Gate, arguments: &[&[u8]]) -> Result<(), ReachError> {
    settle(Shell::call(gate, "simple", arguments).await?).await
}

async fn settle(mut shell: Shell) -> Result<(), ReachError> {
    let (_, code, said) = shell.output.rest().await?;
    if code == 0 { Ok(()) } else { Err(tool(&said)) }
}

pub(super) async fn read(gate: &Gate, path: &Path) -> Result<Content, ReachError> {
    let shell = Shell::call(gate, "read", &[bytes(path)]).await?;
    let stream = futures::stream::try_unfold((shell, Vec::new()), |(mut shell, mut said)| async move {
        loop {
            match shell.output.next().await? {
                Piece::Out(bytes) => return Ok(Some((bytes, (shell, said)))),
                Piece::Error(bytes) => said.extend_from_slice(&bytes),
                Piece::End(0) => return Ok(None),
                Piece::End(_) => return Err(tool(&said)),
            }
        }
    });
    // What a file's status says of its size is wrong for those that the kernel makes up.
    Ok(Content { size: None, stream: stream.boxed() })
}

/// Puts the content beside the file, counts what arrived, and only then renames it: a connection that breaks looks to the
/// machine like the end of the content.
pub(super) async fn write(
    gate: &Gate,
    path: &Path,
    options: WriteOptions,
    content: BoxStream<'static, io::Result<Bytes>>,
) -> Result<(), ReachError> {
    let Some(name) = path.file_name() else {
        return Err(ReachError::new(ReachErrorKind::InvalidInput, "the path names no file"));
    };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut part = name.as_bytes()[..name.len().min(100)].to_vec();
    part.splice(0..0, *b".");
    part.extend_from_slice(nonce()?.as_bytes());
    let part = folder.join(std::ffi::OsStr::from_bytes(&part));
    let written = put(gate, &part, folder, content).await;
    if written.is_err() {
        // Where this fails, the first fault is what counts.
        simple(gate, &[b"remove", bytes(&part)]).await.ok();
    }
    written?;
    let mode = options.mode.map(|mode| format!("{mode:o}")).unwrap_or_default();
    settle(Shell::call(gate, "commit", &[bytes(&part), bytes(path), mode.as_bytes()]).await?).await
}

async fn put(
    gate: &Gate,
    part: &Path,
    folder: &Path,
    mut content: BoxStream<'static, io::Result<Bytes>>,
) -> Result<(), ReachError> {
    let mut shell = Shell::call(gate, "put", &[bytes(part), bytes(folder)]).await?;
    let mut length = 0;
    if let Some(mut stdin) = shell.stdin.take() {
        while let Some(piece) = content.next().await {
            let piece = piece.map_err(|error| ReachError::local("the source of the upload failed", error))?;
            length += piece.len();
            if stdin.write_all(&piece).await.is_err() {
                // What is read says why.
                break;
            }
        }
    }
    let (counted, code, said) = shell.output.rest().await?;
    if code != 0 {
        return Err(tool(&said));
    }
    if String::from_utf8_lossy(&counted).trim().parse() == Ok(length) {
        return Ok(());
    }
    Err(ReachError::new(ReachErrorKind::Unreachable, "the file did not arrive whole"))
}
