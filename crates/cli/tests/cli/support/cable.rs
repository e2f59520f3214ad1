//! What stands between a client and an agent's socket, and can be cut.

use std::io;
use std::net::Shutdown;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// Takes the place of a socket and passes connections on.
pub(crate) struct Cable {
    path: PathBuf,
    streams: Arc<Mutex<Vec<UnixStream>>>,
}

impl Cable {
    pub(crate) fn lay(path: &Path) -> Self {
        let far = path.with_extension("far");
        std::fs::rename(path, &far).expect("ours");
        let listener = UnixListener::bind(path).expect("a short path");
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o777)).expect("ours");
        let streams: Arc<Mutex<Vec<UnixStream>>> = Arc::default();
        let known = Arc::clone(&streams);
        std::thread::spawn(move || {
            for near in listener.incoming().flatten() {
                let Ok(far) = UnixStream::connect(&far) else { continue };
                let copy = |stream: &UnixStream| stream.try_clone().expect("a descriptor");
                known.lock().expect("nobody panics").extend([copy(&near), copy(&far)]);
                for (from, to) in [(copy(&near), copy(&far)), (far, near)] {
                    std::thread::spawn(move || pass(from, &to));
                }
            }
        });
        Self { path: path.to_owned(), streams }
    }

    /// Breaks every connection; new ones can be made.
    pub(crate) fn cut(&self) {
        for stream in self.streams.lock().expect("nobody panics").drain(..) {
            // One that ended already cannot be ended.
            drop(stream.shutdown(Shutdown::Both));
        }
    }

    /// Breaks every connection, and lets no new one through.
    pub(crate) fn remove(&self) {
        std::fs::remove_file(&self.path).expect("ours");
        self.cut();
    }
}

fn pass(mut from: UnixStream, mut to: &UnixStream) {
    // It ends when it is cut.
    drop(io::copy(&mut from, &mut to));
    drop(to.shutdown(Shutdown::Write));
}
