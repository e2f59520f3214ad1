//! A few threads for work on files, started once: with a thread per call, a fork bomb in the sandbox would make the
//! next call fail for want of a thread.

use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use tokio::sync::oneshot;

use crate::identity::Identity;

/// Enough to keep a disk busy while one of them waits.
const THREADS: usize = 4;

type Job = Box<dyn FnOnce() + Send>;

/// The threads' common queue.
#[derive(Clone)]
pub(crate) struct Workers {
    queue: Arc<Queue>,
}

#[derive(Default)]
struct Queue {
    jobs: Mutex<VecDeque<Job>>,
    added: Condvar,
}

impl Queue {
    fn next(&self) -> Job {
        let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            match jobs.pop_front() {
                Some(job) => return job,
                None => jobs = self.added.wait(jobs).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }
}

impl Workers {
    /// Starts the threads.
    pub(crate) fn start() -> io::Result<Self> {
        let queue = Arc::<Queue>::default();
        for number in 0..THREADS {
            let queue = Arc::clone(&queue);
            std::thread::Builder::new().name(format!("files-{number}")).spawn(move || {
                loop {
                    let job = queue.next();
                    // A job that panics drops its answer's sender, which its caller sees; the thread goes on.
                    if catch_unwind(AssertUnwindSafe(job)).is_err() {
                        tracing::error!("work on files panicked");
                    }
                }
            })?;
        }
        Ok(Self { queue })
    }

    /// Runs `work` on one of the threads, as `identity` when there is one. Work that was begun is finished even when
    /// nobody waits for it any more.
    pub(crate) async fn run<Output: Send + 'static>(
        &self,
        identity: Option<Identity>,
        work: impl FnOnce() -> io::Result<Output> + Send + 'static,
    ) -> io::Result<Output> {
        self.queue(move || match identity {
            Some(identity) => identity.act(work).and_then(|output| output),
            None => work(),
        })
        .await
    }

    /// The same as an identity that others may ask for, as the other end of a socket can.
    pub(crate) async fn run_fully<Output: Send + 'static>(
        &self,
        identity: Option<Identity>,
        work: impl FnOnce() -> io::Result<Output> + Send + 'static,
    ) -> io::Result<Output> {
        self.queue(move || match identity {
            Some(identity) => identity.act_fully(work).and_then(|output| output),
            None => work(),
        })
        .await
    }

    async fn queue<Output: Send + 'static>(
        &self,
        work: impl FnOnce() -> io::Result<Output> + Send + 'static,
    ) -> io::Result<Output> {
        let (answer, result) = oneshot::channel();
        let job = Box::new(move || {
            // Nobody waits any more: the connection is gone.
            drop(answer.send(work()));
        });
        self.queue.jobs.lock().unwrap_or_else(PoisonError::into_inner).push_back(job);
        self.queue.added.notify_one();
        result.await.unwrap_or_else(|_| Err(io::Error::other("work on files panicked")))
    }
}

impl Workers {
    /// Returns freed memory to the system after a burst, on one of the threads.
    pub(crate) fn give_memory_back(&self) {
        self.queue.jobs.lock().unwrap_or_else(PoisonError::into_inner).push_back(Box::new(trim));
        self.queue.added.notify_one();
    }
}

#[cfg(target_env = "gnu")]
#[allow(unsafe_code, reason = "libc has no safe form of it")]
fn trim() {
    // SAFETY: takes a number and touches only the allocator's own free memory.
    unsafe { libc::malloc_trim(0) };
}

#[cfg(not(target_env = "gnu"))]
fn trim() {}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_an_error_and_the_thread_goes_on() {
        let workers = Workers::start().unwrap();
        for _ in 0..2 * THREADS {
            let panicked: io::Result<()> = workers.run(None, || panic!("on purpose")).await;
            assert!(panicked.is_err());
        }
        assert_eq!(workers.run(None, || Ok(7)).await.unwrap(), 7);
    }

    /// A file that only root may read, in a folder that all may enter.
    fn secret() -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let secret = folder.path().join("secret");
        std::fs::write(&secret, "").unwrap();
        for (path, mode) in [(folder.path(), 0o755), (&secret, 0o600)] {
            std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
        }
        (folder, secret)
    }

    fn nobody() -> Option<Identity> {
        let root = crate::identity::Power::probe() == crate::identity::Power::Root;
        root.then(|| Identity { uid: 65_534, gid: 65_534, groups: [65_534].into() })
    }

    #[tokio::test]
    async fn an_identity_is_taken_on_and_given_back() {
        let Some(identity) = nobody() else { return };
        let workers = Workers::start().unwrap();
        let (_folder, secret) = secret();
        for _ in 0..2 * THREADS {
            let read = || {
                let path = secret.clone();
                move || std::fs::read(path)
            };
            let refused = workers.run(Some(identity.clone()), read()).await;
            assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::PermissionDenied);
            workers.run(None, read()).await.unwrap();
            let refused = workers.run_fully(Some(identity.clone()), read()).await;
            assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::PermissionDenied);
            workers.run(None, read()).await.unwrap();
        }
    }

    #[test]
    fn an_identity_is_given_back_in_a_panic() {
        let Some(identity) = nobody() else { return };
        let (_folder, secret) = secret();
        let panics = || -> () { panic!("on purpose") };
        assert!(catch_unwind(AssertUnwindSafe(|| identity.act(panics))).is_err());
        std::fs::read(&secret).unwrap();
        assert!(catch_unwind(AssertUnwindSafe(|| identity.act_fully(panics))).is_err());
        std::fs::read(&secret).unwrap();
        assert!(rustix::process::geteuid().is_root() && rustix::process::getegid().is_root());
    }
}
