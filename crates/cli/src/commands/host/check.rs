//! `sandboxer host check`: what hosts can do.

use crate::error::{CommandResult, local_fault, status_of};
use crate::hosts::{Report, Status, is_alias, probe};
use crate::interrupt::Interrupts;
use crate::ui::Output;
use crate::ui::table::table;
use crate::ui::text::harmless;
use futures::StreamExt;
use sandboxer_broker::catalog::{Catalog, Listing, Miss};
use sandboxer_types::source::Fault;
use sandboxer_types::{ErrorKind, Failure, Host, HostId, Residue};
use serde::Serialize;
use serde_json::json;
use std::path::Path;
use std::process::ExitCode;

/// So many hosts are asked at once.
const AT_ONCE: usize = 8;

#[derive(Serialize)]
struct Reports {
    hosts: Vec<Report>,
}

/// Asks them. Ends with the status of a host that is not reached when one cannot be used.
pub(super) fn check(
    catalog: &Catalog,
    ids: &[HostId],
    config: Option<&Path>,
    output: &Output,
) -> CommandResult<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| local_fault("start the runtime", &error))?;
    runtime.block_on(async {
        let interrupts = Interrupts::listen()?;
        let (hosts, broken) = chosen(catalog, ids, config, output).await?;
        let asked =
            futures::stream::iter(&hosts).map(|host| probe(host, config)).buffered(AT_ONCE).collect::<Vec<Report>>();
        let reports = tokio::select! {
            reports = asked => Reports { hosts: reports },
            () = interrupts.cancel.cancelled() => {
                let failure = Failure::new(ErrorKind::Cancelled, "the hosts were not asked to the end");
                return Err(failure.with_residue(Residue::None).into());
            }
        };
        let code = output.data(&reports, || human(&reports));
        let unusable = reports.hosts.iter().any(|report| !report.usable);
        Ok(match (unusable, broken) {
            (true, _) => ExitCode::from(status_of(ErrorKind::HostUnreachable)),
            (false, true) => ExitCode::from(status_of(ErrorKind::InvalidInput)),
            (false, false) => code,
        })
    })
}

/// The hosts to ask, and whether some cannot be, for what is wrong with their description.
async fn chosen(
    catalog: &Catalog,
    ids: &[HostId],
    config: Option<&Path>,
    output: &Output,
) -> CommandResult<(Vec<Host>, bool)> {
    let mut hosts = Vec::new();
    let mut broken = false;
    if ids.is_empty() {
        for listing in catalog.hosts() {
            match listing {
                Listing::Sound(entry) => hosts.push(entry.host.clone()),
                Listing::Broken { faults, .. } => {
                    broken = true;
                    faults.iter().for_each(|fault| output.warning(&fault.to_string()));
                }
                Listing::Inert { .. } => {}
            }
        }
    }
    for id in ids {
        match catalog.host(id) {
            Ok(entry) => hosts.push(entry.host.clone()),
            Err(Miss::Unknown { .. }) if is_alias(id, config).await => hosts.push(Host::named(id.clone())),
            Err(Miss::Broken { faults, .. }) => return Err(described_badly(id, &faults, output)),
            Err(miss) => return Err(Failure::from(miss).into()),
        }
    }
    Ok((hosts, broken))
}

fn described_badly(id: &HostId, faults: &[Fault], output: &Output) -> crate::error::CommandError {
    let text = || faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n\n");
    output.data(&json!({ "faults": faults }), text);
    let count = if faults.len() == 1 { "1 fault".to_owned() } else { format!("{} faults", faults.len()) };
    Failure::invalid_input(format!("{count} in the description of `{id}`")).into()
}

fn human(reports: &Reports) -> String {
    let findings =
        || reports.hosts.iter().flat_map(|report| report.checks.iter().map(move |finding| (&report.id, finding)));
    let rows = findings().map(|(id, finding)| {
        let status = match finding.status {
            Status::Ok => "ok",
            Status::Warning => "warning",
            Status::Failed => "failed",
        };
        [id.to_string(), finding.check.id().to_owned(), status.to_owned(), harmless(&finding.detail)]
    });
    let mut text = table(["HOST", "CHECK", "STATUS", "DETAIL"], rows);
    for (id, finding) in findings() {
        if let Some(advice) = &finding.advice {
            text.push_str(&format!("\n\n{id}, {}: to mend it\n  {}", finding.check.id(), harmless(advice)));
        }
    }
    text
}
