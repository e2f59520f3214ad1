//! A runner that knows its lines.

use crate::runner::{CommandLine, CommandOutput, CommandRunner, RunFault};
use async_trait::async_trait;
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

struct Line {
    expected: Vec<String>,
    answer: CommandOutput,
}

/// Answers the commands it was told to expect, in their order. Any other fails, and the failure shows the nearest
/// expectation; call [`ScriptedRunner::finish`] at the end to learn of expectations nobody met.
#[derive(Default)]
pub struct ScriptedRunner {
    lines: Mutex<VecDeque<Line>>,
}

impl ScriptedRunner {
    /// A runner that expects nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Expects `argv` next, and answers with exit status and stdout. The word `*` stands for any one word.
    pub fn expect(self, argv: &[&str], status: i32, stdout: &str) -> Self {
        self.expect_output(argv, CommandOutput { status, stdout: stdout.as_bytes().to_vec(), stderr: Vec::new() })
    }

    /// Expects `argv` next, and answers with `answer`.
    pub fn expect_output(self, argv: &[&str], answer: CommandOutput) -> Self {
        let expected = argv.iter().map(|word| (*word).to_owned()).collect();
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).push_back(Line { expected, answer });
        self
    }

    /// Fails when an expected command never came.
    pub fn finish(&self) -> Result<(), String> {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        match lines.front() {
            None => Ok(()),
            Some(next) => {
                Err(format!("{} expected commands never came; the next was: {}", lines.len(), show(&next.expected)))
            }
        }
    }
}

fn show(argv: &[String]) -> String {
    CommandLine::new(argv.iter().cloned()).to_string()
}

fn matches(expected: &[String], argv: &[String]) -> bool {
    expected.len() == argv.len() && expected.iter().zip(argv).all(|(want, have)| want == "*" || want == have)
}

/// How many words two commands share, place by place from the front.
fn likeness(expected: &[String], argv: &[String]) -> usize {
    expected.iter().zip(argv).filter(|(want, have)| *want == "*" || want == have).count()
}

#[async_trait]
impl CommandRunner for ScriptedRunner {
    async fn run(&self, command: &CommandLine, _limit: Duration) -> Result<CommandOutput, RunFault> {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.front().is_some_and(|line| matches(&line.expected, &command.argv)) {
            return Ok(lines.pop_front().map(|line| line.answer).unwrap_or_default());
        }
        let nearest = lines
            .iter()
            .enumerate()
            .max_by_key(|(place, line)| (likeness(&line.expected, &command.argv), std::cmp::Reverse(*place)));
        let told = match nearest {
            None => "nothing more was expected".to_owned(),
            Some((0, line)) => format!("expected next:   {}", show(&line.expected)),
            Some((place, line)) => format!("nearest, {place} further on: {}", show(&line.expected)),
        };
        Err(RunFault::Unexpected(format!("unexpected command: {command}\n{told}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn run(runner: &ScriptedRunner, argv: &[&str]) -> Result<CommandOutput, RunFault> {
        runner.run(&CommandLine::new(argv.iter().copied()), Duration::from_secs(1)).await
    }

    #[tokio::test]
    async fn expected_commands_are_answered_in_order() {
        let runner = ScriptedRunner::new().expect(&["ssh", "*", "true"], 0, "").expect(&["ls"], 1, "out");
        assert_eq!(run(&runner, &["ssh", "box", "true"]).await.expect("first").status, 0);
        assert!(runner.finish().expect_err("one is left").contains("ls"));
        assert_eq!(run(&runner, &["ls"]).await.expect("second").text(), "out");
        assert_eq!(runner.finish(), Ok(()));
    }

    #[tokio::test]
    async fn an_unexpected_command_shows_the_nearest_expectation() {
        let runner = ScriptedRunner::new().expect(&["git", "clone", "a"], 0, "").expect(&["docker", "up"], 0, "");
        let fault = run(&runner, &["docker", "down"]).await.expect_err("unexpected").to_string();
        assert!(fault.contains("docker down") && fault.contains("docker up"), "{fault}");
    }
}
