//! The test plan of an extension.

use crate::error::{CommandResult, local_fault};
use sandboxer_broker::catalog::{CatalogExtension, Layer};
use sandboxer_types::source::{Fault, decode, parse_test_plan};
use sandboxer_types::{Failure, TestPlan};
use std::path::{Path, PathBuf};

/// What is known of the backend.
pub(crate) struct Plan {
    pub(crate) plan: TestPlan,
    /// Where its commands run.
    pub(crate) folder: PathBuf,
    /// What the person should know about it.
    pub(crate) remark: Option<String>,
}

/// The plan in `given`, else the one that comes with the extension, else none. Commands of a plan that was given run where the
/// command was typed, those of one that came with the extension in the folder that holds `extensions` and `conformance`.
pub(crate) fn plan(given: Option<&Path>, extension: &CatalogExtension, here: &Path) -> CommandResult<Plan> {
    if let Some(path) = given {
        return Ok(Plan { plan: read(path)?, folder: here.to_owned(), remark: None });
    }
    let none = |remark| Plan { plan: TestPlan::default(), folder: here.to_owned(), remark };
    let Some(folder) = extension.origin.folder.as_deref().and_then(Path::parent) else { return Ok(none(None)) };
    let path = folder.join("conformance").join(format!("{}.yaml", extension.id()));
    if !path.exists() {
        return Ok(none(None));
    }
    if extension.origin.layer == Layer::WorkingDirectory {
        // Trust in the working directory is trust in what stands in manifests and profiles as they are. A plan has commands, too.
        let shown = path.display();
        return Ok(none(Some(format!("`{shown}` is left out: trust does not reach it; `--plan {shown}` uses it"))));
    }
    Ok(Plan { plan: read(&path)?, folder: folder.to_owned(), remark: None })
}

fn read(path: &Path) -> CommandResult<TestPlan> {
    let name = path.display().to_string();
    let bytes = std::fs::read(path).map_err(|error| local_fault(format!("read the test plan `{name}`"), &error))?;
    let parsed = decode(&name, &bytes).map_err(|fault| vec![fault]).and_then(|text| parse_test_plan(&name, text));
    parsed.map_err(|faults| unsound(&name, &faults).into())
}

/// Every fault, with its line.
fn unsound(name: &str, faults: &[Fault]) -> Failure {
    let count = if faults.len() == 1 { "a fault".to_owned() } else { format!("{} faults", faults.len()) };
    let mut failure = Failure::invalid_input(format!("the test plan `{name}` has {count}"));
    failure.causes = faults.iter().map(ToString::to_string).collect();
    failure
}
