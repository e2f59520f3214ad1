//! A server of a test: the agent, or the control plane.

use crate::namespace::Namespace;
use sandboxer_machinery::until;
use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// A server that runs until its namespace is removed.
pub(crate) struct Server {
    child: Child,
    log: PathBuf,
}

impl Server {
    /// Starts it, and waits until it listens.
    pub(crate) fn start(namespace: &Namespace, mut command: Command, port: u16, log: PathBuf) -> Self {
        let file = File::create(&log).expect("ours");
        command.stdin(Stdio::null()).stdout(file.try_clone().expect("a descriptor")).stderr(file);
        let child = command.spawn().expect("ip starts");
        let mut server = Self { child, log };
        until(&format!("somebody listens on port {port}"), || {
            let ended = server.child.try_wait().expect("a child");
            assert!(ended.is_none(), "the server ended with {ended:?}: {}", server.wrote());
            namespace.listens(port).then_some(())
        });
        server
    }

    /// What it wrote so far.
    pub(crate) fn wrote(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Its namespace is gone, and it with it.
        self.child.kill().and_then(|()| self.child.wait()).ok();
    }
}
