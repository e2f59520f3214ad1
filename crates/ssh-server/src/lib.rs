//! A small ssh server over any way into a sandbox, for one client on one stream.
//!
//! The stream is the standard input and output of a process that the client itself started (`ProxyCommand`). Nobody else
//! can come by it, so that whoever comes is let in. What the client asks for is done by a
//! [`Session`](sandboxer_reach::Session): commands, terminals, signals, files by sftp, and connections to ports and
//! sockets inside. The protocol itself is `russh`'s.
//!
//! Each channel is a task of its own, and the connection never waits for one of them.

mod channel;
mod error;
mod forwarding;
mod gate;
mod handler;
mod host_key;
mod input;
mod place;
mod running;
mod session_channel;
mod sftp;
mod signals;
mod wanted;
mod wire;

pub use error::ServerError;
pub use host_key::HostKey;
pub use place::Place;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use russh::SshId;
use russh::server::Config;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// So long those that serve channels have for their ends when the client is gone.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// How a client is served.
#[derive(Debug)]
pub struct Settings {
    /// What the client knows us by.
    pub host_key: HostKey,
    /// What it comes into.
    pub place: Place,
    /// Where input is kept that comes faster than it is taken: a folder on a disk.
    pub folder: PathBuf,
}

/// Serves one client until it leaves or `stop` is turned.
///
/// Ends what the client left behind: a command that still runs is told so by a hang-up.
pub async fn serve<Stream>(stream: Stream, settings: Settings, stop: CancellationToken) -> Result<(), ServerError>
where
    Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let config = Config {
        server_id: SshId::Standard("SSH-2.0-sandboxer".into()),
        keys: vec![settings.host_key.into_inner()],
        // A sandbox that is left alone stays as it is.
        inactivity_timeout: None,
        auth_rejection_time: Duration::ZERO,
        ..Config::default()
    };
    let (pressure, tasks) = (Arc::new(input::Pressure::default()), TaskTracker::new());
    let client = handler::Client::new(settings.place, Arc::clone(&pressure), settings.folder, tasks.clone());
    let served = async {
        let gate = gate::Gate::new(stream, pressure, stop);
        russh::server::run_stream(Arc::new(config), gate, client).await?.await
    };
    let served = served.await;
    // The handler is gone, and with it what told those who serve channels that somebody listens.
    tasks.close();
    if tokio::time::timeout(LAST_WORDS, tasks.wait()).await.is_err() {
        tracing::debug!("some channels did not end in time");
    }
    match served {
        Err(ServerError::Ssh(error)) if left(&error) => Ok(()),
        other => other,
    }
}

/// Whether the client just went away.
fn left(error: &russh::Error) -> bool {
    use std::io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
    match error {
        russh::Error::Disconnect | russh::Error::HUP => true,
        russh::Error::IO(error) => matches!(error.kind(), BrokenPipe | ConnectionReset | UnexpectedEof),
        _ => false,
    }
}
