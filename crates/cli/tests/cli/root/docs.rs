//! What README.md and docs/ show, done: every ```` ```console ```` block is run and compared.
//!
//! How such blocks are written:
//! - A line that begins with `$ ` is run by `sh`, in a working directory and with a state directory that each file of
//!   documentation has to itself, from its first block to its last; directories and variables last that long, too.
//! - The lines below it are what it prints on either stream, all of them. `[..]` stands for anything on a line, a line
//!   `...` for any number of lines, `[CWD]` for the working directory. Ids of sandboxes, times, ages and columns need not
//!   be the same.
//! - What the shell says of a process that was killed is left out: shells differ in that.
//! - A line `? 3` below it is its status; without one it is 0.
//! - ```` <!-- file: NAME --> ```` on the line before a block of any kind writes that block to the file NAME.
//! - `<!-- hosts: build-1 vm -->` has the page's commands run where these hosts are aliases of ssh's configuration; those whose
//!   names begin with `build` have docker with compose.
//! - A command that is not to be run, such as an installation, stands in a block of another kind: `text` or `sh`.

use crate::support::{House, Running, Who, names_in};
use sandboxer_machinery::{Compose, HostOptions, Network};
use snapbox::Data;
use snapbox::filter::NormalizeToExpected;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// Ends the output of a command, followed by its status.
const MARK: &str = "@@ended@@";

/// Something that a page says or does.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    File { name: String, contents: String },
    Command { line: usize, typed: String, output: String, status: i32 },
}

/// Reads the steps of a page.
pub(super) fn steps(page: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut file: Option<String> = None;
    let mut lines = page.lines().enumerate();
    while let Some((_, line)) = lines.next() {
        let Some(kind) = line.strip_prefix("```") else {
            let name = line.strip_prefix("<!-- file: ").and_then(|rest| rest.strip_suffix(" -->"));
            file = name.map(str::to_owned).or(file.filter(|_| line.is_empty()));
            continue;
        };
        let block: Vec<(usize, &str)> = lines.by_ref().take_while(|(_, line)| *line != "```").collect();
        if let Some(name) = file.take() {
            let contents = block.iter().map(|(_, line)| format!("{line}\n")).collect();
            steps.push(Step::File { name, contents });
        } else if kind == "console" {
            steps.extend(commands(&block));
        }
    }
    steps
}

fn commands(block: &[(usize, &str)]) -> Vec<Step> {
    let mut steps = Vec::new();
    for (number, text) in block {
        if let Some(command) = text.strip_prefix("$ ") {
            let (line, typed) = (number + 1, command.to_owned());
            steps.push(Step::Command { line, typed, output: String::new(), status: 0 });
            continue;
        }
        let Some(Step::Command { output, status, .. }) = steps.last_mut() else {
            panic!("line {}: a block of commands begins with one", number + 1);
        };
        match text.strip_prefix("? ") {
            Some(number) => *status = number.parse().expect("a status"),
            None => output.extend([text, "\n"]),
        }
    }
    steps
}

/// One script of all of them, so that what one sets the next one sees.
fn script(steps: &[Step]) -> String {
    let mut script = String::from("exec 2>&1 </dev/null\n");
    for step in steps {
        let written = match step {
            Step::File { name, contents } => {
                writeln!(script, "mkdir -p \"$(dirname '{name}')\"\ncat > '{name}' <<'{MARK}'\n{contents}{MARK}")
            }
            Step::Command { typed, .. } => writeln!(script, "{typed}\necho \"{MARK} $?\""),
        };
        written.expect("memory");
    }
    script
}

/// The hosts that a page wants.
fn hosts(page: &str) -> Option<Vec<&str>> {
    let names = page.lines().find_map(|line| line.strip_prefix("<!-- hosts: ")?.strip_suffix(" -->"))?;
    Some(names.split(' ').collect())
}

/// Runs the steps of a page that wants hosts.
fn differences_with_hosts(page: &str, names: &[&str]) -> Vec<String> {
    let network = Network::new();
    let hosts: Vec<_> = names
        .iter()
        .map(|name| {
            let compose = if name.starts_with("build") { Compose::Plugin } else { Compose::None };
            let host = network.host_with(name, HostOptions { compose, ..HostOptions::default() });
            if compose == Compose::Plugin {
                host.engine().load_busybox();
            }
            host
        })
        .collect();
    let addresses: Vec<_> = hosts.iter().map(|host| (host.name(), host.address())).collect();
    let house = House::new(Who::Caller);
    house.run_through(network.prefix().iter().map(String::as_str));
    let found = differences_in(&house, page, &[("SANDBOXER_SSH_CONFIG", network.ssh_config(&addresses))]);
    end_connections(&house.path("state/ssh"));
    for host in &hosts {
        let left = (host.name().starts_with("build")).then(|| host.engine().holdings());
        assert!(left.as_ref().is_none_or(|left| left.is_empty()), "{}: {left:?}", host.name());
    }
    found
}

/// Those of ssh that wait in the background whether somebody wants them again.
fn end_connections(folder: &Path) {
    for entry in std::fs::read_dir(folder).expect("made").map(|entry| entry.expect("readable").path()) {
        // Others lead to agents.
        if entry.extension().is_none() && entry.with_extension("log").exists() {
            let ended = std::process::Command::new("ssh")
                .args(["-F", "none", "-O", "exit", "-S"])
                .arg(&entry)
                .arg("x")
                .output();
            assert!(ended.expect("ssh starts").status.success(), "{}", entry.display());
        }
    }
}

/// Runs a page's steps, and returns what is not as the page says.
fn differences(page: &str) -> Vec<String> {
    differences_in(&House::new(Who::Caller), page, &[])
}

fn differences_in(house: &House, page: &str, environment: &[(&str, PathBuf)]) -> Vec<String> {
    let steps = steps(page);
    let programs = house.path("programs");
    std::fs::create_dir(&programs).expect("ours");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_sandboxer"), programs.join("sandboxer")).expect("ours");
    let mut command = house.program_command("sh");
    let path = format!("{}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", programs.display());
    command.args(["-c", &script(&steps)]).env("PATH", path).env("USER", "ada");
    command.envs(environment.iter().map(|(name, value)| (name, value)));
    let outcome = house.noted(Running::start(command, None).finish());
    let text = outcome.text().replace(house.work().to_str().expect("a plain path"), "[CWD]");
    let mut ids = names_in(page);
    ids.extend(names_in(&house.run(&["ls", "--all", "--json"]).succeeded().text()));
    house.run(&["rm", "--all"]).succeeded();
    compare(&steps, &outputs(&text), &ids)
}

/// What each command printed, and its status.
fn outputs(text: &str) -> Vec<(String, Option<i32>)> {
    let mut outputs = Vec::new();
    let mut printed = String::new();
    let is_the_shells_own = |line: &&str| line.trim() == "Killed" || line.contains(" Killed ");
    for line in text.split_inclusive('\n').filter(|line| !is_the_shells_own(line)) {
        let Some((before, status)) = line.split_once(MARK) else {
            printed.push_str(line);
            continue;
        };
        printed.push_str(before);
        if !printed.is_empty() && !printed.ends_with('\n') {
            printed.push('\n');
        }
        outputs.push((std::mem::take(&mut printed), status.trim().parse().ok()));
    }
    outputs
}

fn compare(steps: &[Step], outputs: &[(String, Option<i32>)], ids: &BTreeSet<String>) -> Vec<String> {
    let mut seen = outputs.iter();
    let mut differences = Vec::new();
    for step in steps {
        let Step::Command { line, typed, output, status } = step else { continue };
        let (printed, ended_with) = seen.next().cloned().unwrap_or_default();
        let (expected, printed) = (without_what_varies(output, ids), without_what_varies(&printed, ids));
        let wanted = Data::text(expected.clone());
        let alike = NormalizeToExpected::new().redact().normalize(Data::text(printed.clone()), &wanted) == wanted;
        if !alike || ended_with != Some(*status) {
            differences.push(format!(
                "line {line}: $ {typed}\n--- the page says (status {status})\n{expected}--- it was (status {ended_with:?})\n{printed}"
            ));
        }
    }
    differences
}

/// Ids, times and ages vary, and so do the columns that hold them.
fn without_what_varies(text: &str, ids: &BTreeSet<String>) -> String {
    let line = |line: &str| line.split_inclusive(' ').map(|word| stand_in(word, ids)).collect::<String>();
    text.split_inclusive('\n').map(line).collect()
}

fn stand_in(word: &str, ids: &BTreeSet<String>) -> String {
    let plain = word.trim_end_matches([' ', '\n']);
    let end = if word.ends_with('\n') { "\n" } else { " " };
    let is_span = plain.ends_with(['s', 'm', 'h', 'd'])
        && plain.starts_with(|letter: char| letter.is_ascii_digit())
        && plain.chars().all(|letter| letter.is_ascii_digit() || "smhd".contains(letter));
    match plain {
        "" => end.trim_start_matches(' ').to_owned(),
        _ if ids.contains(plain) => format!("[ID]{end}"),
        _ if plain.len() == 8 && ids.iter().any(|id| id.ends_with(plain)) => format!("[SUFFIX]{end}"),
        _ if is_span => format!("[SPAN]{end}"),
        _ => format!("{plain}{end}"),
    }
}

fn pages() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut pages = vec![root.join("README.md")];
    let mut folders = vec![root.join("docs")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            match entry.file_type().expect("readable") {
                kind if kind.is_dir() => folders.push(entry.path()),
                _ if entry.path().extension().is_some_and(|end| end == "md") => pages.push(entry.path()),
                _ => {}
            }
        }
    }
    pages.retain(|page| page.exists());
    pages.sort();
    pages
}

#[test]
fn what_the_pages_show_is_what_happens() {
    let mut wrong = Vec::new();
    for path in pages() {
        let page = std::fs::read_to_string(&path).expect("readable");
        if page.contains("```console") && hosts(&page).is_none() {
            wrong.extend(differences(&page).into_iter().map(|difference| format!("{}, {difference}", path.display())));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// The same of pages that want hosts.
pub(crate) fn check_pages_with_hosts() {
    let mut count = 0;
    for path in pages() {
        let page = std::fs::read_to_string(&path).expect("readable");
        if let Some(names) = hosts(&page) {
            count += 1;
            let wrong = differences_with_hosts(&page, &names);
            assert!(wrong.is_empty(), "{}: {}", path.display(), wrong.join("\n\n"));
        }
    }
    assert!(count > 0, "no page wants hosts");
}

#[test]
fn a_page_is_read_as_it_is_meant() {
    let page = "words\n```text\n$ not run\n```\n<!-- file: a/b -->\n\n```yaml\nid: x\n```\n```console\n$ false\n? 1\n$ ls\na\n```\n";
    let command = |line, typed: &str, output: &str, status| {
        let (typed, output) = (typed.to_owned(), output.to_owned());
        Step::Command { line, typed, output, status }
    };
    let expected = [
        Step::File { name: "a/b".to_owned(), contents: "id: x\n".to_owned() },
        command(11, "false", "", 1),
        command(13, "ls", "a\n", 0),
    ];
    assert_eq!(steps(page), expected);
    assert_eq!(differences(page), Vec::<String>::new());
}

#[test]
fn a_page_that_is_wrong_is_found_out() {
    let wrong = "```console\n$ echo one; echo two\none\n$ false\n$ printf 'a b'\na [..]\n$ seq 9\n1\n...\n9\n$ echo $HOME\n[CWD]\n```\n";
    let found = differences(wrong);
    assert_eq!(found.len(), 3, "{found:#?}");
    assert!(found[0].contains("line 2") && found[1].contains("line 4") && found[2].contains("line 11"), "{found:#?}");
}
