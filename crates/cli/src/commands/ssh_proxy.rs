//! `sandboxer ssh-proxy`: what `ssh` starts to reach a sandbox, and speaks to over its standard streams.

use super::Session;
use super::ssh_config::{self, OWN_USER};
use super::streams;
use crate::error::{CommandResult, local_fault};
use clap::Args;
use sandboxer_ssh_server::{Place, Settings};
use sandboxer_types::{ErrorKind, Failure, Residue};
use std::error::Error;
use std::process::ExitCode;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio_util::sync::CancellationToken;

/// What `ssh-proxy` takes.
#[derive(Debug, Args)]
pub(crate) struct SshProxyArguments {
    /// An id, a unique prefix or suffix of one, or a name; `.sandboxer` behind it does not matter
    host: String,
}

/// Serves `ssh` until it leaves. What goes wrong before that, `ssh` leaves to us to say.
pub(crate) async fn ssh_proxy(session: &Session<'_>, arguments: &SshProxyArguments) -> CommandResult<ExitCode> {
    let sandbox = arguments.host.strip_suffix(ssh_config::DOMAIN).unwrap_or(&arguments.host);
    let id = session.control().resolve(sandbox).await?;
    let entrance = session.control().enter(&id).await?;
    session.progress.clear();
    let host_key = ssh_config::host_key(&session.config)?;
    let like = streams::request(&entrance, Vec::new());
    let settings =
        Settings { host_key, place: Place::new(entrance.session, OWN_USER, like), folder: session.config.ssh_server() };
    let client = sandboxer_agent::standard_streams().map_err(|error| {
        local_fault("use the standard streams", &error).with_hint("`ssh` starts this; `sandboxer ssh-config` says how")
    })?;
    let stop = CancellationToken::new();
    let served = sandboxer_ssh_server::serve(client, settings, stop.clone());
    let mut signals = session.interrupts.take();
    let served = stopped_by(&mut signals, &stop, served).await;
    served.map_err(|error| {
        let mut failure = Failure::new(ErrorKind::Unavailable, error.to_string()).with_residue(Residue::Present);
        failure.causes.extend(error.source().map(ToString::to_string));
        failure
    })?;
    Ok(ExitCode::SUCCESS)
}

/// `ssh` hangs up when it leaves, and waits for us. Ctrl-C, which both hear, is its own to heed.
async fn stopped_by<Served>(
    signals: &mut UnboundedReceiver<i32>,
    stop: &CancellationToken,
    served: impl Future<Output = Served>,
) -> Served {
    let mut served = std::pin::pin!(served);
    loop {
        tokio::select! {
            served = &mut served => return served,
            Some(number) = signals.recv() => {
                use rustix::process::Signal;
                if [Signal::HUP, Signal::TERM].iter().any(|known| known.as_raw() == number) {
                    stop.cancel();
                }
            }
        }
    }
}
