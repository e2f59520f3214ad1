//! The backend, by the commands of the test plan: what it has, and how it is taken away.

use crate::check::Stop;
use sandboxer_types::{SandboxId, TestPlan};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

/// How long a command of the plan may take.
const LIMIT: Duration = Duration::from_secs(120);

/// The backend, as the test plan knows it.
#[derive(Debug, Clone)]
pub(crate) struct Backend {
    plan: TestPlan,
    /// Where its commands run.
    folder: PathBuf,
}

impl Backend {
    pub(crate) fn new(plan: TestPlan, folder: PathBuf) -> Self {
        Self { plan, folder }
    }

    /// Everything that it has, a line each, sorted; `None` when the plan does not say how to ask.
    pub(crate) async fn inventory(&self) -> Result<Option<Vec<String>>, Stop> {
        if self.plan.inventory.is_empty() {
            return Ok(None);
        }
        let said = self.run("inventory", &self.plan.inventory).await?;
        let mut lines: Vec<String> =
            said.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect();
        lines.sort();
        Ok(Some(lines))
    }

    /// Whether it can be taken away.
    pub(crate) fn can_be_taken_away(&self) -> bool {
        self.plan.outage.is_some()
    }

    /// Takes it away.
    pub(crate) async fn take_away(&self) -> Result<(), Stop> {
        match &self.plan.outage {
            Some(outage) => self.run("outage.begin", &outage.begin).await.map(drop),
            None => Err(Stop::skipped("the test plan has no `outage`")),
        }
    }

    /// Brings it back; no harm when it is there.
    pub(crate) async fn bring_back(&self) -> Result<(), Stop> {
        match &self.plan.outage {
            Some(outage) => self.run("outage.end", &outage.end).await.map(drop),
            None => Ok(()),
        }
    }

    /// Stops a sandbox behind everybody's back.
    pub(crate) async fn stop(&self, sandbox_id: &SandboxId) -> Result<(), Stop> {
        if self.plan.stop.is_empty() {
            return Err(Stop::skipped("the test plan has no `stop`"));
        }
        let words: Vec<String> = self.plan.stop.iter().map(|word| word.replace("{id}", sandbox_id.as_str())).collect();
        self.run("stop", &words).await.map(drop)
    }

    async fn run(&self, what: &str, words: &[String]) -> Result<String, Stop> {
        let broken = |why: String| Stop::failed(format!("`{what}` of the test plan does not work: {why}"));
        let (program, arguments) = words.split_first().ok_or_else(|| broken("it has no words".to_owned()))?;
        let mut command = tokio::process::Command::new(program);
        // In a group of its own: who presses Ctrl-C does not end what is needed to clean up.
        command.args(arguments).current_dir(&self.folder).stdin(Stdio::null()).kill_on_drop(true).process_group(0);
        let output = tokio::time::timeout(LIMIT, command.output())
            .await
            .map_err(|_| broken(format!("it takes longer than {LIMIT:?}")))?
            .map_err(|error| broken(format!("`{program}`: {error}")))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            return Err(broken(format!("{}: {said}", output.status)));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}
