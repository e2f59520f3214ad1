//! Hosts to try things on: `build-1` with docker and `docker compose`, `build-2` with podman-compose, `vm`, a machine without
//! either. They last until the standard input ends, or a signal.
//!
//! `cargo run -p sandboxer-machinery --example stage`, as root.
#![allow(clippy::print_stdout, reason = "it tells people how to get there")]

use sandboxer_machinery::{Compose, HostOptions, Network};
use std::io::Read as _;

fn main() {
    let network = Network::new();
    let with = |compose| HostOptions { compose, ..HostOptions::default() };
    let first = network.host_with("build-1", with(Compose::Plugin));
    first.engine().load_busybox();
    let second = network.host_with("build-2", with(Compose::Podman));
    second.load_busybox_for_podman();
    let machine = network.host("vm");
    let hosts = [&first, &second, &machine].map(|host| (host.name(), host.address()));
    let config = network.ssh_config(&hosts);
    println!("export SANDBOXER_SSH_CONFIG={}", config.display());
    println!("alias inside='{}'", network.prefix().join(" "));
    println!("# inside ssh -F $SANDBOXER_SSH_CONFIG build-1; inside sandboxer host check build-1");
    let mut rest = Vec::new();
    // However it ends, it is the end.
    std::io::stdin().read_to_end(&mut rest).unwrap_or_default();
}
