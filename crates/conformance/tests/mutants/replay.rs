//! A run can be had again: the same seed, the same instants.

use crate::mutation::Mutation;
use crate::subject::{Run, World};
use libtest_mimic::{Failed, Trial};
use sandboxer_types::CheckOutcome;

pub(crate) fn trials() -> Vec<Trial> {
    vec![Trial::test("replay::the_same_seed_kills_at_the_same_instants", the_same_seed_kills_at_the_same_instants)]
}

/// What is killed, and when.
#[derive(Debug)]
struct Kill {
    verb: String,
    after: f64,
}

/// Instants are parts of the time that a call takes, which is never the same twice; but they stand to each other as before.
fn the_same_seed_kills_at_the_same_instants() -> Result<(), Failed> {
    let [first, second, other] = at_once([7, 7, 8]);
    let (first, second, other) = (first?, second?, other?);
    let verbs = |kills: &[Kill]| kills.iter().map(|kill| kill.verb.clone()).collect::<Vec<_>>();
    let ratio = |kills: &[Kill]| kills[0].after / kills[1].after;
    assert_eq!(verbs(&first), verbs(&second));
    let near = |one: f64, other: f64| (one / other - 1.0).abs() < 0.01;
    assert!(near(ratio(&first), ratio(&second)), "{first:?}, then {second:?}");
    assert!(
        verbs(&first) != verbs(&other) || !near(ratio(&first), ratio(&other)),
        "another seed is another run: {first:?}, then {other:?}"
    );
    Ok(())
}

fn at_once(seeds: [u64; 3]) -> [Result<Vec<Kill>, Failed>; 3] {
    std::thread::scope(|scope| {
        let runs = seeds.map(|seed| scope.spawn(move || kills(seed)));
        runs.map(|run| run.join().unwrap())
    })
}

/// Two kills at random, as the transcript of a check that fails in the end tells them.
fn kills(seed: u64) -> Result<Vec<Kill>, Failed> {
    let world = World::new(Some(Mutation::LeavesAVolumeBehind));
    let report = world.run(Run { seed, kills: 2, ..Run::of(&["killed-at-random"]) });
    let [result] = &report.checks[..] else { return Err("one check is one result".into()) };
    assert_eq!(result.outcome, CheckOutcome::Failed);
    let kills: Vec<Kill> = result.transcript.iter().filter_map(|line| kill(line)).collect();
    if kills.len() == 2 { Ok(kills) } else { Err(format!("{kills:?}\n{}", result.transcript.join("\n")).into()) }
}

/// ``· `provision` of sbx01j is killed after 12.3ms``
fn kill(line: &str) -> Option<Kill> {
    let (what, after) = line.split_once(" is killed after ")?;
    let verb = what.split('`').nth(1)?.to_owned();
    let number = |unit: &str| after.strip_suffix(unit)?.parse::<f64>().ok();
    let after = number("ms").map(|ms| ms / 1e3).or_else(|| number("µs").map(|us| us / 1e6)).or_else(|| number("s"))?;
    Some(Kill { verb, after })
}
