//! Faults in the middle of each step of a create and of a removal.

use crate::place::Place;
use rustix::process::Signal;
use std::time::{Duration, Instant};

/// So many places of each command.
const PLACES: u64 = 6;

/// A sandbox that is there can be entered.
#[track_caller]
fn is_there(place: &Place) {
    assert_eq!(place.run(&["exec", "one", "--", "echo", "here"]).succeeded().text(), "here\n");
}

/// Each part of the bytes of a command may be the last that goes through before all connections break.
pub(crate) fn breaks(place: &Place, create: &[&str]) {
    let proxy = place.by_proxy(Duration::ZERO);
    place.works(create);
    let create = [create, &["--name", "one"]].concat();
    let remove = ["rm", "one"];
    let span = |words: &[&str]| {
        place.end_connections();
        let before = proxy.passed();
        place.run(words).succeeded();
        proxy.passed() - before
    };
    let spans = [(create.as_slice(), span(&create)), (&remove, span(&remove))];
    for (words, span) in spans {
        for part in 0..PLACES {
            if words[0] == "rm" {
                place.run(&create).succeeded();
            }
            place.end_connections();
            proxy.break_after(span * part / PLACES);
            let outcome = place.run(words);
            let case = format!("{} after {part}/{PLACES}: {}, {}", words[0], outcome.status, outcome.stderr);
            assert!([0, 5, 8].contains(&outcome.status), "{case}");
            proxy.restore();
            if words[0] == "create" && outcome.status == 0 {
                is_there(place);
            }
            place.settles_after(&case);
        }
    }
}

/// The same, but nothing breaks: nothing goes through any more, after so many quarters of the bytes of a create, and at
/// the beginning of a removal.
pub(crate) fn falls_silent(place: &Place, create: &[&str], quarters: &[u64]) {
    let proxy = place.by_proxy(Duration::ZERO);
    place.works(create);
    place.end_connections();
    let before = proxy.passed();
    place.create(create, "one").succeeded();
    let span = proxy.passed() - before;
    for part in quarters {
        place.run(&["rm", "--all"]).succeeded();
        place.end_connections();
        proxy.silence_after(span * part / 4);
        let outcome = place.create(create, "one").ended_with(5);
        assert!(proxy.was_cut(), "{}", outcome.stderr);
        proxy.restore();
        place.settles_after(&outcome.stderr);
        place.create(create, "one").succeeded();
    }
    proxy.silence_after(0);
    place.run(&["rm", "one"]).ended_with(8);
    proxy.restore();
    place.settles();
}

/// `sandboxer` is killed in the middle of each step; whoever comes next takes over what it left.
pub(crate) fn is_killed(place: &Place, create: &[&str]) {
    place.works(create);
    let create = [create, &["--name", "one"]].concat();
    let remove = ["rm", "one"];
    let span = |words: &[&str]| {
        let start = Instant::now();
        place.run(words).succeeded();
        start.elapsed()
    };
    let spans = [(create.as_slice(), span(&create)), (&remove, span(&remove))];
    for (words, span) in spans {
        for part in 0..PLACES {
            if words[0] == "rm" {
                place.run(&create).succeeded();
            }
            let running = place.start(words);
            // Where in the command that is differs from run to run, and nothing may depend on it.
            if !running.ends_within(span * u32::try_from(part).expect("few") / u32::try_from(PLACES).expect("few")) {
                running.signal(Signal::KILL);
            }
            let outcome = place.house.noted(running.finish());
            place.settles_after(&format!("{} killed at {part}/{PLACES}: {}", words[0], outcome.stderr));
        }
    }
}
