//! A thread that owns a database connection, so that waiting for a disk never holds up the runtime.

use super::StoreError;
use rusqlite::Connection;
use std::sync::mpsc;
use tokio::sync::oneshot;

type Job = Box<dyn FnOnce(&mut Connection) + Send>;

/// Runs jobs on one connection, one after the other.
pub(super) struct Worker {
    jobs: mpsc::Sender<Job>,
}

impl Worker {
    /// Starts the thread. It ends when the worker is dropped.
    pub(super) fn start(name: &str, mut connection: Connection) -> Result<Self, StoreError> {
        let (jobs, queue) = mpsc::channel::<Job>();
        std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                for job in queue {
                    job(&mut connection);
                }
            })
            .map_err(|source| StoreError::Directory { path: format!("thread {name}"), source })?;
        Ok(Self { jobs })
    }

    /// Runs `job` on the connection. A job that was handed over is done even when nobody waits for it any more.
    pub(super) async fn run<R, F>(&self, job: F) -> Result<R, StoreError>
    where
        R: Send + 'static,
        F: FnOnce(&mut Connection) -> Result<R, StoreError> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let boxed: Job = Box::new(move |connection| {
            // Nobody waiting is not an error of the job's.
            drop(answer.send(job(connection)));
        });
        self.jobs.send(boxed).map_err(|_| StoreError::Closed)?;
        answered.await.map_err(|_| StoreError::Closed)?
    }
}
