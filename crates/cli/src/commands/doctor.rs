//! `sandboxer doctor`: what this machine can and cannot enforce.

use crate::args::Global;
use crate::config::Config;
use crate::error::{CommandResult, status_of};
use crate::ui::Output;
use crate::ui::table::table;
use sandboxer_extensions::local::{Finding, FindingStatus, probe};
use sandboxer_types::ErrorKind;
use serde::Serialize;
use std::path::Path;
use std::process::ExitCode;

#[derive(Serialize)]
struct Diagnosis {
    findings: Vec<Finding>,
}

/// Looks at the machine. Ends with the status of an unmet precondition when sandboxes cannot be made here.
pub(crate) fn doctor(global: &Global, output: &Output) -> CommandResult<ExitCode> {
    Config::read(global)?.prepare_state()?;
    let diagnosis = Diagnosis { findings: probe(Path::new("/proc/self/exe")) };
    let code = output.data(&diagnosis, || human(&diagnosis.findings));
    let missing = diagnosis.findings.iter().any(|finding| finding.status == FindingStatus::Missing);
    Ok(if missing { ExitCode::from(status_of(ErrorKind::Precondition)) } else { code })
}

fn human(findings: &[Finding]) -> String {
    let rows = findings.iter().map(|finding| {
        let status = match finding.status {
            FindingStatus::Ok => "ok",
            FindingStatus::Degraded => "degraded",
            FindingStatus::Missing => "missing",
        };
        [finding.name.clone(), status.to_owned(), finding.detail.clone()]
    });
    let mut text = table(["WHAT", "STATUS", "DETAIL"], rows);
    for finding in findings {
        if let Some(fix) = &finding.fix {
            text.push_str(&format!("\n\n{}: to mend it\n  {}", finding.name, fix.replace('\n', "\n  ")));
        }
    }
    text
}
