//! What a machine says of itself: lines that begin with a word only we and it know, among whatever else is printed there.

use std::collections::BTreeMap;

/// What is run there. It says nothing that was not written here; the word is ours.
const SCRIPT: &str = include_str!("script.sh");
/// More than this is not read.
pub(super) const LARGEST: u64 = 256 * 1024;
/// Longer values are cut.
const LONGEST_VALUE: usize = 200;
/// What is asked. Anything else that is said is not heard.
const KEYS: [&str; 16] = [
    "began",
    "system",
    "machine",
    "distribution",
    "user",
    "shell",
    "home",
    "home_free",
    "tmp_free",
    "home_runs",
    "compose",
    "compose_version",
    "engine",
    "engine_fault",
    "startups",
    "ended",
];

/// What a machine says of itself. None of it is to be believed further than that.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Answer(BTreeMap<&'static str, String>);

/// The script for a shell, with its word.
pub(super) fn script(nonce: &str) -> String {
    format!("N={nonce}\n{SCRIPT}")
}

impl Answer {
    /// Finds the answer among all that was printed; `None` when it has no end. What is said first holds.
    pub(super) fn parse(printed: &[u8], nonce: &str) -> Option<Self> {
        let mut said = BTreeMap::new();
        for line in printed.split(|byte| *byte == b'\n') {
            let line = String::from_utf8_lossy(line);
            let Some(rest) = line.strip_prefix(nonce).and_then(|rest| rest.strip_prefix(' ')) else { continue };
            let (key, value) = rest.split_once(' ').unwrap_or((rest, ""));
            if let Some(key) = KEYS.iter().find(|known| **known == key) {
                let value = value.trim().chars().filter(|c| !c.is_control()).take(LONGEST_VALUE).collect();
                said.entry(*key).or_insert(value);
            }
            if key == "ended" {
                return Some(Self(said));
            }
        }
        None
    }

    /// What was said of that, when something was.
    pub(super) fn text(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// A whole number that was said, when it is one.
    pub(super) fn number(&self, key: &str) -> Option<u64> {
        let text = self.text(key)?;
        text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(printed: &str) -> Option<Answer> {
        Answer::parse(printed.as_bytes(), "WORD")
    }

    #[test]
    fn an_answer_is_found_among_noise() {
        let answer = parse(
            "motd\nprompt$ WORD system no\nWORDsystem no\nWORD system Linux\n\nWORD began 7\nWORD ended 9\nbye\n",
        );
        let answer = answer.expect("it ends");
        assert_eq!(
            (answer.text("system"), answer.number("began"), answer.text("machine")),
            (Some("Linux"), Some(7), None)
        );
    }

    #[test]
    fn an_answer_that_was_crafted_confuses_nobody() {
        assert_eq!(parse(""), None);
        assert_eq!(parse("WORD system Linux\n"), None, "it has no end");
        assert_eq!(parse("OTHER ended 9\n WORD ended 9\nword ended 9"), None, "not our word, or not at the beginning");
        let answer = parse(
            "WORD system \u{1b}[31mLinux\u{7}\r\nWORD system Other\nWORD began -7\nWORD home_free 99999999999999999999\nWORD tmp_free 1e9\nWORD rm -rf\nWORD\nWORD \nWORD ended\nWORD user late\n",
        );
        let answer = answer.expect("it ends");
        assert_eq!(answer.text("system"), Some("[31mLinux"), "the first holds, without what a terminal obeys");
        for key in ["began", "home_free", "tmp_free", "ended"] {
            assert_eq!(answer.number(key), None, "{key}");
        }
        assert_eq!((answer.text("rm"), answer.text("user")), (None, None));
        let long = format!("WORD user {}\nWORD ended 1\n", "x".repeat(100_000));
        assert_eq!(parse(&long).expect("it ends").text("user").map(str::len), Some(LONGEST_VALUE));
        assert!(Answer::parse(b"\xff\xfe\0WORD\nWORD user \xff\0\nWORD ended 1", "WORD").is_some());
    }

    #[test]
    fn the_script_is_one_that_a_plain_shell_reads() {
        use std::io::Write;
        use std::process::{Command, Stdio};
        let mut child = Command::new("/bin/sh").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(script("WORD").as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let answer = Answer::parse(&output.stdout, "WORD").expect("it ends");
        assert!(output.status.success());
        assert_eq!(answer.text("system"), Some("Linux"));
        assert!(answer.number("home_free").is_some() && answer.number("began") <= answer.number("ended"));
    }
}
