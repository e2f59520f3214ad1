//! Reading requests, each answered by a task of its own.

use super::dispatch;
use super::sink::{Outgoing, WireSink};
use crate::SandboxExtension;
use crate::wire::{FromHost, LONGEST_LINE, Lines, RequestMessage, RpcError, RpcErrorCode, Unheard, error_line};
use serde_json::Value;
use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// How long calls in flight have to answer once the host is gone.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// Serves `extension` over any pair of streams until the input ends or it is told to terminate. Calls in flight are then
/// cancelled, and have a few seconds to answer. Only when the input held no more than one request, as that of a oneshot
/// process does, its end says nothing, and the request is answered in its own time.
pub async fn serve_over(
    extension: Arc<dyn SandboxExtension>,
    input: impl AsyncRead + Unpin,
    output: impl AsyncWrite + Send + Unpin + 'static,
    terminated: impl Future<Output = ()>,
) -> io::Result<()> {
    let (outgoing, lines) = mpsc::unbounded_channel();
    let writer = tokio::spawn(write(output, lines));
    let mut answering = Answering { extension, outgoing, cancels: Arc::default(), calls: JoinSet::new(), heard: 0 };
    let mut terminated = std::pin::pin!(terminated);
    let heard = tokio::select! {
        heard = answering.hear_all(input) => {
            if answering.heard == 1 {
                tokio::select! {
                    () = answering.all_answered() => {}
                    () = &mut terminated => {}
                }
            }
            heard
        }
        () = &mut terminated => Ok(()),
    };
    answering.end().await;
    let written = writer.await.unwrap_or_else(|error| Err(io::Error::other(error)));
    match written {
        // A host that is gone needs no answer.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
        _ => heard,
    }
}

async fn write(mut output: impl AsyncWrite + Unpin, mut lines: mpsc::UnboundedReceiver<Outgoing>) -> io::Result<()> {
    while let Some(Outgoing { line, written }) = lines.recv().await {
        output.write_all(line.as_bytes()).await?;
        output.flush().await?;
        if let Some(written) = written {
            // Whoever waited may have been cancelled.
            written.send(()).unwrap_or_default();
        }
    }
    Ok(())
}

type Cancels = Arc<Mutex<HashMap<String, CancellationToken>>>;

struct Answering {
    extension: Arc<dyn SandboxExtension>,
    outgoing: mpsc::UnboundedSender<Outgoing>,
    cancels: Cancels,
    calls: JoinSet<()>,
    /// How many requests there were.
    heard: usize,
}

impl Answering {
    async fn hear_all(&mut self, mut input: impl AsyncRead + Unpin) -> io::Result<()> {
        let mut lines = Lines::new(LONGEST_LINE);
        let mut piece = vec![0; 64 * 1024];
        loop {
            let length = input.read(&mut piece).await?;
            if length == 0 {
                let last = lines.rest().to_vec();
                if !last.is_empty() {
                    self.hear(&last);
                }
                return Ok(());
            }
            lines.push(&piece[..length]);
            while let Some(line) = lines.next_line().map_err(io::Error::other)? {
                if !line.is_empty() {
                    let line = line.to_vec();
                    self.hear(&line);
                }
            }
            while self.calls.try_join_next().is_some() {}
        }
    }

    fn hear(&mut self, line: &[u8]) {
        match FromHost::hear(line) {
            Ok(FromHost::Request(request)) => self.answer(request),
            Ok(FromHost::Cancel(cancel)) => {
                if let Some(token) = lock(&self.cancels).get(&cancel.call) {
                    token.cancel();
                }
            }
            Ok(FromHost::Unknown) => {}
            Err(unheard) => self.refuse(unheard),
        }
    }

    fn refuse(&self, Unheard { id, code, message }: Unheard) {
        say(&self.outgoing, error_line(&id, &RpcError { code: code.0, message, data: None }));
    }

    fn answer(&mut self, RequestMessage { id, method, params }: RequestMessage) {
        let Value::String(name) = id.clone() else {
            let message = "`id` is not a text".to_owned();
            return self.refuse(Unheard { id, code: RpcErrorCode::INVALID_REQUEST, message });
        };
        self.heard += 1;
        let cancel = CancellationToken::new();
        lock(&self.cancels).insert(name.clone(), cancel.clone());
        let sink = WireSink { call: name.clone(), outgoing: self.outgoing.clone() };
        let (extension, outgoing, cancels) = (self.extension.clone(), self.outgoing.clone(), self.cancels.clone());
        self.calls.spawn(async move {
            let line = dispatch::answer(extension.as_ref(), &id, &method, &params, sink, cancel).await;
            lock(&cancels).remove(&name);
            say(&outgoing, line);
        });
    }

    async fn all_answered(&mut self) {
        while self.calls.join_next().await.is_some() {}
    }

    async fn end(mut self) {
        for cancel in lock(&self.cancels).values() {
            cancel.cancel();
        }
        if tokio::time::timeout(LAST_WORDS, self.all_answered()).await.is_err() {
            tracing::warn!("calls that were cancelled do not answer");
        }
    }
}

fn lock(cancels: &Cancels) -> std::sync::MutexGuard<'_, HashMap<String, CancellationToken>> {
    cancels.lock().unwrap_or_else(PoisonError::into_inner)
}

fn say(outgoing: &mpsc::UnboundedSender<Outgoing>, line: serde_json::Result<String>) {
    match line {
        Ok(line) => drop(outgoing.send(Outgoing { line, written: None })),
        Err(error) => tracing::error!(%error, "an answer cannot be said"),
    }
}
