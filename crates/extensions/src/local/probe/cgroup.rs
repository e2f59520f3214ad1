//! Which limits can be enforced.

use super::Finding;
use crate::local::cgroups::{self, Controller};
use sandboxer_types::{ByteSize, Resources};

const FIX: &str = "run as root, or in a delegated group: systemd-run --user --scope -p Delegate=yes sandboxer …";

/// One finding for each kind of limit.
pub(super) fn findings() -> Vec<Finding> {
    let one = |cpus, memory, pids| Resources { cpus, memory, pids, disk: None };
    vec![
        finding(Controller::Cpu, &one(Some(1.0), None, None)),
        finding(Controller::Memory, &one(None, Some(ByteSize::bytes(1 << 30)), None)),
        finding(Controller::Pids, &one(None, None, Some(64))),
    ]
}

fn finding(controller: Controller, resources: &Resources) -> Finding {
    let name = format!("limit on {}", controller.name());
    match cgroups::Cgroups::plan(resources, "probe", "probe").paths().first() {
        Some(path) => {
            let base = path.ancestors().nth(3).unwrap_or(path);
            Finding::ok(&name, format!("by cgroups below {}", base.display()))
        }
        None if controller == Controller::Pids => {
            Finding::degraded(&name, "by RLIMIT_NPROC: no writable cgroup has the controller `pids`", FIX)
        }
        None => {
            let detail = format!("not in force: no writable cgroup has the controller `{}`", controller.name());
            Finding::degraded(&name, detail, FIX)
        }
    }
}
