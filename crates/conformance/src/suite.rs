//! A run of the suite.

use crate::backend::Backend;
use crate::bench::{Bench, Common};
use crate::check::{Check, Stop};
use crate::checks::ALL;
use crate::ledger::Ledger;
use crate::patience::Patience;
use crate::subject::{Subject, manifest_digest};
use crate::transcript::Transcript;
use futures::FutureExt;
use sandboxer_sdk::wire::{AskDescribe, Described};
use sandboxer_sdk::{Clock, Ids, SystemClock, SystemIds};
use sandboxer_types::{CheckOutcome, CheckResult, ConformanceLevel, ConformanceReport, Failure, OwnerId};
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex};
use std::time::Instant;
use tokio_util::sync::CancellationToken;

/// Which checks are run.
#[derive(Debug, Clone)]
pub struct Selection {
    /// Those of this level, and of the ones below it.
    pub level: ConformanceLevel,
    /// Of those only the ones of these ids; all when empty.
    pub checks: Vec<String>,
}

impl Default for Selection {
    fn default() -> Self {
        Self { level: ConformanceLevel::L4, checks: Vec::new() }
    }
}

impl Selection {
    /// The checks, in order.
    pub fn checks(&self) -> Vec<&'static Check> {
        let is_chosen = |check: &&Check| {
            check.level <= self.level && (self.checks.is_empty() || self.checks.iter().any(|id| id == check.id))
        };
        ALL.iter().copied().filter(is_chosen).collect()
    }
}

/// Sees how a run goes on.
pub trait Observer: Send + Sync {
    /// A check begins.
    fn begins(&self, check: &Check);
    /// A check has ended.
    fn ended(&self, result: &CheckResult);
}

/// Nobody looks.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unobserved;

impl Observer for Unobserved {
    fn begins(&self, _check: &Check) {}
    fn ended(&self, _result: &CheckResult) {}
}

/// The suite over one subject.
pub struct Suite {
    /// What is tested.
    pub subject: Subject,
    /// By which checks.
    pub selection: Selection,
    /// What random instants follow from.
    pub seed: u64,
    /// How many kills at random instants each check makes that does.
    pub kills: u32,
    /// How long it waits.
    pub patience: Patience,
    /// Where everything is written down that is made.
    pub ledger: Arc<Ledger>,
    /// Ends the run early: what was made is removed, and the checks that are left are not run.
    pub cancel: CancellationToken,
    /// Who looks on.
    pub observer: Arc<dyn Observer>,
}

impl Suite {
    /// Kills at random instants, unless said otherwise.
    pub const USUAL_KILLS: u32 = 20;

    /// Every check over this subject, with this ledger.
    pub fn new(subject: Subject, ledger: Ledger) -> Self {
        Self {
            subject,
            selection: Selection::default(),
            seed: 1,
            kills: Self::USUAL_KILLS,
            patience: Patience::default(),
            ledger: Arc::new(ledger),
            cancel: CancellationToken::new(),
            observer: Arc::new(Unobserved),
        }
    }

    /// Runs the checks one after another. Whatever a check made is removed before the next one begins, however it ended.
    pub async fn run(self) -> ConformanceReport {
        let started_at = SystemClock.now();
        let common = self.common().await;
        let checks = self.selection.checks();
        let mut results = Vec::new();
        for check in &checks {
            if self.cancel.is_cancelled() {
                break;
            }
            self.observer.begins(check);
            let result = self.check(&common, check).await;
            self.observer.ended(&result);
            results.push(result);
        }
        let left_over = self.ledger.entries();
        let is_whole = self.selection.checks.is_empty() && results.len() == checks.len();
        ConformanceReport {
            extension: self.subject.manifest.id.clone(),
            version: self.subject.manifest.version.clone(),
            sandboxer: env!("CARGO_PKG_VERSION").to_owned(),
            manifest_digest: manifest_digest(&self.subject.manifest),
            started_at,
            seed: self.seed,
            level: is_whole.then(|| held(&results, self.selection.level)).flatten(),
            checks: results,
            left_over: left_over.iter().map(|entry| format!("{} on {}", entry.sandbox_id, entry.host)).collect(),
        }
    }

    async fn common(&self) -> Arc<Common> {
        let transcript = Arc::new(Transcript::default());
        let mut secrets = self.subject.secrets.clone();
        for name in self.subject.manifest.secrets.keys() {
            secrets.entry(name.clone()).or_insert_with(|| format!("canary-{}", SystemIds.fresh()));
        }
        transcript.hide(secrets.values().cloned());
        let backend = Backend::new(self.subject.plan.clone(), self.subject.folder.clone());
        let mut common = Arc::new(Common {
            subject: self.subject.clone(),
            backend,
            ledger: self.ledger.clone(),
            transcript,
            owner: OwnerId::from_ulid(SystemIds.fresh()),
            stranger: OwnerId::from_ulid(SystemIds.fresh()),
            verbs: self.subject.declared(),
            secrets,
            baseline: Mutex::default(),
            kills: self.kills,
            patience: self.patience,
        });
        // What does not work here fails the checks that need it, and they say why.
        let described = Bench::new(common.clone(), self.seed, "describe").describe().await;
        common.take_baseline().await.ok();
        if let Some(common) = Arc::get_mut(&mut common) {
            common.verbs.extend(described.ok().and_then(Result::ok).into_iter().flat_map(|described| described.verbs));
        }
        common
    }

    async fn check(&self, common: &Arc<Common>, check: &Check) -> CheckResult {
        let begun = Instant::now();
        let bench = Bench::new(common.clone(), self.seed, check.id);
        let run = AssertUnwindSafe((check.run)(&bench)).catch_unwind();
        let verdict = tokio::select! {
            verdict = run => verdict.unwrap_or_else(|panic| Err(Stop::failed(panicked(panic.as_ref())))),
            () = self.cancel.cancelled() => Err(Stop::skipped("interrupted")),
        };
        let verdict = match common.transcript.take_printed() {
            Some(line) => verdict
                .and(Err(Stop::failed(format!("it broke the rule `stdout`, which is for messages only: {line}")))),
            None => verdict,
        };
        let cleaned = bench.clean().await;
        let verdict = match (verdict, cleaned) {
            (Err(Stop::Failed(why)), Err(Stop::Failed(also) | Stop::Skipped(also))) => {
                Err(Stop::failed(format!("{why}; and afterwards: {also}")))
            }
            (verdict @ Err(Stop::Failed(_)), Ok(())) => verdict,
            (_, Err(Stop::Failed(why) | Stop::Skipped(why))) => Err(Stop::failed(why)),
            (verdict, Ok(())) => verdict,
        };
        let transcript = common.transcript.take();
        let (outcome, reason) = match verdict {
            Ok(()) => (CheckOutcome::Passed, None),
            Err(Stop::Skipped(why)) => (CheckOutcome::Skipped, Some(why)),
            Err(Stop::Failed(why)) => (CheckOutcome::Failed, Some(why)),
        };
        CheckResult {
            id: check.id.to_owned(),
            level: check.level,
            outcome,
            // It may repeat what the extension said.
            reason: reason.map(|why| common.transcript.without_secrets(&why)),
            transcript: if outcome == CheckOutcome::Failed { transcript } else { Vec::new() },
            faults: bench.faults(),
            duration_ms: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
        }
    }
}

/// The highest level of which nothing failed, nor of the levels below.
fn held(results: &[CheckResult], highest: ConformanceLevel) -> Option<ConformanceLevel> {
    let fails = |level: ConformanceLevel| {
        results.iter().any(|result| result.level == level && result.outcome == CheckOutcome::Failed)
    };
    let levels = ConformanceLevel::ALL.into_iter().filter(|level| *level <= highest);
    levels.take_while(|level| !fails(*level)).last()
}

impl Bench {
    /// What the extension says of itself.
    pub(crate) async fn describe(&self) -> Result<Result<Described, Failure>, Stop> {
        self.ask(&self.nobody(), &AskDescribe {}).await
    }
}

fn panicked(panic: &(dyn std::any::Any + Send)) -> String {
    let said = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    format!("the check itself panicked: {}", said.unwrap_or("without a word"))
}

/// What a sweep came to.
#[derive(Debug, Default)]
pub struct Sweep {
    /// What is verified gone now.
    pub removed: Vec<String>,
    /// What may still exist, and why.
    pub left: Vec<String>,
}

/// Removes everything that a ledger has: what an earlier run was not allowed to remove.
pub async fn sweep(subject: Subject, ledger: Ledger) -> Sweep {
    let suite = Suite::new(subject, ledger);
    let bench = Bench::new(suite.common().await, suite.seed, "sweep");
    let mut swept = Sweep::default();
    for entry in suite.ledger.entries() {
        let what = format!("{} on {}", entry.sandbox_id, entry.host);
        match bench.sweep_entry(&entry).await {
            Ok(()) => swept.removed.push(what),
            Err(Stop::Failed(why) | Stop::Skipped(why)) => swept.left.push(format!("{what}: {why}")),
        }
    }
    swept
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_level_is_held_only_with_all_below_it() {
        let result = |level, outcome| CheckResult {
            id: "x".to_owned(),
            level,
            outcome,
            reason: None,
            transcript: Vec::new(),
            faults: 0,
            duration_ms: 0,
        };
        use CheckOutcome::{Failed, Passed, Skipped};
        use ConformanceLevel::{L1, L2, L3, L4};
        let all = [result(L1, Passed), result(L2, Skipped), result(L3, Failed), result(L4, Passed)];
        assert_eq!(held(&all, L4), Some(L2));
        assert_eq!(held(&all, L1), Some(L1));
        assert_eq!(held(&[result(L1, Failed)], L4), None);
    }

    #[test]
    fn every_check_has_a_name_of_its_own_and_says_what_it_is() {
        let ids: BTreeSet<&str> = ALL.iter().map(|check| check.id).collect();
        assert_eq!(ids.len(), ALL.len());
        let words = |text: &str| text.len() > 10 && !text.ends_with('.');
        for check in ALL {
            assert!(check.id.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'), "{}", check.id);
            assert!(words(check.rule) && words(check.does) && words(check.proves), "{}", check.id);
        }
        assert!(ALL.is_sorted_by_key(|check| check.level), "in the order of their levels");
    }
}
