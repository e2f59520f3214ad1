//! Resource limits of commands, and the agent's own.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::options::CommandLimits;

/// What each command sets before it runs.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Limits {
    values: Vec<(Resource, Rlimit)>,
}

impl Limits {
    /// `descriptors` is the limit that the agent itself was started with, before it raised its own.
    pub(crate) fn new(wanted: &CommandLimits, descriptors: Rlimit) -> Self {
        let each = [
            (Resource::Nproc, wanted.nproc),
            (Resource::Nofile, wanted.nofile),
            (Resource::Core, wanted.core),
            (Resource::Fsize, wanted.fsize),
            (Resource::Stack, wanted.stack),
            (Resource::Memlock, wanted.memlock),
        ];
        let wanted_values = each.into_iter().filter_map(|(resource, value)| {
            let value = Some(value?);
            Some((resource, Rlimit { current: value, maximum: value }))
        });
        let mut values: Vec<_> = wanted_values.collect();
        if wanted.nofile.is_none() {
            values.push((Resource::Nofile, descriptors));
        }
        Self { values }
    }

    /// Sets them on this process. A hard limit that is lower already stays. Runs between fork and exec: system calls
    /// only.
    pub(super) fn apply(&self) -> rustix::io::Result<()> {
        for (resource, wanted) in &self.values {
            let hard = getrlimit(*resource).maximum;
            let limit = Rlimit { current: lower(wanted.current, hard), maximum: lower(wanted.maximum, hard) };
            setrlimit(*resource, limit)?;
        }
        Ok(())
    }
}

/// The lower of two limits, of which `None` is none.
fn lower(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

/// Lets the agent itself open as many descriptors as it may: each command costs it four. Gives the limit found.
pub(crate) fn raise_descriptors() -> rustix::io::Result<Rlimit> {
    let found = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: found.maximum, maximum: found.maximum };
    setrlimit(Resource::Nofile, raised)?;
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_gets_the_descriptors_that_the_agent_found() {
        let found = Rlimit { current: Some(1024), maximum: Some(4096) };
        let limits = Limits::new(&CommandLimits::default(), found);
        assert_eq!(limits.values, [(Resource::Nofile, found)]);
        let wanted = CommandLimits { nofile: Some(64), ..CommandLimits::default() };
        let both = Rlimit { current: Some(64), maximum: Some(64) };
        assert_eq!(Limits::new(&wanted, found).values, [(Resource::Nofile, both)]);
    }

    #[test]
    fn none_is_no_limit() {
        assert_eq!(lower(None, None), None);
        assert_eq!(lower(Some(1), None), Some(1));
        assert_eq!(lower(None, Some(2)), Some(2));
        assert_eq!(lower(Some(3), Some(2)), Some(2));
    }
}
