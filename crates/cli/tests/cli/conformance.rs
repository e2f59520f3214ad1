//! `sandboxer ext test` and `ext serve`: what they say, how they end, and that nothing is left however they end.

use crate::support::{House, Outcome, Running, Who, until};
use rustix::process::Signal;
use sandboxer_machinery::Process;
use sandboxer_types::{CheckOutcome, ConformanceReport};
use std::path::PathBuf;
use std::process::Command;

const SECRET: &str = "s3cret-word-of-a-test";

/// A sandbox is a file of its id. The files of other names in the working directory make it break rules.
const MODULE: &str = r#"
from pathlib import Path

from sandboxer.extensions.base import SandboxExtension


class Kept(SandboxExtension):
    def provision(self, profile, inputs, host):
        (Path("../kept") / self.call.sandbox_id).touch()
        while Path("../slow").exists():
            self.call.raise_if_cancelled(residue="present")
            self.call.wait(0.01)
        return {"sandbox_id": self.call.sandbox_id, "host": host}

    def wait_ready(self, handle):
        if Path("../broken").exists():
            raise ValueError("no good with " + self.secrets["key"])
        return {"remote_dir": "/", "host": handle["host"]}

    def teardown(self, handle):
        (Path("../kept") / self.call.sandbox_id).unlink(missing_ok=True)
        return {"removed": ["the file"], "complete": True}
"#;

const MANIFEST: &str = "id: ext.kept
title: A file
handler: python:kept:Kept
capabilities: {isolation_levels: [none], pricing_model: free}
secrets: {key: {}}
";

struct Author {
    house: House,
}

impl Author {
    fn new() -> Self {
        let house = House::new(Who::Caller);
        house.write("extensions/ext.kept.yaml", MANIFEST);
        house.write("extensions/kept.py", MODULE);
        house.write("conformance/ext.kept.yaml", "inventory: [ls, kept]\n");
        std::fs::create_dir(house.work().join("kept")).expect("ours");
        Self { house }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.house.command(&["--catalog", ".", "ext", "test"]);
        command.args(arguments).env("SANDBOXER_SECRET_KEPT_KEY", SECRET);
        command
    }

    fn test(&self, arguments: &[&str]) -> Outcome {
        Running::start(self.command(arguments), None).finish()
    }

    /// A run in the middle of which a sandbox exists.
    fn in_the_middle(&self) -> Running {
        self.house.write("slow", "");
        let running = Running::start(self.command(&["kept", "--check", "lifecycle-in-fresh-processes"]), None);
        until("it makes something", || (!self.kept().is_empty()).then_some(()));
        running
    }

    fn kept(&self) -> Vec<PathBuf> {
        paths_in(&self.house.work().join("kept"))
    }

    fn runs(&self) -> Vec<PathBuf> {
        paths_in(&self.house.state().join("conformance/ext.kept"))
    }

    /// The process in which the suite runs.
    fn worker(&self) -> Process {
        let lock =
            until("a run", || self.runs().into_iter().find(|path| path.extension().is_some_and(|end| end == "lock")));
        let word = format!("--worker={}", lock.file_stem().expect("a name").to_str().expect("a plain name"));
        until("a worker", || Process::all().find(|process| process.command.contains(&word)))
    }

    /// That nothing is left: no sandbox, no ledger, no process of the extension.
    #[track_caller]
    fn nothing_is_left(&self) {
        assert_eq!(self.kept(), Vec::<PathBuf>::new());
        assert_eq!(self.runs(), Vec::<PathBuf>::new());
        let folder = self.house.path("state").to_str().expect("a plain path").to_owned();
        let left: Vec<String> =
            Process::all().map(|process| process.command).filter(|it| it.contains(&folder)).collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

fn paths_in(folder: &std::path::Path) -> Vec<PathBuf> {
    std::fs::read_dir(folder).into_iter().flatten().map(|entry| entry.expect("readable").path()).collect()
}

fn report(outcome: &Outcome) -> ConformanceReport {
    serde_json::from_slice(&outcome.stdout).unwrap_or_else(|error| panic!("no report: {error}: {outcome:?}"))
}

/// That it is XML, and how many `testcase`, `failure` and `skipped` it has, as another reader sees it.
fn counted(path: &std::path::Path) -> [usize; 3] {
    let script = "import sys, xml.etree.ElementTree as tree
suite = tree.parse(sys.argv[1]).getroot()
print(*(len(list(suite.iter(name))) for name in ('testcase', 'failure', 'skipped')))";
    let output = Command::new("python3").args(["-c", script]).arg(path).output().expect("python3 starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8_lossy(&output.stdout);
    said.split_whitespace()
        .map(|word| word.parse().expect("a number"))
        .collect::<Vec<usize>>()
        .try_into()
        .expect("three")
}

#[test]
fn every_check_is_listed_with_what_it_is() {
    let house = House::new(Who::Caller);
    let listed = house.run(&["ext", "test", "--list", "--json"]).succeeded().json();
    let checks = listed["checks"].as_array().expect("a list");
    assert!(checks.len() > 10);
    for check in checks {
        for member in ["id", "level", "rule", "does", "proves"] {
            assert!(check[member].as_str().is_some_and(|text| !text.is_empty()), "{member} of {check}");
        }
    }
    let table = house.run(&["ext", "test", "local", "--list"]).succeeded().text();
    assert_eq!(table.lines().count(), checks.len() + 1);
    let first = house.run(&["ext", "test", "--list", "--json", "--level", "L1"]).succeeded().json();
    let of_the_first = checks.iter().filter(|check| check["level"] == "L1").count();
    assert_eq!(first["checks"].as_array().map(Vec::len), Some(of_the_first));
}

#[test]
fn reports_are_written_in_all_forms_and_agree() {
    let author = Author::new();
    let written = author.house.work().join("report.json");
    let junit = author.house.work().join("junit.xml");
    let files = ["--report", "report.json", "--junit", "junit.xml"];
    let arguments = ["kept", "--level", "L1", "--seed", "7", "--json"];
    let outcome = author.test(&[&arguments[..], &files].concat()).succeeded();
    let report = report(&outcome);
    assert_eq!((report.seed, report.extension.as_str()), (7, "ext.kept"));
    assert_eq!(report.level.map(|level| level.to_string()).as_deref(), Some("L1"));
    assert!(report.left_over.is_empty());
    let counts =
        [CheckOutcome::Passed, CheckOutcome::Failed, CheckOutcome::Skipped].map(|outcome| report.count(outcome));
    assert_eq!(counts.iter().sum::<usize>(), report.checks.len());
    assert_eq!(counts[1], 0);
    let file: ConformanceReport = serde_json::from_slice(&std::fs::read(written).expect("written")).expect("a report");
    assert_eq!(file, report);
    assert_eq!(counted(&junit), [report.checks.len(), 0, counts[2]]);
    author.nothing_is_left();
}

#[test]
fn a_failure_is_shown_with_what_travelled_and_without_secrets() {
    let author = Author::new();
    author.house.write("broken", "");
    let arguments =
        ["kept", "--check", "lifecycle-in-fresh-processes", "--check", "describe-is-pure", "--junit", "junit.xml"];
    let outcome = author.test(&arguments).ended_with(1);
    let text = outcome.text();
    assert!(text.contains("ok       describe-is-pure"), "{text}");
    assert!(text.contains("FAILED   lifecycle-in-fresh-processes"), "{text}");
    assert!(text.contains("    → {\"jsonrpc\"") && text.contains("no good with"), "{text}");
    assert!(text.contains("again: sandboxer ext test kept --check lifecycle-in-fresh-processes --seed "), "{text}");
    assert!(text.contains("ext.kept: 1 passed, 1 failed, 0 skipped"), "{text}");
    assert!(!text.contains(SECRET) && !outcome.stderr.contains(SECRET), "{text}\n{}", outcome.stderr);
    let junit = author.house.work().join("junit.xml");
    assert_eq!(counted(&junit), [2, 1, 0]);
    assert!(!std::fs::read_to_string(junit).expect("written").contains(SECRET));
    author.nothing_is_left();
}

#[test]
fn the_same_seed_throws_the_same() {
    let author = Author::new();
    // The eighth look at the backend does not work, so that the check fails and shows what it did.
    let inventory = "echo >> looks; [ $(wc -l < looks) -ne 8 ] && ls kept";
    author.house.write("conformance/ext.kept.yaml", format!("inventory: [sh, -c, '{inventory}']\n"));
    let verbs = |seed: &str| {
        author.house.write("looks", "");
        let outcome = author.test(&["kept", "--check", "killed-at-random", "--seed", seed, "--json"]);
        let report = report(&outcome.ended_with(1));
        let killed = report.checks[0].transcript.iter().filter(|line| line.starts_with("· `"));
        killed.map(|line| line.split('`').nth(1).expect("a verb").to_owned()).collect::<Vec<_>>()
    };
    let first = verbs("11");
    assert!(first.len() > 3, "{first:?}");
    assert_eq!(first, verbs("11"));
    let others = ["12", "13", "14"].map(verbs);
    assert!(others.iter().any(|other| *other != first), "{first:?} {others:?}");
}

#[test]
fn slips_of_the_keyboard_are_named() {
    let author = Author::new();
    let refused = |arguments: &[&str], status: i32, words: &str| {
        let outcome = author.test(arguments).ended_with(status);
        assert!(outcome.stderr.contains(words), "{arguments:?}: {}", outcome.stderr);
    };
    refused(&["kept", "--check", "describe-is-pur"], 4, "did you mean `describe-is-pure`?");
    refused(&["kept", "--level", "L9"], 2, "--level");
    refused(&["kepd"], 3, "did you mean `ext.kept`?");
    refused(&[], 2, "<EXTENSION>");
    refused(&["kept", "--host", "nowhere-at-all", "--check", "describe-is-pure"], 3, "nowhere-at-all");
    refused(&["kept", "--profile", "local"], 4, "`profile.local` is made by `ext.local`");
    refused(&["kept", "--report", "absent/report.json"], 3, "absent/report.json");
    author.house.write("bad.yaml", "inventroy: [ls]\nstop: []\n");
    refused(&["kept", "--plan", "bad.yaml"], 4, "bad.yaml:1:1");
    refused(&["kept", "--plan", "bad.yaml"], 4, "bad.yaml:2:7");
    author.nothing_is_left();
}

#[test]
fn a_plan_in_a_directory_that_is_only_trusted_is_left_out_until_it_is_named() {
    let author = Author::new();
    author.house.run(&["trust", "."]).succeeded();
    let arguments = ["ext", "test", "kept", "--check", "killed-at-every-message", "--json"];
    let outcome = author.house.run(&arguments).succeeded();
    assert!(outcome.stderr.contains("conformance/ext.kept.yaml` is left out"), "{}", outcome.stderr);
    assert_eq!(report(&outcome).count(CheckOutcome::Skipped), 1);
    let named = [&arguments[..], &["--plan", "conformance/ext.kept.yaml"]].concat();
    assert_eq!(report(&author.house.run(&named).succeeded()).count(CheckOutcome::Passed), 1);
}

#[test]
fn a_key_that_interrupts_removes_what_was_made() {
    let author = Author::new();
    let running = author.in_the_middle();
    // As a terminal does: both of them hear it.
    author.worker().signal(Signal::INT);
    running.signal(Signal::INT);
    let outcome = running.finish().ended_with(130);
    assert!(outcome.text().contains("skipped  lifecycle-in-fresh-processes") && outcome.text().contains("interrupted"));
    author.nothing_is_left();
}

#[test]
fn a_worker_that_is_killed_is_cleaned_up_after() {
    let author = Author::new();
    let running = author.in_the_middle();
    author.worker().signal(Signal::KILL);
    let outcome = running.finish().ended_with(1);
    assert!(
        outcome.stderr.contains("ended by signal 9") && outcome.stderr.contains("is removed"),
        "{}",
        outcome.stderr
    );
    author.nothing_is_left();
}

#[test]
fn a_worker_whose_parent_is_killed_cleans_up_by_itself() {
    let author = Author::new();
    let running = author.in_the_middle();
    let worker = author.worker();
    running.signal(Signal::KILL);
    running.finish();
    until("its end", || Process::all().all(|process| process.pid != worker.pid).then_some(()));
    assert_eq!(author.kept(), Vec::<PathBuf>::new());
    let swept = author.test(&["kept", "--sweep"]).succeeded();
    assert_eq!(swept.text(), "nothing was left\n");
    author.nothing_is_left();
}

#[test]
fn what_nobody_was_left_to_remove_is_mentioned_and_swept() {
    let author = Author::new();
    let running = author.in_the_middle();
    let worker = author.worker();
    running.signal(Signal::STOP);
    worker.signal(Signal::KILL);
    running.signal(Signal::KILL);
    running.finish();
    assert_eq!(author.kept().len(), 1);
    let again = author.test(&["kept", "--check", "describe-is-pure"]).succeeded();
    assert!(again.stderr.contains("a sandbox of an earlier run may still exist"), "{}", again.stderr);
    assert!(again.stderr.contains("`sandboxer ext test kept --sweep`"), "{}", again.stderr);
    let swept = author.test(&["kept", "--sweep", "--json"]).succeeded().json();
    assert_eq!(swept["removed"].as_array().map(Vec::len), Some(1), "{swept}");
    author.nothing_is_left();
}

#[test]
fn only_a_built_in_is_served() {
    let author = Author::new();
    let request = r#"{"jsonrpc":"2.0","id":"1","method":"nothing","params":{}}"#.to_owned() + "\n";
    for built_in in ["local", "compose-ssh", "vm-packer"] {
        let served = author.house.run_with_input(&["ext", "serve", built_in], request.as_bytes()).succeeded();
        assert_eq!(served.json()["id"], "1", "{served:?}");
    }
    let refused = author.house.run(&["--catalog", ".", "ext", "serve", "kept"]).ended_with(4);
    assert!(refused.stderr.contains("it is a program already: `python:kept:Kept`"), "{}", refused.stderr);
    assert!(!author.house.run(&["ext", "--help"]).succeeded().text().contains("serve"));
}
