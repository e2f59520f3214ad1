//! Connections to ports and sockets inside.

use bytes::BytesMut;
use russh::ChannelOpenFailure;
use russh::server::ChannelOpenHandle;
use sandboxer_reach::{ByteStream, Target};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, ReadHalf, WriteHalf};

use crate::channel::{Closed, Incoming, Port};
use crate::input::Input;
use crate::place::Place;

const CHUNK: usize = 64 * 1024;
/// The protocol's numbers of reasons why a channel is not opened.
const PROHIBITED: u32 = 1;
const CONNECT_FAILED: u32 = 2;

/// The port of the sandbox itself that a client means, if it means one.
pub(crate) fn own_port(host: &str, port: u32) -> Option<u16> {
    let host = host.trim_start_matches('[').trim_end_matches([']', '.']);
    let is_own = ["127.0.0.1", "::1"].contains(&host) || host.eq_ignore_ascii_case("localhost");
    u16::try_from(port).ok().filter(|port| is_own && *port != 0)
}

/// Why another one is not connected to.
pub(crate) fn only_own_ports() -> ChannelOpenFailure {
    let reason = "only ports of the sandbox itself, at localhost, can be reached".to_owned();
    ChannelOpenFailure::Other { code: PROHIBITED, reason }
}

/// Connects, and passes bytes on in both directions, each of which ends by itself.
pub(crate) async fn serve(port: Port, incoming: Incoming, place: Place, target: Target, reply: ChannelOpenHandle) {
    let stream = match place.session().connect(&target, place.user()).await {
        Ok(stream) => stream,
        Err(error) => {
            tracing::debug!(%error, "a connection inside failed");
            return reply.reject(ChannelOpenFailure::Other { code: CONNECT_FAILED, reason: error.to_string() }).await;
        }
    };
    reply.accept().await;
    let (from_inside, to_inside) = tokio::io::split(stream);
    // Held to the end: while it is, the channel counts as open.
    let Incoming { input, acts: _acts } = incoming;
    let passed = tokio::select! {
        passed = async { futures::try_join!(outward(&port, from_inside), inward(input, to_inside)) } => passed.map(drop),
        () = port.is_gone() => Err(Closed),
    };
    tracing::trace!(?passed, "a forwarded connection ended");
    port.end().await;
}

async fn outward(port: &Port, mut stream: ReadHalf<Box<dyn ByteStream>>) -> Result<(), Closed> {
    loop {
        let mut buffer = BytesMut::with_capacity(CHUNK);
        match stream.read_buf(&mut buffer).await {
            Ok(0) => return port.eof().await,
            Ok(_) => port.data(&buffer.freeze()).await?,
            Err(error) => {
                tracing::debug!(%error, "a forwarded connection broke");
                return Err(Closed);
            }
        }
    }
}

async fn inward(mut input: Input, mut stream: WriteHalf<Box<dyn ByteStream>>) -> Result<(), Closed> {
    loop {
        match input.next().await {
            Ok(Some(bytes)) => {
                if let Err(error) = stream.write_all(&bytes).await {
                    // What it still has to say is passed on.
                    tracing::debug!(%error, "a forwarded connection takes no more");
                    return Ok(());
                }
            }
            Ok(None) => {
                let ended = stream.shutdown().await;
                tracing::trace!(?ended, "nothing more goes inside");
                return Ok(());
            }
            Err(error) => {
                tracing::debug!(%error, "a forwarded connection was cut off");
                return Err(Closed);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_sandbox_itself_is_reached() {
        for own in ["127.0.0.1", "localhost", "LocalHost", "::1", "[::1]", "localhost."] {
            assert_eq!(own_port(own, 80), Some(80), "{own}");
        }
        for (host, port) in [("example.org", 80), ("127.0.0.1", 0), ("localhost", 65_536), ("10.0.0.1", 80), ("", 80)] {
            assert_eq!(own_port(host, port), None, "{host}:{port}");
        }
    }
}
