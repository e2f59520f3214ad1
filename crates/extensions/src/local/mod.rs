//! `ext.local`: sandboxes of namespaces, cgroups and system call filters on this machine.
//!
//! A sandbox is a folder `<root>/<id>`, a *supervisor* outside (this executable again, single-threaded) and the *agent*
//! inside, which is process 1 of its own pid namespace. Everything a sandbox is can be found through its folder:
//!
//! | name | what it is |
//! | --- | --- |
//! | `lock` | locked as long as somebody works on the sandbox or supervises it; the kernel drops it with its holder |
//! | `intent` | whose it is and what it was asked to be; written before anything is made |
//! | `control` | the supervisor's socket: to end the sandbox, to move its lease |
//! | `agent.sock` | the agent's socket, listening before the supervisor starts |
//! | `supervisor` | which process supervises, and the cgroups it is about to make |
//! | `init` | which process is the sandbox's first, written before that process may do anything |
//! | `root` | the sandbox's root file system |
//! | `log` | what supervisor and agent had to complain about |
//!
//! The folder goes last, so whatever is left of a sandbox is found by listing the root folder.

mod admission;
mod agent_inside;
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
