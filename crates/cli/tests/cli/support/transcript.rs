//! What a person types and sees, as one text to compare with a snapshot.
//!
//! `$` precedes what is typed, `!` a line of the standard error, `?` a status other than 0; the rest is standard output.
//! What differs from run to run is replaced: `[ID-1]` is the first sandbox that was mentioned, `[SUFFIX-1]` the end of its
//! id.

use super::house::House;
use super::leftovers::names_in;
use super::running::Outcome;
use std::path::PathBuf;

/// What differs from run to run, and what stands for it.
const FILTERS: [(&str, &str); 14] = [
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "[TIME]"),
    (r"(supervisor|first process|process|pid) \d+", "$1 [PID]"),
    (r"own[0-9a-z]{26}", "[OWNER]"),
    // One controller a line with the first version of control groups, one line for all with the second.
    (r"cgroup /sys/fs/cgroup/[^ \n]*?/sandboxer/", "cgroup [CGROUP]/"),
    (r"(?m)^(\S* +removed: cgroup [^\n]+\n)(\S* +removed: cgroup [^\n]+\n)+", "$1"),
    (r"(?m)^(\S* +already absent: cgroup [^\n]+\n)(\S* +already absent: cgroup [^\n]+\n)+", "$1"),
    (r"/\.tmp\w+", "/[TEMPORARY]"),
    // What an ordinary user can limit differs from machine to machine.
    (r"(?m)^! limits_unenforced: .*\n", ""),
    (r"(?m)^(\[SUFFIX-.*)  limits_unenforced$", "$1"),
    (r"(?m)^(\[SUFFIX-\d+\]  .*)  \d+s  (in \S+|now|-)", "$1  [AGE]  [EXPIRES]"),
    (r"(?m)^(\S+)  \d+  (running|timed out|(?:exited|killed) \d+)  \d+s  ", "$1  [PID]  $2  [AGE]  "),
    (r#""pid": \d+"#, r#""pid": [N]"#),
    (r"sandboxer-test-\w+", "[TEMPORARY]"),
    (r#""(sequence)": \d+"#, r#""$1": [N]"#),
];

/// What was typed and seen.
pub(crate) struct Transcript<'a> {
    pub(crate) house: &'a House,
    text: String,
    ids: Vec<String>,
    places: Vec<(PathBuf, String)>,
}

impl<'a> Transcript<'a> {
    pub(crate) fn new(house: &'a House) -> Self {
        let place = |name: &str| (house.path(name), format!("[{}]", name.to_uppercase()));
        let places = ["state", "config", "home", "work"].map(place).to_vec();
        Self { house, text: String::new(), ids: Vec::new(), places }
    }

    /// Types a command.
    #[track_caller]
    pub(crate) fn run(&mut self, arguments: &[&str]) -> Outcome {
        let outcome = self.house.run(arguments);
        self.record(arguments, "", &outcome);
        outcome
    }

    /// Types a command with something on its standard input.
    #[track_caller]
    pub(crate) fn run_with_input(&mut self, arguments: &[&str], input: &str) -> Outcome {
        let outcome = self.house.run_with_input(arguments, input.as_bytes());
        self.record(arguments, &format!("printf {} | ", quoted(&input.escape_default().to_string())), &outcome);
        outcome
    }

    /// Says what the test did itself.
    pub(crate) fn note(&mut self, text: &str) {
        self.text.push_str(&format!("# {text}\n"));
    }

    /// Adds what another way of running a command came to.
    pub(crate) fn record(&mut self, arguments: &[&str], before: &str, outcome: &Outcome) {
        let words: Vec<String> = arguments.iter().map(|word| quoted(word)).collect();
        let mut text = format!("$ {before}sandboxer {}\n", words.join(" "));
        text.push_str(&outcome.text());
        if !text.ends_with('\n') {
            text.push_str("[no newline]\n");
        }
        text.extend(outcome.stderr.lines().map(|line| format!("! {line}\n")));
        if outcome.status != 0 {
            text.push_str(&format!("? {}\n", outcome.status));
        }
        self.learn_ids(&text);
        self.text.push_str(&self.filtered(text));
        self.text.push('\n');
    }

    /// In the order they are mentioned.
    fn learn_ids(&mut self, text: &str) {
        let mut fresh: Vec<(usize, String)> = names_in(text)
            .into_iter()
            .filter(|name| name.starts_with("sbx") && !self.ids.contains(name))
            .map(|name| (text.find(&name).unwrap_or_default(), name))
            .collect();
        fresh.sort();
        self.ids.extend(fresh.into_iter().map(|(_, name)| name));
    }

    fn filtered(&self, mut text: String) -> String {
        for (path, name) in &self.places {
            text = text.replace(path.to_str().expect("a plain path"), name);
        }
        for (index, id) in self.ids.iter().enumerate() {
            text = text.replace(id, &format!("[ID-{}]", index + 1));
            text = text.replace(&id[id.len() - 8..], &format!("[SUFFIX-{}]", index + 1));
        }
        text.split_inclusive('\n').map(without_columns).collect()
    }

    /// Compares with the snapshot of that name.
    #[track_caller]
    pub(crate) fn matches(self, name: &str) {
        let mut settings = insta::Settings::new();
        settings.set_snapshot_path("../snapshots");
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        for (pattern, replacement) in FILTERS {
            settings.add_filter(pattern, replacement);
        }
        settings.bind(|| insta::assert_snapshot!(name, self.text));
    }
}

/// Columns are as wide as what is in them, which differs.
fn without_columns(line: &str) -> String {
    let volatile = ["[SUFFIX-", "[WORK]", "DIRECTORY "];
    let first: Vec<&str> = line.split_whitespace().take(2).collect();
    let is_header = first == ["ID", "NAME"] || first == ["NAME", "PID"];
    let states = [" running  ", " exited ", " killed ", " timed out  "];
    let is_command = states.iter().any(|state| line.contains(state));
    if !is_header && !is_command && !volatile.iter().any(|start| line.starts_with(start)) {
        return line.to_owned();
    }
    let cells: Vec<&str> = line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect();
    format!("{}\n", cells.join("  "))
}

/// A word as a person would have to type it; very long ones are cut.
fn quoted(word: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "_./=:@%+,-[]".contains(letter);
    let shown = match word.char_indices().nth(60) {
        Some((end, _)) => format!("{}…({} bytes)", &word[..end], word.len()),
        None => word.to_owned(),
    };
    if !shown.is_empty() && shown.chars().all(plain) {
        return shown;
    }
    format!("'{}'", shown.replace('\'', r"'\''").replace('\n', "\\n"))
}
