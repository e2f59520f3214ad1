//! A host that exists only in memory.

use crate::runner::{CommandLine, CommandOutput, CommandRunner, RunFault};
use async_trait::async_trait;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

type Program = Arc<dyn Fn(&FakeHost, &[String]) -> CommandOutput + Send + Sync>;

#[derive(Default)]
struct Contents {
    /// Path to contents; a folder has none.
    files: BTreeMap<String, Option<Vec<u8>>>,
    programs: BTreeMap<String, Program>,
    history: Vec<String>,
    down: bool,
}

/// A machine with files and programs, for tests of extensions that run commands. It knows `true`, `false`, `test`,
/// `mkdir -p`, `rm -rf`, `cat`, `ls`, `tee` (from stdin) and whatever programs a test gives it.
#[derive(Clone, Default)]
pub struct FakeHost {
    contents: Arc<Mutex<Contents>>,
}

impl FakeHost {
    /// An empty machine.
    pub fn new() -> Self {
        Self::default()
    }

    fn with<R>(&self, act: impl FnOnce(&mut Contents) -> R) -> R {
        act(&mut self.contents.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts a file there.
    pub fn file(self, path: &str, contents: impl Into<Vec<u8>>) -> Self {
        self.write(path, contents);
        self
    }

    /// Gives it a program: a function of the host and the arguments after its name.
    pub fn program(
        self,
        name: &str,
        program: impl Fn(&FakeHost, &[String]) -> CommandOutput + Send + Sync + 'static,
    ) -> Self {
        self.with(|contents| contents.programs.insert(name.to_owned(), Arc::new(program)));
        self
    }

    /// Writes a file and the folders above it.
    pub fn write(&self, path: &str, bytes: impl Into<Vec<u8>>) {
        let bytes = bytes.into();
        self.with(|contents| {
            add_folders(contents, parent(path));
            contents.files.insert(path.to_owned(), Some(bytes));
        });
    }

    /// Removes a file, or a folder with everything in it.
    pub fn remove(&self, path: &str) {
        self.with(|contents| remove(contents, path));
    }

    /// A file's contents.
    pub fn read(&self, path: &str) -> Option<Vec<u8>> {
        self.with(|contents| contents.files.get(path).cloned().flatten())
    }

    /// Whether a file or folder is there.
    pub fn exists(&self, path: &str) -> bool {
        self.with(|contents| contents.files.contains_key(path))
    }

    /// Every file and folder, for asserting that nothing is left.
    pub fn paths(&self) -> Vec<String> {
        self.with(|contents| contents.files.keys().cloned().collect())
    }

    /// Every command that was run, as one would type it.
    pub fn history(&self) -> Vec<String> {
        self.with(|contents| contents.history.clone())
    }

    /// Makes it refuse every command, as a machine that is switched off.
    pub fn set_down(&self, down: bool) {
        self.with(|contents| contents.down = down);
    }

    fn built_in(&self, argv: &[String], stdin: &[u8]) -> CommandOutput {
        let words: Vec<&str> = argv.iter().map(String::as_str).collect();
        match words.as_slice() {
            ["true"] => answer(0, ""),
            ["false"] => answer(1, ""),
            ["test", "-e" | "-d" | "-f", path] => answer(i32::from(!self.exists(path)), ""),
            ["mkdir", "-p", folders @ ..] => {
                self.with(|contents| folders.iter().for_each(|folder| add_folders(contents, folder)));
                answer(0, "")
            }
            ["rm", "-rf", paths @ ..] => {
                self.with(|contents| paths.iter().for_each(|path| remove(contents, path)));
                answer(0, "")
            }
            ["tee", path] => {
                self.write(path, stdin);
                CommandOutput { stdout: stdin.to_vec(), ..CommandOutput::default() }
            }
            ["cat", path] => match self.read(path) {
                Some(stdout) => CommandOutput { stdout, ..CommandOutput::default() },
                None => complaint(1, &format!("cat: {path}: No such file or directory")),
            },
            ["ls", folder] => self.list(folder),
            _ => complaint(127, &format!("{}: command not found", words.first().unwrap_or(&""))),
        }
    }

    fn list(&self, folder: &str) -> CommandOutput {
        if !self.exists(folder) {
            return complaint(2, &format!("ls: cannot access '{folder}': No such file or directory"));
        }
        let inside = format!("{}/", folder.trim_end_matches('/'));
        let names: Vec<String> = self
            .paths()
            .iter()
            .filter_map(|path| path.strip_prefix(&inside))
            .filter(|rest| !rest.contains('/'))
            .map(|name| format!("{name}\n"))
            .collect();
        answer(0, &names.concat())
    }
}

fn answer(status: i32, stdout: &str) -> CommandOutput {
    CommandOutput { status, stdout: stdout.as_bytes().to_vec(), stderr: Vec::new() }
}

fn complaint(status: i32, stderr: &str) -> CommandOutput {
    CommandOutput { status, stdout: Vec::new(), stderr: format!("{stderr}\n").into_bytes() }
}

fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(parent, _)| parent)
}

fn add_folders(contents: &mut Contents, folder: &str) {
    if !folder.is_empty() && !contents.files.contains_key(folder) {
        add_folders(contents, parent(folder));
        contents.files.insert(folder.to_owned(), None);
    }
}

fn remove(contents: &mut Contents, path: &str) {
    let inside = format!("{path}/");
    contents.files.retain(|name, _| name != path && !name.starts_with(&inside));
}

#[async_trait]
impl CommandRunner for FakeHost {
    async fn run(&self, command: &CommandLine, _limit: Duration) -> Result<CommandOutput, RunFault> {
        let (program, arguments) = command.argv.split_first().ok_or(RunFault::Empty)?;
        if self.with(|contents| contents.down) {
            let source = std::io::Error::from(std::io::ErrorKind::HostUnreachable);
            return Err(RunFault::Start { program: program.clone(), source });
        }
        self.with(|contents| contents.history.push(command.to_string()));
        let given = self.with(|contents| contents.programs.get(program).cloned());
        Ok(match given {
            Some(given) => given(self, arguments),
            None => self.built_in(&command.argv, &command.stdin),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn run(host: &FakeHost, argv: &[&str]) -> CommandOutput {
        host.run(&CommandLine::new(argv.iter().copied()), Duration::from_secs(1)).await.expect("up")
    }

    #[tokio::test]
    async fn files_live_and_die_as_on_a_real_machine() {
        let host = FakeHost::new().file("/srv/a/file", "hello");
        assert_eq!(run(&host, &["cat", "/srv/a/file"]).await.text(), "hello");
        run(&host, &["mkdir", "-p", "/srv/b/c"]).await;
        assert_eq!(run(&host, &["ls", "/srv"]).await.text(), "a\nb");
        run(&host, &["rm", "-rf", "/srv/a"]).await;
        assert_eq!(run(&host, &["test", "-e", "/srv/a/file"]).await.status, 1);
        assert_eq!(run(&host, &["nonsense"]).await.status, 127);
        assert_eq!(host.history().len(), 6);
    }

    #[tokio::test]
    async fn programs_of_a_test_act_on_the_host() {
        let host = FakeHost::new().program("touch", |host, arguments| {
            arguments.iter().for_each(|path| host.write(path, ""));
            CommandOutput::default()
        });
        run(&host, &["touch", "/x"]).await;
        assert!(host.exists("/x"));
        host.set_down(true);
        assert!(host.run(&CommandLine::new(["true"]), Duration::from_secs(1)).await.is_err());
    }
}
