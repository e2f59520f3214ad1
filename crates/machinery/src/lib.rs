//! Real machines for tests, and everything that can go wrong with them.
//!
//! - [`Sshd`]: a private ssh server on a loopback port of this machine. Needs no rights.
//! - [`Network`] and [`Host`]: hosts with a name, an address, a home and a disk of their own. Each is a set of
//!   namespaces; they can be cut off, lose packets, be slow, full, restarted. Needs root.
//! - [`Engine`]: a docker engine on a [`Host`], with every flavour of compose.
//! - [`VirtualMachine`]: a machine with a kernel of its own.
//!
//! Nothing of it has a name outside, so that tests that run at once never meet. What is made lives as long as the process
//! that made it: the kernel ends a host with everything on it when its test ends, however that happens.
//!
//! A function that cannot do its part panics, as tests do.

mod contents;
mod docker;
mod host;
mod image;
mod network;
mod processes;
mod proxy;
mod space;
mod sshd;
mod tools;
mod virtual_machine;
mod wait;

pub use docker::{Compose, Engine, Holdings};
pub use host::{Host, HostOptions};
pub use network::Network;
pub use processes::{Process, end, is_root};
pub use proxy::Proxy;
pub use sshd::{Sshd, SshdOptions, make_key};
pub use tools::compose_program;
pub use virtual_machine::VirtualMachine;
pub use wait::{ends_within, until, until_or};
