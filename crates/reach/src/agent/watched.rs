//! A stream whose faults are remembered in their own words, which HTTP/2 does not pass on.

use std::error::Error;
use std::fmt;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::{ByteStream, ReachError, ReachErrorKind};

/// What went wrong with the stream first.
#[derive(Debug, Clone, Default)]
pub(super) struct StreamFault(Arc<Mutex<Option<String>>>);

/// The same, as a cause.
#[derive(Debug)]
struct Cause(String);

impl fmt::Display for Cause {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl Error for Cause {}

impl StreamFault {
    /// Says why the connection broke, where that is the fault and the reason is known.
    pub(super) fn explain(&self, error: ReachError) -> ReachError {
        match &*self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(cause) if error.kind() == ReachErrorKind::Unreachable => error.with_source(Cause(cause.clone())),
            _ => error,
        }
    }

    fn remember<Value>(&self, result: &Poll<io::Result<Value>>) {
        if let Poll::Ready(Err(error)) = result {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(|| error.to_string());
        }
    }
}

/// The stream.
pub(super) struct Watched {
    stream: Box<dyn ByteStream>,
    fault: StreamFault,
}

impl Watched {
    pub(super) fn new(stream: Box<dyn ByteStream>, fault: StreamFault) -> Self {
        Self { stream, fault }
    }

    fn watch<Value>(
        &mut self,
        poll: impl FnOnce(Pin<&mut dyn ByteStream>) -> Poll<io::Result<Value>>,
    ) -> Poll<io::Result<Value>> {
        let result = poll(Pin::new(&mut *self.stream));
        self.fault.remember(&result);
        result
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.watch(|stream| stream.poll_read(context, buffer))
    }
}

impl AsyncWrite for Watched {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.watch(|stream| stream.poll_write(context, bytes))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.watch(|stream| stream.poll_flush(context))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.watch(|stream| stream.poll_shutdown(context))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.watch(|stream| stream.poll_write_vectored(context, pieces))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
