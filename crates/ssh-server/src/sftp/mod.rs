//! Files by sftp: by the sandbox's own server where it has one, which can do everything, else by ours.

mod copying;
mod open_file;
mod own;
mod packet;
mod requests;
mod tree;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

use sandboxer_reach::{ExecEvent, Execution, ReachError, ReachErrorKind};

use crate::channel::{Closed, Incoming, Port};
use crate::place::Place;
use crate::running;
use crate::session_channel::not_started;

/// Becomes the server that is found, having said so; else says where relative paths begin. `$1` is `own` when none is
/// to be found.
const SEARCH: &str = r#"[ "$1" = own ] || for server in /usr/lib/openssh/sftp-server /usr/lib/ssh/sftp-server \
  /usr/libexec/openssh/sftp-server /usr/libexec/sftp-server /usr/lib/sftp-server; do
  if [ -x "$server" ]; then echo inside; exec "$server"; fi
done
echo none
exec pwd"#;

/// Which server a client asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Server {
    /// The best there is.
    Any,
    /// Ours, whatever the sandbox has.
    Own,
}

/// What was found in the sandbox.
enum Found {
    /// A server, which runs, and what it has said already.
    Inside(Execution, Vec<u8>),
    /// None. Relative paths begin here.
    None(PathBuf),
}

impl Server {
    pub(crate) fn named(name: &str) -> Option<Self> {
        match name {
            "sftp" => Some(Self::Any),
            "sandboxer-sftp" => Some(Self::Own),
            _ => None,
        }
    }
}

/// Serves files until the client leaves.
pub(crate) async fn serve(server: Server, port: &Port, incoming: Incoming, place: &Place) -> Result<(), Closed> {
    let base = match search(place, server).await {
        Ok(Found::Inside(execution, said)) => {
            port.data(&said.into()).await?;
            return running::follow(port, incoming, place, execution).await;
        }
        Ok(Found::None(base)) => base,
        // Without a shell there is no server either.
        Err(error) if error.shell_code().is_some() => PathBuf::new(),
        Err(error) => return not_started(port, &error).await,
    };
    own::serve(port, incoming, place, base).await
}

async fn search(place: &Place, server: Server) -> Result<Found, ReachError> {
    let argument = if server == Server::Own { "own" } else { "any" };
    let mut request = place.command(["/bin/sh", "-c", SEARCH, "sh", argument]);
    request.stdin = true;
    let mut execution = place.session().exec(request).await?;
    let mut said = Vec::new();
    while let Some(event) = execution.next_event().await? {
        if let ExecEvent::Stdout(bytes) = event {
            said.extend_from_slice(&bytes);
        }
        if let Some(rest) = said.strip_prefix(b"inside\n") {
            let rest = rest.to_vec();
            return Ok(Found::Inside(execution, rest));
        }
    }
    let base = said.strip_prefix(b"none\n").map(|base| base.strip_suffix(b"\n").unwrap_or(base));
    match base {
        Some(base) => Ok(Found::None(PathBuf::from(OsStr::from_bytes(base)))),
        None => Err(ReachError::new(ReachErrorKind::Protocol, "the sandbox's shell does not say where it is")),
    }
}
