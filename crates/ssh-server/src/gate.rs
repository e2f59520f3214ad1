//! The stream to the client, as the protocol has it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use crate::input::Pressure;

/// A stream that is not read from under too much pressure, and that ends when it is told to.
pub(crate) struct Gate<Stream> {
    stream: Stream,
    pressure: Arc<Pressure>,
    stop: Pin<Box<WaitForCancellationFutureOwned>>,
    stopped: bool,
}

impl<Stream> Gate<Stream> {
    pub(crate) fn new(stream: Stream, pressure: Arc<Pressure>, stop: CancellationToken) -> Self {
        Self { stream, pressure, stop: Box::pin(stop.cancelled_owned()), stopped: false }
    }

    fn is_stopped(&mut self, cx: &mut Context<'_>) -> bool {
        self.stopped = self.stopped || self.stop.as_mut().poll(cx).is_ready();
        self.stopped
    }
}

impl<Stream: AsyncRead + Unpin> AsyncRead for Gate<Stream> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.is_stopped(cx) {
            return Poll::Ready(Ok(()));
        }
        if self.pressure.holds_up_reader(cx.waker()) {
            return Poll::Pending;
        }
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<Stream: AsyncWrite + Unpin> AsyncWrite for Gate<Stream> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if self.is_stopped(cx) {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
