//! A request's body, of which the rest can be taken when the request was refused.
//!
//! Over HTTP/1.1 a client sends its body before it looks for an answer. When the agent answered and hung up in the middle
//! of it, the client would see a broken connection and not why it was refused.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use http::StatusCode;
use hyper::body::{Body as _, Incoming};
use tokio::time::timeout;

use crate::answer::Refusal;

/// So much of an unwanted body is taken, as Go's servers do.
const TAKEN: usize = 256 * 1024;
/// And only if it comes within this time.
const PATIENCE: Duration = Duration::from_secs(1);

/// The body's data. Clones share it.
#[derive(Clone)]
pub(crate) struct Source(Arc<Mutex<Incoming>>);

impl Source {
    pub(crate) fn new(body: Incoming) -> Self {
        Self(Arc::new(Mutex::new(body)))
    }

    /// All of it, if that is no more than `most` bytes.
    pub(crate) async fn whole(mut self, most: usize) -> Result<Vec<u8>, Refusal> {
        let mut whole = Vec::new();
        while let Some(piece) = self.next().await {
            let piece = piece.map_err(|error| Refusal::bad_request(format!("the request broke off: {error}")))?;
            if whole.len() + piece.len() > most {
                return Err(Refusal::new(
                    StatusCode::PAYLOAD_TOO_LARGE,
                    format!("the request has more than {most} bytes"),
                ));
            }
            whole.extend_from_slice(&piece);
        }
        Ok(whole)
    }

    /// Takes the rest, within limits.
    pub(crate) async fn drain(mut self) {
        let all = async {
            let mut taken = 0;
            while let Some(Ok(piece)) = self.next().await {
                taken += piece.len();
                if taken > TAKEN {
                    return;
                }
            }
        };
        if timeout(PATIENCE, all).await.is_err() {
            tracing::debug!("a refused request did not come to its end");
        }
    }
}

impl Stream for Source {
    type Item = hyper::Result<Bytes>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut body = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            return Poll::Ready(match ready!(Pin::new(&mut *body).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => Some(Ok(data)),
                    // Trailers say nothing here.
                    Err(_trailers) => continue,
                },
                Some(Err(error)) => Some(Err(error)),
                None => None,
            });
        }
    }
}
