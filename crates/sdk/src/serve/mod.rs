//! The extension's side of the protocol: [`serve`] turns a [`SandboxExtension`] into a program.

mod answering;
mod dispatch;
mod sink;
mod streams;
mod verbs;

use crate::SandboxExtension;
use std::io;
use std::process::ExitCode;
use std::sync::Arc;

pub use answering::serve_over;
#[cfg(feature = "host")]
pub(crate) use dispatch::verbs;

/// Serves `extension` over the standard streams until the host ends them. The `main` of an extension in Rust:
///
/// ```no_run
/// # use sandboxer_sdk::testing::FolderExtension as MyExtension;
/// fn main() -> std::process::ExitCode {
///     sandboxer_sdk::serve(MyExtension)
/// }
/// ```
///
/// What is printed meanwhile goes to the standard error, and commands that it runs read nothing from the host.
pub fn serve(extension: impl SandboxExtension + 'static) -> ExitCode {
    match serve_standard_streams(Arc::new(extension)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Whoever started it has no other log; without a standard error there is nobody to tell.
            drop(io::Write::write_all(&mut io::stderr(), format!("error: cannot serve: {error}\n").as_bytes()));
            ExitCode::FAILURE
        }
    }
}

fn serve_standard_streams(extension: Arc<dyn SandboxExtension>) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let served = runtime.block_on(async {
        let (input, output) = streams::take()?;
        let mut signals = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        let terminated = async {
            // Without any more signals to come, none has come.
            if signals.recv().await.is_none() {
                std::future::pending::<()>().await;
            }
        };
        serve_over(extension, input, output, terminated).await
    });
    // A thread that still waits for input must not hold up the end.
    runtime.shutdown_background();
    served
}
