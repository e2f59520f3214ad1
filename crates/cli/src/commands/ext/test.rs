//! `sandboxer ext test`: what an extension holds, by the conformance suite.

use super::extension_id;
use crate::commands::request::key_value;
use crate::config::Config;
use crate::conformance::{
    Ending, Plan, Request, Run, Shown, Withdrawal, abandoned, listed, plan, subject, summary, supervise, write_files,
};
use crate::error::{CommandError, CommandResult, local_fault};
use crate::interrupt::Interrupts;
use crate::ui::Output;
use crate::ui::text::harmless;
use crate::wiring::lock;
use clap::Args;
use sandboxer_broker::catalog::{Catalog, CatalogExtension};
use sandboxer_broker::{FileLocks, Liveness};
use sandboxer_conformance::{ALL, Check, Selection, Subject, Suite, sweep};
use sandboxer_sdk::{Ids, SystemIds};
use sandboxer_types::{
    CheckOutcome, ConformanceLevel, ConformanceReport, ErrorKind, Failure, HostId, Residue, nearest_word,
};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

/// What `ext test` takes.
#[derive(Debug, Args)]
pub(crate) struct ExtTestArguments {
    /// The extension's id, with or without `ext.`
    #[arg(required_unless_present = "list")]
    extension: Option<String>,
    /// Only the checks of this level and of those below: L1, L2, L3 or L4
    #[arg(long, value_name = "LEVEL", default_value = "L4")]
    level: ConformanceLevel,
    /// Only this check; repeatable
    #[arg(long = "check", value_name = "CHECK", conflicts_with = "level")]
    checks: Vec<String>,
    /// List the checks, and run none
    #[arg(long, conflicts_with = "sweep")]
    list: bool,
    /// What the random instants follow from [default: another one each time]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// How many kills at random instants a check makes that does
    #[arg(long, value_name = "N", default_value_t = Suite::USUAL_KILLS)]
    kills: u32,
    /// What is known of the backend [default: `conformance/ext.<name>.yaml` beside the manifest's folder]
    #[arg(long, value_name = "FILE")]
    plan: Option<PathBuf>,
    /// The profile of what is made, instead of the plan's; a bare one otherwise
    #[arg(long, value_name = "PROFILE")]
    profile: Option<String>,
    /// An input of what is made, over the plan's; the value is JSON where it parses as such, else text
    #[arg(long = "input", short, value_name = "KEY=VALUE", value_parser = key_value)]
    inputs: Vec<(String, String)>,
    /// Where it is made, instead of the plan's host
    #[arg(long, value_name = "HOST")]
    host: Option<HostId>,
    /// Write the report as JUnit's XML
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Write the report as JSON
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Remove what earlier runs have left, and test nothing
    #[arg(long)]
    sweep: bool,
    /// Work on this run; the parent waits
    #[arg(long, hide = true, value_name = "RUN")]
    worker: Option<String>,
}

/// A test of one extension.
struct Test<'a> {
    config: &'a Config,
    catalog: &'a Catalog,
    extension: &'a CatalogExtension,
    arguments: &'a ExtTestArguments,
    output: &'a Output,
}

/// Runs the suite, lists it, or removes what an earlier run has left.
pub(super) fn ext_test(
    config: &Config,
    catalog: &Catalog,
    arguments: &ExtTestArguments,
    output: &Output,
) -> CommandResult<ExitCode> {
    let selection = selection(arguments)?;
    let extension = match &arguments.extension {
        Some(id) => Some(catalog.extension(&extension_id(id)?).map_err(Failure::from)?),
        None => None,
    };
    let Some(extension) = extension.filter(|_| !arguments.list) else {
        let (data, human) = listed(&selection.checks());
        return Ok(output.data(&data, human));
    };
    let test = Test { config, catalog, extension, arguments, output };
    config.prepare_state()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| local_fault("start the runtime", &error))?;
    let result = runtime.block_on(async {
        match (&arguments.worker, arguments.sweep) {
            (Some(run), _) => test.work(run, selection).await,
            (None, true) => test.sweep().await,
            (None, false) => test.wait().await,
        }
    });
    runtime.shutdown_background();
    result
}

fn selection(arguments: &ExtTestArguments) -> CommandResult<Selection> {
    for id in &arguments.checks {
        if !ALL.iter().any(|check| check.id == id) {
            let fault = Failure::invalid_input(format!("there is no check `{}`", harmless(id)));
            return Err(match nearest_word(id, ALL.iter().map(|check: &&Check| check.id)) {
                Some(near) => fault.with_hint(format!("did you mean `{near}`?")),
                None => fault.with_hint("`sandboxer ext test --list` lists them"),
            }
            .into());
        }
    }
    Ok(Selection { level: arguments.level, checks: arguments.checks.clone() })
}

impl Test<'_> {
    fn runs(&self) -> PathBuf {
        self.config.conformance().join(self.extension.id().as_str())
    }

    fn plan(&self) -> CommandResult<Plan> {
        plan(self.arguments.plan.as_deref(), self.extension, &self.config.working_directory)
    }

    fn again(&self) -> String {
        let id = self.extension.id().as_str();
        format!("`sandboxer ext test {} --sweep` removes it", id.strip_prefix("ext.").unwrap_or(id))
    }

    async fn subject(&self, host: Option<HostId>, groups: &sandboxer_sdk::GroupList) -> CommandResult<Subject> {
        let request = Request {
            profile: self.arguments.profile.clone(),
            inputs: self.arguments.inputs.clone(),
            host: host.or_else(|| self.arguments.host.clone()),
        };
        subject(self.config, self.catalog, self.extension, self.plan()?, &request, groups).await
    }

    /// The worker: runs the suite.
    async fn work(&self, run: &str, selection: Selection) -> CommandResult<ExitCode> {
        let withdrawal = Withdrawal::listen()?;
        let run = Run::join(&self.runs(), run)?;
        let (_lock, groups) = lock(self.config)?;
        let subject = self.subject(None, &groups).await?;
        let mut suite = Suite::new(subject, run.ledger()?);
        suite.observer = Arc::new(Shown::new(*self.output, selection.checks().len()));
        suite.selection = selection;
        // Short ones are easier to type again.
        suite.seed = self.arguments.seed.unwrap_or_else(|| u64::from(SystemIds.fresh().random() as u32));
        suite.kills = self.arguments.kills;
        suite.cancel = withdrawal.cancel.clone();
        // Said before anything happens, too: whoever kills this wants to know.
        self.output.note(&format!("seed {}", suite.seed));
        let report = suite.run().await;
        let code = self.output.data(&report, || summary(&report));
        write_files(&report, self.arguments.report.as_deref(), self.arguments.junit.as_deref())?;
        if !report.left_over.is_empty() {
            return Err(self.left_over(&report.left_over));
        }
        match withdrawal.signal() {
            Some(number) => Ok(ExitCode::from(u8::try_from(128 + number).unwrap_or(1))),
            None if failed(&report) => Ok(ExitCode::FAILURE),
            None => Ok(code),
        }
    }

    /// The parent: waits for the worker, and removes what that could not.
    async fn wait(&self) -> CommandResult<ExitCode> {
        if let Some(remark) = self.plan()?.remark {
            self.output.warning(&remark);
        }
        for path in [&self.arguments.report, &self.arguments.junit].into_iter().flatten() {
            must_have_folder(path)?;
        }
        let interrupts = Interrupts::listen()?;
        let (_lock, groups) = lock(self.config)?;
        self.mention_abandoned()?;
        let run = Run::begin(&self.runs())?;
        let ended = supervise(&run, &interrupts).await?;
        // What the worker had started must not go on behind anybody's back.
        self.bury().await?;
        match ended {
            Ending::Exited(status) => {
                run.end()?;
                Ok(ExitCode::from(status))
            }
            Ending::Killed(signal) => Err(self.clean_up(run, signal, &groups).await?),
        }
    }

    /// Removes what a killed worker has left, and says what came of it.
    async fn clean_up(&self, run: Run, signal: i32, groups: &sandboxer_sdk::GroupList) -> CommandResult<CommandError> {
        let message = format!("the suite's process was ended by signal {signal}, so there is no report");
        let swept = self.sweep_run(&run, groups).await?;
        run.end()?;
        if swept.left.is_empty() {
            let removed = match swept.removed.len() {
                0 => "it had left nothing".to_owned(),
                1 => "what it had left is removed: a sandbox".to_owned(),
                count => format!("what it had left is removed: {count} sandboxes"),
            };
            return Ok(Failure::new(ErrorKind::Internal, message)
                .with_residue(Residue::None)
                .with_hint(removed)
                .into());
        }
        let mut failure = Failure::new(ErrorKind::Partial, message).with_residue(Residue::Unknown);
        failure.causes = swept.left;
        Ok(CommandError::Incomplete(Box::new(failure.with_hint(self.again()))))
    }

    /// Removes what earlier runs have left.
    async fn sweep(&self) -> CommandResult<ExitCode> {
        self.bury().await?;
        let (_lock, groups) = lock(self.config)?;
        let mut all = Swept::default();
        for run in abandoned(&self.runs())? {
            let swept = self.sweep_run(&run, &groups).await?;
            run.end()?;
            all.removed.extend(swept.removed);
            all.left.extend(swept.left);
        }
        let code = self.output.data(&all, || all.to_string());
        if all.left.is_empty() { Ok(code) } else { Err(self.left_over(&all.left)) }
    }

    async fn sweep_run(&self, run: &Run, groups: &sandboxer_sdk::GroupList) -> CommandResult<Swept> {
        // All of a run is on one host, which need not be the one that was named now.
        let Some(host) = run.entries()?.into_iter().next().map(|entry| entry.host) else { return Ok(Swept::default()) };
        let swept = sweep(self.subject(Some(host), groups).await?, run.ledger()?).await;
        Ok(Swept { removed: swept.removed, left: swept.left })
    }

    async fn bury(&self) -> CommandResult<()> {
        Ok(FileLocks::new(self.config.processes()).sweep().await?)
    }

    fn mention_abandoned(&self) -> CommandResult<()> {
        let mut left = 0;
        for run in abandoned(&self.runs())? {
            left += run.entries()?.len();
        }
        if left > 0 {
            let what = if left == 1 { "a sandbox".to_owned() } else { format!("{left} sandboxes") };
            let again = self.again();
            self.output.warning(&format!("{what} of an earlier run may still exist; {again}"));
        }
        Ok(())
    }

    fn left_over(&self, left: &[String]) -> CommandError {
        let what = if left.len() == 1 { "a sandbox".to_owned() } else { format!("{} sandboxes", left.len()) };
        let mut failure = Failure::new(ErrorKind::Partial, format!("{what} of the suite may still exist"));
        failure.causes = left.to_vec();
        CommandError::Incomplete(Box::new(failure.with_residue(Residue::Unknown).with_hint(self.again())))
    }
}

fn failed(report: &ConformanceReport) -> bool {
    report.count(CheckOutcome::Failed) > 0
}

/// A report that cannot be written is better known before the suite runs.
fn must_have_folder(path: &Path) -> CommandResult<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let cannot = |error| local_fault(format!("write the report `{}`", path.display()), &error);
    match std::fs::metadata(folder) {
        Ok(found) if found.is_dir() => Ok(()),
        Ok(_) => Err(cannot(std::io::ErrorKind::NotADirectory.into()).into()),
        Err(error) => Err(cannot(error).into()),
    }
}

/// What a sweep came to.
#[derive(Debug, Default, Serialize)]
struct Swept {
    removed: Vec<String>,
    left: Vec<String>,
}

impl std::fmt::Display for Swept {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.removed.is_empty() && self.left.is_empty() {
            return formatter.write_str("nothing was left");
        }
        for what in &self.removed {
            writeln!(formatter, "removed {}", harmless(what))?;
        }
        for what in &self.left {
            writeln!(formatter, "may still exist: {}", harmless(what))?;
        }
        Ok(())
    }
}
