//! What a client asks for, on its way to those who do it.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use russh::server::{Auth, ChannelOpenHandle, Handle, Handler, Msg, Session};
use russh::{Channel, ChannelId, ChannelOpenFailure, Pty, Sig};
use sandboxer_reach::{ReachErrorKind, Target, WindowSize};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use crate::channel::{Act, Incoming, Port};
use crate::error::ServerError;
use crate::input::{Inlet, Pressure, input};
use crate::place::Place;
use crate::wanted::{Wanted, Work};
use crate::{forwarding, session_channel, signals};

/// So many channels may be open at once.
const MOST_CHANNELS: usize = 1000;

/// A channel, as the connection has it.
struct Entry {
    inlet: Inlet,
    acts: mpsc::UnboundedSender<Act>,
    /// What is asked for beforehand, and to whom it goes; absent once something runs.
    waiting: Option<(Wanted, oneshot::Sender<(Work, Wanted)>)>,
    /// Tells whoever serves the channel that it is gone.
    _gone: DropGuard,
}

/// What serves a channel.
struct Served {
    port: Port,
    incoming: Incoming,
    begin: oneshot::Receiver<(Work, Wanted)>,
}

/// One client.
pub(crate) struct Client {
    pub(crate) place: Place,
    pub(crate) pressure: Arc<Pressure>,
    /// Where input is kept that nobody takes yet.
    pub(crate) folder: PathBuf,
    pub(crate) tasks: TaskTracker,
    channels: HashMap<ChannelId, Entry>,
}

impl Client {
    pub(crate) fn new(place: Place, pressure: Arc<Pressure>, folder: PathBuf, tasks: TaskTracker) -> Self {
        Self { place, pressure, folder, tasks, channels: HashMap::new() }
    }

    /// Makes place for a channel; none when there are too many.
    fn enter(&mut self, channel: Channel<Msg>, connection: Handle) -> Option<Served> {
        // Those that were never opened are not closed either.
        self.channels.retain(|_, entry| !entry.acts.is_closed());
        if self.channels.len() >= MOST_CHANNELS {
            return None;
        }
        let id = channel.id();
        let (inlet, input) = input(Arc::clone(&self.pressure), self.folder.clone());
        let (acts, acted) = mpsc::unbounded_channel();
        let (start, begin) = oneshot::channel();
        let gone = CancellationToken::new();
        // What comes is taken by this handler; the half that would hold the connection up is let go.
        let (_, write_half) = channel.split();
        let port = Port::new(write_half, connection, Arc::clone(&self.pressure), gone.clone());
        let waiting = Some((Wanted::default(), start));
        self.channels.insert(id, Entry { inlet, acts, waiting, _gone: gone.drop_guard() });
        Some(Served { port, incoming: Incoming { input, acts: acted }, begin })
    }

    async fn forward(&mut self, channel: Channel<Msg>, target: Target, reply: ChannelOpenHandle, connection: Handle) {
        let Some(Served { port, incoming, .. }) = self.enter(channel, connection) else {
            return reply.reject(ChannelOpenFailure::ResourceShortage).await;
        };
        self.tasks.spawn(forwarding::serve(port, incoming, self.place.clone(), target, reply));
    }

    fn wanted(&mut self, channel: ChannelId) -> Option<&mut Wanted> {
        self.channels.get_mut(&channel)?.waiting.as_mut().map(|(wanted, _)| wanted)
    }

    /// Starts something on a channel, once.
    fn start(&mut self, channel: ChannelId, work: Option<Work>) -> bool {
        let Some(work) = work else { return false };
        let waiting = self.channels.get_mut(&channel).and_then(|entry| entry.waiting.take());
        waiting.is_some_and(|(wanted, start)| start.send((work, wanted)).is_ok())
    }

    fn act(&self, channel: ChannelId, act: Act) -> bool {
        self.channels.get(&channel).is_some_and(|entry| entry.acts.send(act).is_ok())
    }
}

/// Answers at once, so that answers come in the order of the requests.
fn answer(session: &mut Session, channel: ChannelId, granted: bool) -> Result<(), ServerError> {
    let answered = if granted { session.channel_success(channel) } else { session.channel_failure(channel) };
    Ok(answered?)
}

fn size(cols: u32, rows: u32) -> WindowSize {
    let cells = |number: u32| u16::try_from(number).unwrap_or(u16::MAX);
    WindowSize { rows: cells(rows), cols: cells(cols) }
}

impl Handler for Client {
    type Error = ServerError;

    /// Lets the client in, whatever it has to show: only whoever started this process holds the other end of its streams.
    async fn auth_none(&mut self, user: &str) -> Result<Auth, ServerError> {
        self.place.become_user(user).await.map_err(|error| {
            let hint = if error.kind() == ReachErrorKind::Unreachable {
                ""
            } else {
                "; without a user before the `@` it is the sandbox's own"
            };
            ServerError::User { user: user.escape_debug().to_string(), words: format!("{error}{hint}") }
        })?;
        Ok(Auth::Accept)
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        session: &mut Session,
    ) -> Result<(), ServerError> {
        let Some(Served { port, incoming, begin }) = self.enter(channel, session.handle()) else {
            reply.reject(ChannelOpenFailure::ResourceShortage).await;
            return Ok(());
        };
        reply.accept().await;
        self.tasks.spawn(session_channel::serve(port, incoming, begin, self.place.clone()));
        Ok(())
    }

    async fn channel_open_direct_tcpip(
        &mut self,
        channel: Channel<Msg>,
        host: &str,
        port: u32,
        _originator_address: &str,
        _originator_port: u32,
        reply: ChannelOpenHandle,
        session: &mut Session,
    ) -> Result<(), ServerError> {
        match forwarding::own_port(host, port) {
            Some(port) => self.forward(channel, Target::Port(port), reply, session.handle()).await,
            None => reply.reject(forwarding::only_own_ports()).await,
        }
        Ok(())
    }

    async fn channel_open_direct_streamlocal(
        &mut self,
        channel: Channel<Msg>,
        path: &str,
        reply: ChannelOpenHandle,
        session: &mut Session,
    ) -> Result<(), ServerError> {
        self.forward(channel, Target::Socket(path.into()), reply, session.handle()).await;
        Ok(())
    }

    async fn data(&mut self, channel: ChannelId, data: &[u8], _session: &mut Session) -> Result<(), ServerError> {
        if let Some(entry) = self.channels.get(&channel) {
            entry.inlet.push(data);
        }
        Ok(())
    }

    async fn channel_eof(&mut self, channel: ChannelId, _session: &mut Session) -> Result<(), ServerError> {
        if let Some(entry) = self.channels.get(&channel) {
            entry.inlet.end();
        }
        Ok(())
    }

    async fn channel_close(&mut self, channel: ChannelId, _session: &mut Session) -> Result<(), ServerError> {
        self.channels.remove(&channel);
        Ok(())
    }

    async fn pty_request(
        &mut self,
        channel: ChannelId,
        term: &str,
        col_width: u32,
        row_height: u32,
        _pix_width: u32,
        _pix_height: u32,
        _modes: &[(Pty, u32)],
        session: &mut Session,
    ) -> Result<(), ServerError> {
        let granted = self.wanted(channel).map(|wanted| wanted.terminal(term, size(col_width, row_height)));
        answer(session, channel, granted.is_some())
    }

    async fn x11_request(
        &mut self,
        channel: ChannelId,
        _single_connection: bool,
        _x11_auth_protocol: &str,
        _x11_auth_cookie: &str,
        _x11_screen_number: u32,
        session: &mut Session,
    ) -> Result<(), ServerError> {
        answer(session, channel, false)
    }

    async fn env_request(
        &mut self,
        channel: ChannelId,
        variable_name: &str,
        variable_value: &str,
        session: &mut Session,
    ) -> Result<(), ServerError> {
        let granted = self.wanted(channel).is_some_and(|wanted| wanted.set(variable_name, variable_value));
        answer(session, channel, granted)
    }

    async fn shell_request(&mut self, channel: ChannelId, session: &mut Session) -> Result<(), ServerError> {
        let granted = self.start(channel, Some(Work::Shell));
        answer(session, channel, granted)
    }

    async fn exec_request(
        &mut self,
        channel: ChannelId,
        data: &[u8],
        session: &mut Session,
    ) -> Result<(), ServerError> {
        let granted = self.start(channel, Some(Work::Command(data.to_vec())));
        answer(session, channel, granted)
    }

    async fn subsystem_request(
        &mut self,
        channel: ChannelId,
        name: &str,
        session: &mut Session,
    ) -> Result<(), ServerError> {
        let granted = self.start(channel, Work::subsystem(name));
        answer(session, channel, granted)
    }

    async fn window_change_request(
        &mut self,
        channel: ChannelId,
        col_width: u32,
        row_height: u32,
        _pix_width: u32,
        _pix_height: u32,
        session: &mut Session,
    ) -> Result<(), ServerError> {
        let size = size(col_width, row_height);
        let granted = match self.wanted(channel) {
            Some(wanted) => wanted.resize(size),
            None => self.act(channel, Act::Resize(size)),
        };
        answer(session, channel, granted)
    }

    async fn signal(&mut self, channel: ChannelId, signal: Sig, session: &mut Session) -> Result<(), ServerError> {
        let granted = signals::number(&signal).is_some_and(|number| self.act(channel, Act::Signal(number)));
        answer(session, channel, granted)
    }
}
