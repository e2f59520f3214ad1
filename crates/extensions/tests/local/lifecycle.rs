//! From nothing to a running command and back to nothing.

use crate::support::{Lab, trial};
use libtest_mimic::Trial;

pub(crate) fn trials() -> Vec<Trial> {
    vec![trial("a_command_runs_and_nothing_is_left", a_command_runs_and_nothing_is_left)]
}

async fn a_command_runs_and_nothing_is_left() {
    let lab = Lab::new();
    let sandbox = lab.make("first").await;
    let (status, output) =
        sandbox.run("echo hello; id; pwd; cat /proc/self/status | grep Cap; ls -la /; mount; ps ax").await;
    assert_eq!(status, 0, "{output}");
    println!("{output}");
    let report = sandbox.remove().await;
    println!("{report:#?}");
    assert!(report.complete, "{report:?}");
    lab.assert_empty();
}
