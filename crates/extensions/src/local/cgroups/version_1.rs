//! Control groups of version 1: a hierarchy for each controller.

use super::hierarchies::Hierarchies;
use super::{Controller, Group, Limit, Presence};
use rustix::fs::Access;
use sandboxer_types::Resources;

/// The group that enforces one limit, where its controller is mounted and this process may make groups.
pub(super) fn group(
    hierarchies: &Hierarchies,
    controller: Controller,
    resources: &Resources,
    names: &[String; 3],
) -> Option<Group> {
    let name = controller.name();
    let hierarchy = hierarchies.version_1.iter().find(|hierarchy| hierarchy.controllers.iter().any(|it| it == name))?;
    let writable = rustix::fs::access(&hierarchy.own, Access::WRITE_OK).is_ok();
    writable.then(|| Group {
        base: hierarchy.own.clone(),
        names: names.clone(),
        limits: vec![limit(controller, resources)],
        delegated: false,
    })
}

fn limit(controller: Controller, resources: &Resources) -> Limit {
    let files = match controller {
        Controller::Cpu => {
            let quota = resources.cpus.unwrap_or(1.0) * 100_000.0;
            vec![
                ("cpu.cfs_period_us", "100000".to_owned(), Presence::Always),
                ("cpu.cfs_quota_us", format!("{quota:.0}"), Presence::Always),
            ]
        }
        Controller::Memory => {
            let bytes = resources.memory.map_or(u64::MAX, sandboxer_types::ByteSize::as_bytes).to_string();
            vec![
                ("memory.limit_in_bytes", bytes.clone(), Presence::Always),
                ("memory.memsw.limit_in_bytes", bytes, Presence::WithSwap),
            ]
        }
        Controller::Pids => {
            vec![("pids.max", resources.pids.unwrap_or(u64::MAX).to_string(), Presence::Always)]
        }
    };
    Limit { controller, files }
}
