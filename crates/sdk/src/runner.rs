//! Commands as lists of arguments, run through a trait so that tests can stand in for them.

use crate::{GroupList, ProcessGroup};
use async_trait::async_trait;
use std::fmt;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// A command to run: a program and its arguments, never a shell string.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CommandLine {
    /// The program and its arguments.
    pub argv: Vec<String>,
    /// What it reads.
    pub stdin: Vec<u8>,
    /// Where it runs.
    pub directory: Option<std::path::PathBuf>,
    /// Variables it gets beside its parent's.
    pub env: Vec<(String, String)>,
}

impl CommandLine {
    /// A command with these words.
    pub fn new<I, S>(argv: I) -> Self
    where
        I: IntoIterator<Item = S>,
        S: Into<String>,
    {
        Self { argv: argv.into_iter().map(Into::into).collect(), ..Self::default() }
    }

    /// Gives it something to read.
    pub fn with_stdin(mut self, stdin: impl Into<Vec<u8>>) -> Self {
        self.stdin = stdin.into();
        self
    }

    /// Sets a variable.
    pub fn with_env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }
}

impl fmt::Display for CommandLine {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, word) in self.argv.iter().enumerate() {
            if place > 0 {
                formatter.write_str(" ")?;
            }
            let plain = !word.is_empty()
                && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_./:=@,+%".contains(&byte));
            if plain { formatter.write_str(word)? } else { write!(formatter, "{word:?}")? }
        }
        Ok(())
    }
}

/// What a command said and how it ended.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CommandOutput {
    /// Its exit status; 128 + N for signal N.
    pub status: i32,
    /// What it wrote to stdout.
    pub stdout: Vec<u8>,
    /// What it wrote to stderr.
    pub stderr: Vec<u8>,
}

impl CommandOutput {
    /// Whether it ended with 0.
    pub fn success(&self) -> bool {
        self.status == 0
    }

    /// Its stdout as text, without the last line's end.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).trim_end().to_owned()
    }
}

/// A command could not be run to its end.
#[derive(Debug, thiserror::Error)]
pub enum RunFault {
    /// It has no words.
    #[error("the command is empty")]
    Empty,
    /// It could not be started.
    #[error("cannot start `{program}`")]
    Start {
        /// Its program.
        program: String,
        /// Why.
        source: std::io::Error,
    },
    /// It could not be talked to.
    #[error("lost touch with `{program}`")]
    Talk {
        /// Its program.
        program: String,
        /// Why.
        source: std::io::Error,
    },
    /// It took longer than it was given, and was killed.
    #[error("`{program}` took longer than {limit:?} and was killed")]
    TimedOut {
        /// Its program.
        program: String,
        /// What it was given.
        limit: Duration,
    },
    /// A test did not expect it.
    #[error("{0}")]
    Unexpected(String),
}

/// Runs commands.
#[async_trait]
pub trait CommandRunner: Send + Sync {
    /// Runs `command` to its end, killing it after `limit`.
    async fn run(&self, command: &CommandLine, limit: Duration) -> Result<CommandOutput, RunFault>;
}

/// Runs commands as child processes of this one, in groups of their own so that a kill reaches their children.
#[derive(Debug, Clone, Default)]
pub struct SystemRunner {
    groups: Groups,
    withheld: Vec<std::ffi::OsString>,
}

#[derive(Debug, Clone, Default)]
enum Groups {
    /// A group for each command.
    #[default]
    Own,
    /// The same, noted where others find them when this process is gone.
    Listed(GroupList),
    /// This process's own, which somebody else ends as a whole.
    Shared,
}

impl SystemRunner {
    /// Notes the group of each command, so that none goes on when this process was killed.
    pub fn listed(groups: GroupList) -> Self {
        Self { groups: Groups::Listed(groups), ..Self::default() }
    }

    /// Leaves commands in this process's own group, for programs whose group is ended as a whole. Of a command that is
    /// late then only the process itself is killed at once.
    pub fn in_this_group() -> Self {
        Self { groups: Groups::Shared, ..Self::default() }
    }

    /// Commands do not get these variables, which this process has.
    #[must_use]
    pub fn without(mut self, variables: Vec<std::ffi::OsString>) -> Self {
        self.withheld = variables;
        self
    }

    fn prepare(&self, command: &mut tokio::process::Command) {
        for name in &self.withheld {
            command.env_remove(name);
        }
        match &self.groups {
            Groups::Own => drop(command.process_group(0)),
            Groups::Listed(groups) => groups.note(command.process_group(0).as_std_mut()),
            Groups::Shared => {}
        }
    }
}

#[async_trait]
impl CommandRunner for SystemRunner {
    async fn run(&self, command: &CommandLine, limit: Duration) -> Result<CommandOutput, RunFault> {
        let (program, arguments) = command.argv.split_first().ok_or(RunFault::Empty)?;
        let mut prepared = tokio::process::Command::new(program);
        prepared
            .args(arguments)
            .envs(command.env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        self.prepare(&mut prepared);
        if let Some(directory) = &command.directory {
            prepared.current_dir(directory);
        }
        let child = prepared.spawn().map_err(|source| RunFault::Start { program: program.clone(), source })?;
        let mut group = Killed(match self.groups {
            Groups::Own | Groups::Listed(_) => child.id().and_then(ProcessGroup::of),
            Groups::Shared => None,
        });
        let outcome = tokio::time::timeout(limit, converse(child, &command.stdin)).await;
        match outcome {
            Ok(Ok(output)) => {
                group.disarm();
                Ok(output)
            }
            Ok(Err(source)) => Err(RunFault::Talk { program: program.clone(), source }),
            Err(_) => Err(RunFault::TimedOut { program: program.clone(), limit }),
        }
    }
}

/// Kills a whole process group when the call that started it is dropped or out of time.
struct Killed(Option<ProcessGroup>);

impl Killed {
    fn disarm(&mut self) {
        self.0 = None;
    }
}

impl Drop for Killed {
    fn drop(&mut self) {
        if let Some(group) = self.0.take()
            && let Err(error) = group.signal(rustix::process::Signal::KILL)
        {
            tracing::warn!(%error, "cannot kill the process group of a command");
        }
    }
}

async fn converse(mut child: tokio::process::Child, stdin: &[u8]) -> std::io::Result<CommandOutput> {
    let (mut input, mut output, mut errors) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let write = async {
        if let Some(input) = &mut input {
            match input.write_all(stdin).await {
                // A command need not read what it is given.
                Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => {}
                other => other?,
            }
        }
        drop(input.take());
        Ok(())
    };
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let read_output = async {
        match &mut output {
            Some(output) => output.read_to_end(&mut stdout).await.map(drop),
            None => Ok(()),
        }
    };
    let read_errors = async {
        match &mut errors {
            Some(errors) => errors.read_to_end(&mut stderr).await.map(drop),
            None => Ok(()),
        }
    };
    tokio::try_join!(write, read_output, read_errors)?;
    let status = child.wait().await?;
    let status =
        status.code().unwrap_or_else(|| 128 + std::os::unix::process::ExitStatusExt::signal(&status).unwrap_or(0));
    Ok(CommandOutput { status, stdout, stderr })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_command_is_run_with_its_words_verbatim() {
        let command = CommandLine::new(["printf", "%s|", "a b", "$(id)", ";"]);
        let output = SystemRunner::default().run(&command, Duration::from_secs(10)).await.expect("runs");
        assert_eq!(output.text(), "a b|$(id)|;|");
        assert_eq!(command.to_string(), r#"printf "%s|" "a b" "$(id)" ";""#);
    }

    #[tokio::test]
    async fn large_input_and_output_do_not_block_each_other() {
        let input = vec![b'x'; 4 << 20];
        let command = CommandLine::new(["cat"]).with_stdin(input.clone());
        let output = SystemRunner::default().run(&command, Duration::from_secs(30)).await.expect("runs");
        assert_eq!(output.stdout, input);
    }

    #[tokio::test]
    async fn a_command_leads_its_own_listed_group_or_none() {
        let list = tempfile::NamedTempFile::new().expect("a file");
        let appended = std::fs::File::options().append(true).open(list.path()).expect("there");
        let listed = SystemRunner::listed(GroupList::new("this-test".to_owned(), appended.into()));
        let command = CommandLine::new(["sh", "-c", "ps -o pgid= -p $$; echo $SANDBOXER_PROCESS"]);
        let said = listed.run(&command, Duration::from_secs(10)).await.expect("runs").text();
        let noted = std::fs::read_to_string(list.path()).expect("readable");
        assert_eq!(said.split_whitespace().collect::<Vec<_>>(), [noted.trim(), "this-test"]);
        let shared = SystemRunner::in_this_group().run(&command, Duration::from_secs(10)).await.expect("runs");
        let own = CommandLine::new(["ps", "-o", "pgid=", "-p", &std::process::id().to_string()]);
        let own = SystemRunner::default().run(&own, Duration::from_secs(10)).await.expect("runs").text();
        assert_eq!(shared.text().trim(), own.trim());
    }

    #[tokio::test]
    async fn a_late_command_is_killed_with_its_children() {
        let command = CommandLine::new(["sh", "-c", "sleep 1000 & wait"]);
        let fault = SystemRunner::default().run(&command, Duration::from_millis(50)).await.expect_err("too late");
        assert!(matches!(fault, RunFault::TimedOut { .. }), "{fault}");
    }
}
