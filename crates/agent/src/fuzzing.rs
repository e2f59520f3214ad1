//! Ways to the inside for the fuzz targets in `fuzz/`. Compiled for nobody else.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};

use crate::access::{Access, Token};
use crate::accounts::AccountFiles;
use crate::activity::Activity;
use crate::defaults::{CurrentDefaults, Defaults};
use crate::files::PolledWatches;
use crate::identity::Power;
use crate::leases::Leases;
use crate::process::{CommandSettings, Processes, Reaper};
use crate::shared::Shared;
use crate::transport::Transport;
use crate::workers::Workers;
use crate::{paths, server};

pub use crate::files::fuzzing::{LARGEST_PIECE, extents, opens, pack, path_of, unpack};

/// What outlives one client: the threads, and whoever collects ended processes.
pub struct Agent {
    pub(crate) workers: Workers,
    reaper: Arc<Reaper>,
    power: Power,
}

impl Agent {
    /// Starts both. Within a runtime, on the thread of whose root directory the agent shall be.
    pub fn start() -> io::Result<Self> {
        let reaper = Arc::new(Reaper::new(false));
        Arc::clone(&reaper).watch()?;
        Ok(Self { power: Power::probe(), workers: Workers::start()?, reaper })
    }

    /// Whether it acts with the rights of whoever asks.
    pub fn acts_for_others(&self) -> bool {
        self.power == Power::Root
    }

    /// Serves one client as an agent would that has just started, until that client is gone.
    pub async fn serve(&self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
        server::serve(Once(Some(stream)), self.shared()).await;
    }

    fn shared(&self) -> Arc<Shared> {
        let activity = Arc::<Activity>::default();
        let settings = CommandSettings { no_new_privileges: true, ..CommandSettings::default() };
        let user = if self.acts_for_others() { "user" } else { "root" };
        Arc::new(Shared {
            power: self.power,
            accounts: AccountFiles::new("/etc"),
            access: Access::default(),
            defaults: CurrentDefaults::new(Defaults { user: user.to_owned(), ..Defaults::default() }),
            default_home: None,
            workers: self.workers.clone(),
            processes: Processes::new(settings, Arc::clone(&self.reaper)),
            watches: PolledWatches::default(),
            leases: Leases::new(Arc::clone(&activity)),
            activity,
            meter: Arc::default(),
        })
    }
}

struct Once<Stream>(Option<Stream>);

impl<Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static> Transport for Once<Stream> {
    type Stream = Stream;

    async fn accept(&mut self) -> io::Result<Option<Stream>> {
        Ok(self.0.take())
    }
}

/// A request's path, made absolute.
pub fn absolute(path: &[u8], home: &str) -> PathBuf {
    paths::absolute(paths::from_bytes(path), home)
}

pub(crate) fn access(token: &str) -> Access {
    Access::new(Token::new(token))
}
