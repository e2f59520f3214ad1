//! The ways in which the model can be broken, and which checks must see each.

use crate::subject::{Run, World, seed_of};
use libtest_mimic::{Failed, Trial};
use sandboxer_conformance::ALL;
use sandboxer_types::{CheckOutcome, ConformanceLevel};
use std::collections::BTreeSet;

/// A check that must fail, and a part of the reason that it must give.
pub(crate) type Caught = (&'static str, &'static str);

macro_rules! mutations {
    ($($name:ident: $broken:literal => $($check:literal because $reason:literal),+;)+) => {
        /// One way to break the model.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Mutation { $($name,)+ }

        impl Mutation {
            pub(crate) const ALL: &'static [Self] = &[$(Self::$name),+];

            /// What is broken, in a sentence.
            pub(crate) const fn broken(self) -> &'static str {
                match self { $(Self::$name => $broken,)+ }
            }

            /// Which checks must see it.
            pub(crate) const fn caught(self) -> &'static [Caught] {
                match self { $(Self::$name => &[$(($check, $reason)),+],)+ }
            }

            pub(crate) fn name(self) -> String {
                format!("{self:?}")
            }
        }
    };
}

mutations! {
    // The wire.
    DeclaresAVerbTwice: "its manifest has a verb twice" =>
        "manifest-is-sound" because "declares `list` twice";
    DescribesItselfAnew: "each process says that it is another version" =>
        "describe-is-pure" because "it says";
    PrintsToStandardOutput: "it prints a line before each answer" =>
        "only-messages-on-stdout" because "rule `stdout`";
    RefusesUnknownMethodsAsWrongParams: "a method that it lacks is answered with -32602" =>
        "unknown-methods-are-refused" because "with -32602 instead of -32601";
    ChokesOnUnknownMembers: "a member that it does not know makes the params wrong" =>
        "unknown-members-are-passed-over" because "`describe` failed: there is no member";
    EndsAtBadJson: "a line that is no JSON ends the process" =>
        "what-is-no-request-is-refused" because "made it end";
    ReadsLinesOf64KiB: "its buffer for a line has 64 KiB, and what is longer becomes several lines" =>
        "long-lines-are-read" because "own-answer";
    WritesAsciiOnly: "each letter outside of ASCII becomes a question mark" =>
        "texts-come-back-as-they-went" because "own-answer";
    LeavesAChildInItsGroup: "it starts a helper and does not end it" =>
        "ends-with-its-input" because "a process that it has started still runs";
    WantsToBeDescribedFirst: "a process answers nothing before it was asked to describe itself" =>
        "answers-first-in-a-fresh-process" because "it refuses";
    DoesNotNameWrongInputs: "wrong inputs are refused without `fields`" =>
        "wrong-inputs-are-named" because "without naming `note`";
    SpeaksEveryProtocol: "it takes any version of the protocol for its own" =>
        "other-protocols-are-refused" because "answered in version 99";

    // The lifecycle.
    ServesOneMakingOnly: "a process that has made a sandbox serves nothing else" =>
        "lifecycle-in-one-process" because "`wait_ready` failed: this process is used up";
    RemembersInMemoryOnly: "`wait_ready` needs the process that made the sandbox" =>
        "lifecycle-in-fresh-processes" because "this process did not make it";
    HandleNamesAnotherHost: "the handle does not repeat the host" =>
        "handle-keeps-the-rules" because "the handle's `host` is `somewhere-else`";
    ReachabilityNamesARelativeSocket: "the agent's socket is a path from its own folder" =>
        "reachability-keeps-the-rules" because "agent";
    ReadyBeforeUsable: "`wait_ready` answers before the agent listens" =>
        "ready-means-usable" because "it is ready, and cannot be entered";
    LeavesProcessesBehind: "`teardown` removes the entry, and not what runs in it" =>
        "gone-means-gone" because "a process that ran in it still runs";
    LeavesAVolumeBehind: "each sandbox gets a volume without labels, which nobody removes" =>
        "gone-means-gone" because "the backend has what it did not have before";
    RunsInputsInAShell: "an input becomes a part of a shell's script" =>
        "hostile-inputs-do-nothing-extra" because "was more than a text";
    HandsSecretsOutWithTheHandle: "the handle holds the secrets" =>
        "secrets-stay-secret" because "it says a secret";
    TellsSecretsInItsLog: "a line of the log holds the secrets" =>
        "secrets-stay-secret" because "it says a secret";
    HandsSecretsToAChild: "the secrets are in the environment of what it starts" =>
        "secrets-stay-secret" because "a secret stands in the environment";
    WritesSecretsDown: "the secrets are in a file of the sandbox" =>
        "secrets-stay-secret" because "a secret stands in `";
    TeardownGoesByAPartOfTheId: "`teardown` removes whatever has the same letters before the first hyphen" =>
        "neighbours-are-left-alone" because "is not there any more";
    ForgetsTheMachineItIsOn: "in attach mode its report does not say that the machine stays" =>
        "attached-machines-stay" because "`retained`";
    TeardownNeverSucceeds: "`teardown` is forbidden to it" =>
        "lifecycle-in-one-process" because "`teardown` failed: it may not";

    // Crashes.
    NobodyCanLookForIt: "it has neither `recover`, `list` nor `status`, and nobody knows of an inventory" =>
        "somebody-knows-what-exists" because "nobody could see a leak";
    MakesAnotherEachTime: "`provision` does not look for what an earlier one has made" =>
        "provisioned-ten-times" because "and after ten";
    TeardownFailsOnWhatIsGone: "a second `teardown` is `not_found`" =>
        "torn-down-ten-times" because "there is no such sandbox";
    TakesOtherInputsForTheSame: "`provision` does not compare the inputs" =>
        "other-inputs-conflict" because "took other inputs for the same request";
    UnknownIdsAreNotFound: "`teardown` of what was never made is `not_found`" =>
        "unknown-ids-are-no-error" because "there is no such sandbox";
    TeardownTrustsAMissingId: "`teardown` without the backend's id in the handle takes the sandbox for absent" =>
        "minimal-handle-is-enough" because "says only what was absent already";
    HandleRecordedAfterTheEffect: "what the backend called it is written down after it was made, and found by that alone" =>
        "killed-at-every-message" because "the backend has what it did not have before";
    LabelsWhatItMadeAfterwards: "it makes a thing without labels, and labels it in a second call" =>
        "killed-at-random" because "the backend has what it did not have before";
    FindsOnlyWhatItsDraftNames: "`provision` finds what it made by the last checkpoint alone" =>
        "answers-lost" because "the second attempt made a second one";
    TwoProcessesDoNotWaitForEachOther: "there is no lock between looking and making" =>
        "asked-twice-at-once" because "what two made at once has 2";
    GivesUpOnLinesInPieces: "the beginning of a line that stays away for 100 ms is taken for a line" =>
        "not-read-for-a-while" because "own-answer";
    DoesNotHearOfACancel: "a withdrawn call goes on" =>
        "cancelled-at-every-message" because "of the cancel";
    HangsWhenItsTimeIsOver: "a call whose deadline is near waits for the backend for ever" =>
        "deadlines-are-kept" because "of the cancel";
    BornAfterTheCancel: "a withdrawn `provision` says that nothing is left, and the backend makes it later" =>
        "no-late-birth" because "`recover` finds it";
    ErrorsSayNothingIsLeft: "each error says that nothing is left" =>
        "none-means-none" because "nothing is left";
    FailsMidwayAndSaysNothingIsLeft: "a call that the backend refuses in the midst of a create ends as if nothing had begun" =>
        "backend-fails-midway" because "it said that nothing is left";
    TakesAnOutageForAbsence: "`teardown` takes a backend that does not answer for one that has nothing" =>
        "backend-down-is-an-error" because "with the backend away it says that everything is gone";
    ListWithoutOwnerCheck: "`list` has what others own, too" =>
        "owners-never-meet" because "does not bear the owner's label";
    TeardownWithoutOwnerCheck: "`teardown` removes what others own, too" =>
        "owners-never-meet" because "is not there any more";
    FindsByTheIdAlone: "it finds sandboxes without looking whose they are" =>
        "owners-never-meet" because "`recover` hands one owner the sandbox of another";
    MixesUpCallsAtOnce: "of two calls at once each gets the answer of the other" =>
        "many-at-once" because "its handle breaks a rule";

    // What is optional.
    ValidateMakesIt: "`validate` makes what it was only to look at" =>
        "validate-changes-nothing" because "is not gone";
    RecoverFindsNothing: "`recover` says of everything that it is absent" =>
        "recover-tells-the-truth" because "of a sandbox that is ready it says Absent";
    ForgetsTheSecondPage: "`list` ends with its first page" =>
        "list-is-whole" because "`list` lacks";
    StatusIsAMemory: "`status` says `running` as long as there is an entry" =>
        "status-follows" because "of a sandbox that was stopped from outside it says Running";
    LongerCostsLess: "a longer time costs less" =>
        "costs-add-up" because "and less time";
    PricesAreBinaryNumbers: "prices are numbers of JSON" =>
        "prices-are-decimal" because "has the wrong shape";
    StatusesOfFailuresAreOne: "a command that fails ends with 1" =>
        "exec-statuses" because "a command that ended with 2 is said to have ended with 1";
    ErrorsGoIntoTheOutput: "standard error comes as standard output" =>
        "exec-streams" because "its standard output came as";
    SplitsTheWordsOfCommands: "the words of a command are joined and split again" =>
        "exec-words" because "the word \"\" came as";
    CommandsSeeOtherFiles: "commands run beside the files that were written" =>
        "files-and-modes" because "bytes inside";
    PausesOnlyOnce: "a second `pause` fails" =>
        "paused-twice" because "`pause` failed: it is paused already";
    SnapshotsGoWithTheirSource: "a snapshot cannot be restored when its source is gone" =>
        "snapshots-outlive" because "`restore` failed: there is no such snapshot";
    ForksShareTheirFiles: "a fork works in the files of its source" =>
        "forks-are-apart" because "is lost";
    TtlKeptOnlyByTheBroker: "the backend does not end what it was told to end" =>
        "ends-by-itself" because "its time has been over for";
    ExtendOnlySaysSo: "`extend` says when it will end, and moves nothing" =>
        "extend-moves-the-end" because "is not there any more";
    ConnectsOnlyOnce: "`connect` works once" =>
        "connect-again-and-again" because "`connect` failed: it has been connected to";
}

impl Mutation {
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|mutation| mutation.name() == name)
    }

    /// The highest level of the checks that must see it.
    pub(crate) fn level(self) -> ConformanceLevel {
        let own: Vec<&str> = self.caught().iter().map(|(check, _)| *check).collect();
        let levels = ALL.iter().filter(|check| own.contains(&check.id)).map(|check| check.level);
        levels.max().unwrap_or(ConformanceLevel::L1)
    }
}

pub(crate) fn trials() -> Vec<Trial> {
    let every = Trial::test("every_check_has_a_mutant", every_check_has_a_mutant);
    let mutants = Mutation::ALL
        .iter()
        .map(|mutation| Trial::test(format!("mutant::{}", mutation.name()), move || is_caught(*mutation)));
    std::iter::once(every).chain(mutants).collect()
}

fn every_check_has_a_mutant() -> Result<(), Failed> {
    let caught: BTreeSet<&str> =
        Mutation::ALL.iter().flat_map(|mutation| mutation.caught()).map(|(check, _)| *check).collect();
    let all: BTreeSet<&str> = ALL.iter().map(|check| check.id).collect();
    let without: Vec<_> = all.difference(&caught).collect();
    let unknown: Vec<_> = caught.difference(&all).collect();
    match without.is_empty() && unknown.is_empty() {
        true => Ok(()),
        false => Err(format!("checks without a mutant: {without:?}; there are no such checks: {unknown:?}").into()),
    }
}

/// Its own checks fail, for the reason that is meant.
fn is_caught(mutation: Mutation) -> Result<(), Failed> {
    let world = World::new(Some(mutation));
    let checks: Vec<&str> = mutation.caught().iter().map(|(check, _)| *check).collect();
    let report = world.run(Run { seed: seed_of(&mutation.name()), ..Run::of(&checks) });
    for (check, reason) in mutation.caught() {
        let result = report.checks.iter().find(|result| result.id == *check);
        let result = result.ok_or_else(|| format!("there is no check `{check}`"))?;
        let said = result.reason.as_deref().unwrap_or_default();
        if result.outcome != CheckOutcome::Failed || !said.contains(reason) {
            let transcript = result.transcript.join("\n");
            return Err(format!("`{check}` {}: {said}\nmeant: {reason}\n{transcript}", result.outcome).into());
        }
    }
    Ok(())
}
