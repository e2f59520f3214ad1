//! A program's standard streams as one stream.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, BytesMut};
use futures::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::process::{ChildStdin, ChildStdout};

use super::child::Minder;

/// Both directions, and whoever minds the program.
pub(crate) struct Joined {
    /// What came behind the mark.
    begun: BytesMut,
    /// `None` once it was shut down: only closing a pipe tells the program.
    stdin: Option<ChildStdin>,
    stdout: ChildStdout,
    minder: Minder,
    /// For each direction, the reason of an end that nobody asked for, while it is being found out.
    reading: Reason,
    writing: Reason,
}

#[derive(Default)]
struct Reason(Option<BoxFuture<'static, String>>);

impl Reason {
    fn poll(&mut self, minder: &Minder, context: &mut Context<'_>) -> Poll<io::Error> {
        let found = self.0.get_or_insert_with(|| {
            let minder = minder.clone();
            Box::pin(async move { minder.explain("closed the connection").await })
        });
        let reason = ready!(found.as_mut().poll(context));
        self.0 = None;
        Poll::Ready(io::Error::new(io::ErrorKind::UnexpectedEof, reason))
    }
}

impl Joined {
    pub(super) fn new(begun: BytesMut, stdin: ChildStdin, stdout: ChildStdout, minder: Minder) -> Self {
        let (reading, writing) = (Reason::default(), Reason::default());
        Self { begun, stdin: Some(stdin), stdout, minder, reading, writing }
    }

    /// Puts back what was read too far.
    pub(crate) fn put_back(&mut self, unread: BytesMut) {
        let behind = std::mem::replace(&mut self.begun, unread);
        self.begun.unsplit(behind);
    }

    fn stdin(&mut self) -> io::Result<Pin<&mut ChildStdin>> {
        self.stdin.as_mut().map(Pin::new).ok_or_else(|| io::ErrorKind::BrokenPipe.into())
    }
}

impl AsyncRead for Joined {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.begun.is_empty() {
            let length = self.begun.len().min(buffer.remaining());
            buffer.put_slice(&self.begun[..length]);
            self.begun.advance(length);
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stdout).poll_read(context, buffer))?;
        // One that was told to end may.
        if buffer.filled().len() > before || buffer.remaining() == 0 || self.stdin.is_none() {
            return Poll::Ready(Ok(()));
        }
        let this = &mut *self;
        this.reading.poll(&this.minder, context).map(Err)
    }
}

impl AsyncWrite for Joined {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match ready!(self.stdin()?.poll_write(context, bytes)) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                let this = &mut *self;
                this.writing.poll(&this.minder, context).map(Err)
            }
            other => Poll::Ready(other),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.stdin() {
            Ok(stdin) => stdin.poll_flush(context),
            Err(_) => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Ok(stdin) = self.stdin() {
            ready!(stdin.poll_shutdown(context))?;
        }
        self.stdin = None;
        Poll::Ready(Ok(()))
    }
}
