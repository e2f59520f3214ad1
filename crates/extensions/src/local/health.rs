//! Whether the agent answers.

use super::folder::{AGENT_SOCKET, Folder};
use sandboxer_types::{ErrorKind, Failure, Residue};
use std::io;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

const REQUEST: &[u8] = b"GET /health HTTP/1.1\r\nHost: sandbox\r\nConnection: close\r\n\r\n";

/// Asks the agent for its health. Its socket listens from before it starts, so the answer comes as soon as there is one.
pub(crate) async fn check(folder: &Folder) -> Result<(), Failure> {
    let failure = match ask(folder).await {
        Ok(status) if status.starts_with("HTTP/1.1 2") => return Ok(()),
        Ok(status) => {
            let line = status.lines().next().unwrap_or("nothing");
            Failure::new(ErrorKind::NotReady, format!("the agent answered {line:?} when asked for its health"))
        }
        Err(error) => Failure::new(ErrorKind::NotReady, format!("the agent does not answer: {error}")),
    };
    let tail = folder.log_tail();
    let failure = failure.with_residue(Residue::Present);
    Err(if tail.is_empty() { failure } else { failure.with_hint(format!("the sandbox's log ends with: {tail}")) })
}

async fn ask(folder: &Folder) -> io::Result<String> {
    let mut stream = UnixStream::connect(folder.short_path(AGENT_SOCKET)).await?;
    stream.write_all(REQUEST).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
