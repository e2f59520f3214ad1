//! Control groups of version 2: one hierarchy, in which a group's controllers are switched on by its parent, and only
//! groups without processes of their own can switch them on.

use super::hierarchies::Hierarchies;
use super::{Controller, Group, Limit, Presence};
use rustix::fs::Access;
use sandboxer_types::Resources;
use std::io;
use std::path::Path;

/// The group that enforces the limits: below the nearest group above this process that this process may change and that
/// can pass all the controllers on.
pub(super) fn group(
    hierarchies: &Hierarchies,
    controllers: &[Controller],
    resources: &Resources,
    names: &[String; 3],
) -> Option<Group> {
    let hierarchy = hierarchies.version_2.as_ref().filter(|_| !controllers.is_empty())?;
    let limits: Vec<Limit> = controllers.iter().map(|controller| limit(*controller, resources)).collect();
    let mut candidates = hierarchy.own.ancestors().take_while(|path| path.starts_with(&hierarchy.mount));
    let base =
        candidates.find(|path| is_ours(path) && can_have_inner_groups(path) && switch_on(path, &limits).is_ok())?;
    Some(Group { base: base.to_owned(), names: names.clone(), limits, delegated: true })
}

/// Moving a process needs the right to write into a group above both its old place and its new one.
fn is_ours(path: &Path) -> bool {
    rustix::fs::access(path, Access::WRITE_OK).is_ok()
        && rustix::fs::access(path.join("cgroup.procs"), Access::WRITE_OK).is_ok()
}

/// A group that has processes of its own and passes controllers on is one for threads, and no group below it can take a
/// process. The root of all is the exception; it alone has no type.
fn can_have_inner_groups(path: &Path) -> bool {
    match std::fs::read_to_string(path.join("cgroup.type")) {
        Ok(kind) => {
            let processes = std::fs::read_to_string(path.join("cgroup.procs"));
            kind.trim() == "domain" && processes.is_ok_and(|processes| processes.is_empty())
        }
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}

/// Lets the groups below a group have the controllers.
pub(super) fn switch_on(path: &Path, limits: &[Limit]) -> io::Result<()> {
    let file = path.join("cgroup.subtree_control");
    let on = std::fs::read_to_string(&file)?;
    let is_on = |name: &str| on.split_ascii_whitespace().any(|it| it == name);
    let missing: Vec<String> = limits
        .iter()
        .map(|limit| limit.controller.name())
        .filter(|name| !is_on(name))
        .map(|name| format!("+{name}"))
        .collect();
    if missing.is_empty() { Ok(()) } else { std::fs::write(&file, missing.join(" ")) }
}

fn limit(controller: Controller, resources: &Resources) -> Limit {
    let files = match controller {
        Controller::Cpu => {
            let quota = resources.cpus.unwrap_or(1.0) * 100_000.0;
            vec![("cpu.max", format!("{quota:.0} 100000"), Presence::Always)]
        }
        Controller::Memory => {
            let bytes = resources.memory.map_or(u64::MAX, sandboxer_types::ByteSize::as_bytes);
            vec![
                ("memory.max", bytes.to_string(), Presence::Always),
                ("memory.swap.max", "0".to_owned(), Presence::WithSwap),
            ]
        }
        Controller::Pids => vec![("pids.max", resources.pids.unwrap_or(u64::MAX).to_string(), Presence::Always)],
    };
    Limit { controller, files }
}

#[cfg(test)]
mod tests {
    use super::super::hierarchies::Hierarchy;
    use super::*;
    use sandboxer_types::ByteSize;

    /// Groups as plain folders: `name` passes on the controllers that are given.
    fn make(mount: &Path, name: &str, passed_on: &str) {
        std::fs::create_dir_all(mount.join(name)).unwrap();
        std::fs::write(mount.join(name).join("cgroup.subtree_control"), passed_on).unwrap();
        std::fs::write(mount.join(name).join("cgroup.procs"), "").unwrap();
        std::fs::write(mount.join(name).join("cgroup.type"), "domain\n").unwrap();
    }

    #[test]
    fn the_nearest_group_that_passes_everything_on_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        make(folder.path(), "", "cpu memory pids");
        make(folder.path(), "user", "cpu memory pids\n");
        make(folder.path(), "user/own", "");
        // This process is in its own group, so nothing can be below that one.
        std::fs::write(folder.path().join("user/own/cgroup.procs"), "1\n").unwrap();
        let hierarchy =
            Hierarchy { mount: folder.path().to_owned(), own: folder.path().join("user/own"), controllers: Vec::new() };
        let hierarchies = Hierarchies { version_1: Vec::new(), version_2: Some(hierarchy) };
        let resources = Resources { memory: Some(ByteSize::bytes(4096)), pids: Some(7), ..Resources::default() };
        let names = ["sandboxer", "own1", "a"].map(str::to_owned);
        let asked = [Controller::Memory, Controller::Pids];
        let group = group(&hierarchies, &asked, &resources, &names).expect("is found");
        assert_eq!(group.path(), folder.path().join("user/sandboxer/own1/a"));
        let files: Vec<_> = group.limits.iter().flat_map(|limit| &limit.files).map(|file| file.1.as_str()).collect();
        assert_eq!(files, ["4096", "0", "7"]);
        assert!(super::group(&hierarchies, &[], &resources, &names).is_none());
    }

    #[test]
    fn only_what_is_missing_is_switched_on() {
        let folder = tempfile::tempdir().unwrap();
        make(folder.path(), "", "cpu");
        let resources = Resources { cpus: Some(0.5), pids: Some(7), ..Resources::default() };
        let limits = [Controller::Cpu, Controller::Pids].map(|controller| limit(controller, &resources));
        switch_on(folder.path(), &limits).unwrap();
        assert_eq!(std::fs::read_to_string(folder.path().join("cgroup.subtree_control")).unwrap(), "+pids");
        assert_eq!(limits[0].files[0].1, "50000 100000");
    }
}
