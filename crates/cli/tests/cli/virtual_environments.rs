//! Python extensions that ask for packages: each gets them in an environment of its own, and no other sees them.

use crate::support::{House, Who};
use std::process::Command;

/// A package of one module, as a wheel: `pip` installs it without asking anybody.
const WHEEL: &str = "
import sys, zipfile
name = 'tiny-1.0'
files = {
    'tiny.py': 'VALUE = 42\\n',
    f'{name}.dist-info/METADATA': 'Metadata-Version: 2.1\\nName: tiny\\nVersion: 1.0\\n',
    f'{name}.dist-info/WHEEL': 'Wheel-Version: 1.0\\nGenerator: a test\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n',
}
record = f'{name}.dist-info/RECORD'
files[record] = ''.join(f'{path},,\\n' for path in [*files, record])
with zipfile.ZipFile(sys.argv[1], 'w') as wheel:
    for path, text in files.items():
        wheel.writestr(path, text)
";

const CLASS: &str = "from sandboxer.extensions.base import SandboxExtension

class Asking(SandboxExtension):
    def provision(self, profile, inputs, host):
        import tiny
        return {'value': tiny.VALUE}
    def wait_ready(self, handle):
        return {'remote_dir': '/', 'value': handle['value']}
    def teardown(self, handle):
        return {'already_absent': ['it keeps nothing'], 'complete': True}
";

fn house(python: &str) -> House {
    let house = House::new(Who::Caller);
    house.write("extensions/asking.py", CLASS);
    let manifest = format!(
        "id: ext.asking\ntitle: Asking\nhandler: python:asking:Asking\n{python}capabilities:\n  isolation_levels: [none]\n  pricing_model: free\n"
    );
    house.write("extensions/ext.asking.yaml", manifest);
    house.write("profiles/profile.asking.yaml", "id: profile.asking\nextension: ext.asking\n");
    let wheel = house.work().join("extensions/tiny-1.0-py3-none-any.whl");
    let made = Command::new("python3").args(["-c", WHEEL]).arg(wheel).status().expect("python3 starts");
    assert!(made.success());
    house
}

#[test]
fn what_an_extension_asks_for_it_has_and_makes_once() {
    let house = house("python: {requirements: [\"./tiny-1.0-py3-none-any.whl\"]}\n");
    for _ in 0..2 {
        let status = house.run(&["--catalog", ".", "--json", "create", "asking"]).succeeded().json();
        assert_eq!(status["reachability"]["value"], 42, "{status}");
    }
    let made = std::fs::read_dir(house.state().join("python")).expect("there").flatten();
    let environments = made.filter(|entry| entry.path().join("bin/python").exists()).count();
    assert_eq!(environments, 1);
    house.run(&["--catalog", ".", "rm", "--all"]).succeeded();
}

#[test]
fn without_asking_it_has_nothing_and_nothing_stays_behind() {
    let house = house("");
    let outcome = house.run(&["--catalog", ".", "create", "asking"]).ended_with(1);
    assert!(outcome.stderr.contains("No module named 'tiny'"), "{}", outcome.stderr);
    let listed = house.run(&["ls", "--json"]).succeeded().json();
    assert_eq!(listed["sandboxes"], serde_json::json!([]));
}

#[test]
fn what_cannot_be_installed_is_told_before_anything_is_made() {
    let house = house("python: {requirements: [\"./missing-1.0-py3-none-any.whl\"]}\n");
    let outcome = house.run(&["--catalog", ".", "create", "asking"]).ended_with(4);
    assert!(
        outcome.stderr.starts_with("error: cannot make the virtual environment of `ext.asking`"),
        "{}",
        outcome.stderr
    );
    assert!(outcome.stderr.contains("missing-1.0"), "{}", outcome.stderr);
    let listed = house.run(&["ls", "--all", "--json"]).succeeded().json();
    assert_eq!(listed["sandboxes"], serde_json::json!([]));
}
