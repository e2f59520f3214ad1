//! `ext.local`: sandboxes of namespaces, cgroups and system call filters on this machine.
//!
//! A sandbox is a folder `<root>/<id>`, a *supervisor* outside (this executable again, single-threaded) and the *agent*
//! inside, which is process 1 of its own pid namespace. Everything a sandbox is can be found through its folder:
//!
//! | name | what it is |
//! | --- | --- |
//! | `journal` | whose it is, what it was asked to be, who supervises it, its cgroups and its first process, each written before it may do anything; locked as long as somebody works on the sandbox, and the kernel drops the lock with its holder |
//! | `control` | the supervisor's socket: to end the sandbox, to move its lease |
//! | `agent.sock` | the agent's socket, listening before the supervisor starts |
//! | `workspace`, `home`, `tmp` | what the sandbox keeps on disk; the rest of its root is in memory |
//! | `log` | what the agent had to complain about, if it had |
//!
//! The folder goes last, so whatever is left of a sandbox is found by listing the root folder.

mod admission;
mod agent_inside;
mod agent_log;
mod agent_options;
mod cgroups;
mod control;
mod digest;
mod entry;
mod extension;
mod failure;
mod folder;
mod handover;
mod health;
mod inside;
mod launch;
mod lock;
mod mounts;
mod namespaces;
mod privileges;
mod probe;
mod process;
mod provision;
mod record;
mod remove_tree;
mod repository;
mod root_file_system;
mod seccomp;
mod supervisor;
mod sys;
mod teardown;
mod uid_range;
mod watch;

pub use entry::{AGENT_ARGUMENT, SUPERVISOR_ARGUMENT, agent_inside, supervise};
pub use extension::{LocalExtension, LocalSettings};
pub use probe::{Finding, FindingStatus, probe};
