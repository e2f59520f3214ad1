//! Where control groups are mounted, and where this process is in them.

use std::io;
use std::path::{Path, PathBuf};

/// One mounted hierarchy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hierarchy {
    /// Where it is mounted.
    pub(super) mount: PathBuf,
    /// This process's own group in it.
    pub(super) own: PathBuf,
    /// Its controllers; empty for version 2, which tells them in a file.
    pub(super) controllers: Vec<String>,
}

/// All of them.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Hierarchies {
    pub(super) version_1: Vec<Hierarchy>,
    pub(super) version_2: Option<Hierarchy>,
}

impl Hierarchies {
    /// Those that this process sees.
    pub(super) fn of_this_process() -> io::Result<Self> {
        let mounts = std::fs::read_to_string("/proc/self/mountinfo")?;
        let groups = std::fs::read_to_string("/proc/self/cgroup")?;
        Ok(Self::parse(&mounts, &groups))
    }

    /// The first mount of each hierarchy counts; later ones show the same.
    fn parse(mounts: &str, groups: &str) -> Self {
        let mut all = Self::default();
        for line in mounts.lines() {
            let Some((mount, kind)) = line.split_once(" - ") else { continue };
            let mut mount = mount.split(' ').skip(3);
            let (Some(root), Some(mount)) = (mount.next(), mount.next()) else { continue };
            let mut kind = kind.split(' ');
            match (kind.next(), kind.nth(1)) {
                (Some("cgroup2"), _) if all.version_2.is_none() => {
                    all.version_2 = Some(hierarchy(root, mount, own_group(groups, ""), Vec::new()));
                }
                (Some("cgroup"), Some(options)) => {
                    let controllers: Vec<String> = options.split(',').skip(1).map(str::to_owned).collect();
                    let own = controllers.first().map_or("/", |controller| own_group(groups, controller));
                    all.version_1.push(hierarchy(root, mount, own, controllers));
                }
                _ => {}
            }
        }
        all
    }
}

/// This process's group in the hierarchy of a controller, or in that of version 2 for none.
fn own_group<'a>(groups: &'a str, controller: &str) -> &'a str {
    let mut lines = groups.lines().filter_map(|line| {
        let (_, rest) = line.split_once(':')?;
        rest.split_once(':')
    });
    let own = lines.find(|(controllers, _)| {
        if controller.is_empty() {
            controllers.is_empty()
        } else {
            controllers.split(',').any(|name| name == controller)
        }
    });
    own.map_or("/", |(_, path)| path)
}

/// A mount may show a part of the hierarchy only, in which this process may not be.
fn hierarchy(root: &str, mount: &str, own: &str, controllers: Vec<String>) -> Hierarchy {
    let mount = PathBuf::from(mount);
    let below = Path::new(own).strip_prefix(root).or_else(|_| Path::new(own).strip_prefix("/"));
    let own = below.map_or_else(|_| mount.clone(), |below| mount.join(below));
    let own = if own.starts_with(&mount) && !own.components().any(|part| part.as_os_str() == "..") {
        own
    } else {
        mount.clone()
    };
    Hierarchy { mount, own, controllers }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
29 23 0:26 / /sys/fs/cgroup rw - tmpfs tmpfs rw
30 29 0:27 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu,cpuacct
31 29 0:28 /docker/1 /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids
32 29 0:29 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw
";
    const GROUPS: &str = "3:pids:/docker/1/inner\n2:cpu,cpuacct:/job\n0::/user.slice\n";

    #[test]
    fn own_groups_are_found_below_the_mounts() {
        let all = Hierarchies::parse(MOUNTS, GROUPS);
        assert_eq!(all.version_1[0].own, Path::new("/sys/fs/cgroup/cpu/job"));
        assert_eq!(all.version_1[1].own, Path::new("/sys/fs/cgroup/pids/inner"));
        assert_eq!(all.version_2.expect("there").own, Path::new("/sys/fs/cgroup/unified/user.slice"));
        assert_eq!(Hierarchies::parse("", GROUPS), Hierarchies::default());
    }

    #[test]
    fn a_group_outside_of_the_mount_is_replaced_by_the_mount() {
        let all = Hierarchies::parse("1 1 0:1 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n", "0::/../other\n");
        assert_eq!(all.version_2.expect("there").own, Path::new("/sys/fs/cgroup"));
    }
}
