//! How a command ended, and how Go says it: envd's clients read Go's words.

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// It exited by itself.
    Code(i32),
    /// A signal ended it.
    Signal { signal: i32, core_dumped: bool },
}

impl Exit {
    /// From the status that `wait` gives; `None` for a process that only stopped or went on.
    pub(crate) fn from_wait(status: i32) -> Option<Self> {
        if libc::WIFEXITED(status) {
            return Some(Self::Code(libc::WEXITSTATUS(status)));
        }
        let signal = libc::WTERMSIG(status);
        libc::WIFSIGNALED(status).then(|| Self::Signal { signal, core_dumped: libc::WCOREDUMP(status) })
    }

    /// envd's exit code: -1 for a signal.
    pub(crate) fn envd_code(self) -> i32 {
        match self {
            Self::Code(code) => code,
            Self::Signal { .. } => -1,
        }
    }

    /// `exit status 1`, `signal: killed`.
    pub(crate) fn text(self) -> String {
        match self {
            Self::Code(code) => format!("exit status {code}"),
            Self::Signal { signal, core_dumped } => {
                let core = if core_dumped { " (core dumped)" } else { "" };
                match name(signal) {
                    Some(name) => format!("signal: {name}{core}"),
                    None => format!("signal: signal {signal}{core}"),
                }
            }
        }
    }
}

/// Go's names of Linux's signals.
fn name(signal: i32) -> Option<&'static str> {
    const NAMES: [&str; 31] = [
        "hangup",
        "interrupt",
        "quit",
        "illegal instruction",
        "trace/breakpoint trap",
        "aborted",
        "bus error",
        "floating point exception",
        "killed",
        "user defined signal 1",
        "segmentation fault",
        "user defined signal 2",
        "broken pipe",
        "alarm clock",
        "terminated",
        "stack fault",
        "child exited",
        "continued",
        "stopped (signal)",
        "stopped",
        "stopped (tty input)",
        "stopped (tty output)",
        "urgent I/O condition",
        "CPU time limit exceeded",
        "file size limit exceeded",
        "virtual timer expired",
        "profiling timer expired",
        "window changed",
        "I/O possible",
        "power failure",
        "bad system call",
    ];
    let index = usize::try_from(signal).ok()?.checked_sub(1)?;
    NAMES.get(index).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wait_statuses_are_told_apart() {
        assert_eq!(Exit::from_wait(3 << 8), Some(Exit::Code(3)));
        assert_eq!(Exit::from_wait(9), Some(Exit::Signal { signal: 9, core_dumped: false }));
        assert_eq!(Exit::from_wait(6 | 0x80), Some(Exit::Signal { signal: 6, core_dumped: true }));
        assert_eq!(Exit::from_wait(0x7f | 19 << 8), None);
        assert_eq!(Exit::from_wait(0xffff), None);
    }

    #[test]
    fn go_words() {
        let signal = |signal, core_dumped| Exit::Signal { signal, core_dumped }.text();
        assert_eq!(Exit::Code(1).text(), "exit status 1");
        assert_eq!(signal(9, false), "signal: killed");
        assert_eq!(signal(6, true), "signal: aborted (core dumped)");
        assert_eq!(signal(15, false), "signal: terminated");
        assert_eq!(signal(31, false), "signal: bad system call");
        assert_eq!(signal(40, false), "signal: signal 40");
    }
}
