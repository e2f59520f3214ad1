//! Everything a command needs, made before the fork: after it nothing may allocate.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::Arc;

use sandboxer_envd::process::ProcessConfig;

use super::limits::Limits;
use crate::accounts::User;
use crate::identity::Identity;
use crate::paths::absolute;

const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const DEFAULT_TERM: &str = "xterm-256color";

/// A command, ready to be forked.
#[derive(Debug)]
pub(super) struct Plan {
    /// The programs to try, in order.
    pub(super) programs: Vec<CString>,
    pub(super) arguments: Vec<CString>,
    pub(super) environment: Vec<CString>,
    /// The directories to try, in order; the first that can be entered is it.
    pub(super) directories: Vec<CString>,
    pub(super) identity: Option<Identity>,
    pub(super) limits: Limits,
    pub(super) cgroups: Arc<[i32]>,
    pub(super) no_new_privileges: bool,
    pub(super) no_tracing: bool,
    pub(super) terminal: bool,
}

/// A request that makes no sense.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum PlanFault {
    /// There is no program.
    #[error("there is no command to run")]
    NoProgram,
    /// A zero byte would end the text early.
    #[error("the {0} contains a zero byte")]
    ZeroByte(&'static str),
    /// `=` or emptiness cannot be part of a variable's name.
    #[error("`{0}` cannot name an environment variable")]
    VariableName(String),
}

/// What all commands of an agent have in common.
#[derive(Debug, Clone)]
pub(super) struct Common<'a> {
    pub(super) workdir: Option<&'a str>,
    pub(super) environment: &'a BTreeMap<String, String>,
    pub(super) limits: &'a Limits,
    pub(super) cgroups: &'a Arc<[i32]>,
    pub(super) no_new_privileges: bool,
    pub(super) no_tracing: bool,
}

impl Plan {
    pub(super) fn new(
        config: &ProcessConfig,
        user: &User,
        identity: Option<Identity>,
        terminal: bool,
        common: &Common<'_>,
    ) -> Result<Self, PlanFault> {
        if config.cmd.is_empty() {
            return Err(PlanFault::NoProgram);
        }
        let variables = variables(config, user, terminal, common.environment)?;
        let path = variables.get("PATH").map_or("", String::as_str);
        let arguments = std::iter::once(&config.cmd).chain(&config.args);
        Ok(Self {
            programs: programs(&config.cmd, path)?,
            arguments: arguments.map(|argument| text(argument, "command")).collect::<Result<_, _>>()?,
            environment: variables
                .iter()
                .map(|(name, value)| text(&format!("{name}={value}"), "environment"))
                .collect::<Result<_, _>>()?,
            directories: directories(config.cwd.as_deref(), user, common.workdir)?,
            identity,
            limits: common.limits.clone(),
            cgroups: Arc::clone(common.cgroups),
            no_new_privileges: common.no_new_privileges,
            no_tracing: common.no_tracing,
            terminal,
        })
    }
}

fn text(from: &str, what: &'static str) -> Result<CString, PlanFault> {
    CString::new(from).map_err(|_| PlanFault::ZeroByte(what))
}

fn path(from: &Path, what: &'static str) -> Result<CString, PlanFault> {
    CString::new(from.as_os_str().as_bytes()).map_err(|_| PlanFault::ZeroByte(what))
}

fn variables(
    config: &ProcessConfig,
    user: &User,
    terminal: bool,
    common: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>, PlanFault> {
    let own = [
        ("PATH", DEFAULT_PATH),
        ("HOME", &user.home),
        ("USER", &user.name),
        ("LOGNAME", &user.name),
        ("SHELL", &user.shell),
    ];
    let mut variables: BTreeMap<String, String> =
        own.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    if terminal {
        variables.insert("TERM".to_owned(), DEFAULT_TERM.to_owned());
    }
    let given = common.iter().chain(config.envs.iter());
    for (name, value) in given {
        if name.is_empty() || name.contains('=') {
            return Err(PlanFault::VariableName(name.clone()));
        }
        variables.insert(name.clone(), value.clone());
    }
    Ok(variables)
}

/// As a shell looks for them: a slash means a path, an empty component of PATH means the working directory.
fn programs(program: &str, path: &str) -> Result<Vec<CString>, PlanFault> {
    if program.contains('/') {
        return Ok(vec![text(program, "command")?]);
    }
    let folder = |folder: &str| if folder.is_empty() { ".".to_owned() } else { folder.to_owned() };
    path.split(':').map(|part| text(&format!("{}/{program}", folder(part)), "command")).collect()
}

fn directories(cwd: Option<&str>, user: &User, workdir: Option<&str>) -> Result<Vec<CString>, PlanFault> {
    match cwd.filter(|cwd| !cwd.is_empty()) {
        Some(cwd) => Ok(vec![path(&absolute(cwd, &user.home), "working directory")?]),
        None => {
            let tried = workdir.into_iter().chain([user.home.as_str(), "/"]);
            tried.map(|folder| text(folder, "working directory")).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user() -> User {
        let (name, home, shell) = ("user".into(), "/home/user".into(), "/bin/bash".into());
        User { name, uid: 1000, gid: 1000, home, shell, groups: [1000].into() }
    }

    fn plan(config: &ProcessConfig) -> Result<Plan, PlanFault> {
        let (environment, limits, cgroups) = (BTreeMap::new(), Limits::default(), Arc::from([]));
        let common = Common {
            workdir: Some("/workspace"),
            environment: &environment,
            limits: &limits,
            cgroups: &cgroups,
            no_new_privileges: true,
            no_tracing: true,
        };
        Plan::new(config, &user(), None, false, &common)
    }

    fn config(cmd: &str) -> ProcessConfig {
        ProcessConfig { cmd: cmd.to_owned(), ..ProcessConfig::default() }
    }

    fn texts(from: &[CString]) -> Vec<&str> {
        from.iter().map(|text| text.to_str().unwrap()).collect()
    }

    #[test]
    fn the_commands_own_path_is_searched() {
        let mut config = config("tool");
        config.envs.insert("PATH".to_owned(), "/a::/b".to_owned());
        assert_eq!(texts(&plan(&config).unwrap().programs), ["/a/tool", "./tool", "/b/tool"]);
        config.cmd = "./tool".to_owned();
        assert_eq!(texts(&plan(&config).unwrap().programs), ["./tool"]);
    }

    #[test]
    fn the_environment_is_the_users_and_the_requests() {
        let mut config = config("true");
        config.envs.insert("HOME".to_owned(), "/tmp".to_owned());
        config.envs.insert("A".to_owned(), "b=c".to_owned());
        let plan = plan(&config).unwrap();
        let environment = texts(&plan.environment);
        for expected in ["A=b=c", "HOME=/tmp", "USER=user", "LOGNAME=user", "SHELL=/bin/bash"] {
            assert!(environment.contains(&expected), "{expected}");
        }
        assert_eq!(environment.iter().filter(|line| line.starts_with("HOME=")).count(), 1);
    }

    #[test]
    fn directories() {
        let mut config = config("true");
        assert_eq!(texts(&plan(&config).unwrap().directories), ["/workspace", "/home/user", "/"]);
        config.cwd = Some("src".to_owned());
        assert_eq!(texts(&plan(&config).unwrap().directories), ["/home/user/src"]);
    }

    #[test]
    fn nonsense_is_refused() {
        assert_eq!(plan(&config("")).unwrap_err(), PlanFault::NoProgram);
        assert_eq!(plan(&config("a\0b")).unwrap_err(), PlanFault::ZeroByte("command"));
        let mut named = config("true");
        named.envs.insert("A=B".to_owned(), String::new());
        assert_eq!(plan(&named).unwrap_err(), PlanFault::VariableName("A=B".to_owned()));
    }
}
