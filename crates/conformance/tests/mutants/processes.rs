//! The processes of a sandbox: those that have its folder among their arguments, or in their environment.

use rustix::process::{Pid, Signal, kill_process};
use std::path::Path;
use std::time::Duration;

/// The variable of all commands of a sandbox, which has its folder.
pub(crate) const VARIABLE: &str = "MODEL_OBJECT";
const LOOKING: Duration = Duration::from_millis(2);

/// A living process.
pub(crate) struct Process {
    pub(crate) pid: i32,
    words: Vec<Vec<u8>>,
}

impl Process {
    pub(crate) fn has_word(&self, word: &str) -> bool {
        self.words.iter().any(|one| one == word.as_bytes())
    }

    pub(crate) fn signal(&self, signal: Signal) {
        // Whoever ended meanwhile needs none.
        Pid::from_raw(self.pid).map(|pid| kill_process(pid, signal).unwrap_or_default()).unwrap_or_default();
    }
}

/// All that belong to the sandbox in this folder, but for the one that asks. A process that has ended has no words.
pub(crate) fn of(folder: &Path) -> Vec<Process> {
    let own = std::process::id();
    let folder = folder.to_string_lossy().into_owned();
    let variable = format!("{VARIABLE}={folder}");
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok()).filter(|pid| *pid != own);
    pids.filter_map(|pid| {
        let words = words(pid, "cmdline");
        let belongs = words.iter().any(|word| word == folder.as_bytes())
            || words_of_environment(pid, &words).iter().any(|word| word == variable.as_bytes());
        belongs.then(|| Process { pid: i32::try_from(pid).unwrap(), words })
    })
    .collect()
}

/// Those of them that have this word among their arguments.
pub(crate) fn with_word(folder: &Path, word: &str) -> Vec<Process> {
    of(folder).into_iter().filter(|process| process.has_word(word)).collect()
}

/// Ends them all. Returns once none is left.
pub(crate) async fn end(folder: &Path) {
    loop {
        let processes = of(folder);
        if processes.is_empty() {
            return;
        }
        for process in processes {
            process.signal(Signal::KILL);
        }
        tokio::time::sleep(LOOKING).await;
    }
}

fn words(pid: u32, file: &str) -> Vec<Vec<u8>> {
    let bytes = std::fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
    bytes.split(|byte| *byte == 0).map(<[u8]>::to_vec).collect()
}

fn words_of_environment(pid: u32, arguments: &[Vec<u8>]) -> Vec<Vec<u8>> {
    // Threads of the kernel and the dead have no arguments.
    if arguments.iter().all(Vec::is_empty) { Vec::new() } else { words(pid, "environ") }
}
