//! E2B's official SDKs drive the agent, each against an agent in a network namespace of its own.
//!
//! `python/run.py` and `js/run.mjs` make the checks, and docs/e2b.md says what of them works with which SDK: a row that
//! says otherwise than the check found, a check without a row or a row without a check fails the test.
//!
//! In *debug* mode the SDKs take the agent at localhost:49983 as it is. In *url* mode a stub of the control plane hands
//! out the agent's address, its access token and the envd version that it reports, which is what SDKs switch features
//! by.

mod agent;
mod namespace;
mod page;
mod results;
#[path = "../cli/support/running.rs"]
#[allow(dead_code, reason = "shared with tests that need more of it")]
mod running;
mod sdk;
mod server;
mod snippets;
mod world;

use sdk::{JS_2_51_0, PYTHON_2_24_0, PYTHON_2_45_1, PYTHON_2_63_0, Sdk};
use world::{Mode, World};

/// Lets an SDK make its checks, and compares what it found with the page.
fn drive(sdk: &Sdk, flavour: &str, mode: Mode) {
    let world = World::new(mode);
    let outcome = world.run(sdk.checks(&world, flavour, mode));
    let differences = match results::read(&outcome.text()) {
        _ if outcome.status != 0 => vec![format!("the checks ended with {}: {}", outcome.status, outcome.stderr)],
        Ok(results) => page::table().differences(sdk.column, flavour, &results),
        Err(fault) => vec![fault],
    };
    assert!(
        differences.is_empty(),
        "docs/e2b.md and the checks of {} {flavour} differ:\n  {}\nthe agent said:\n{}",
        sdk.column,
        differences.join("\n  "),
        world.agent_said()
    );
}

macro_rules! drives {
    ($($name:ident: $sdk:ident, $flavour:literal, $mode:ident;)*) => {
        $(#[test]
        fn $name() {
            drive(&$sdk, $flavour, Mode::$mode);
        })*
    };
}

drives! {
    python_2_24_0_sync_debug: PYTHON_2_24_0, "sync", Debug;
    python_2_24_0_sync_url: PYTHON_2_24_0, "sync", Url;
    python_2_24_0_async_debug: PYTHON_2_24_0, "async", Debug;
    python_2_24_0_async_url: PYTHON_2_24_0, "async", Url;
    python_2_45_1_sync_debug: PYTHON_2_45_1, "sync", Debug;
    python_2_45_1_sync_url: PYTHON_2_45_1, "sync", Url;
    python_2_45_1_async_debug: PYTHON_2_45_1, "async", Debug;
    python_2_45_1_async_url: PYTHON_2_45_1, "async", Url;
    python_2_63_0_sync_debug: PYTHON_2_63_0, "sync", Debug;
    python_2_63_0_sync_url: PYTHON_2_63_0, "sync", Url;
    python_2_63_0_async_debug: PYTHON_2_63_0, "async", Debug;
    python_2_63_0_async_url: PYTHON_2_63_0, "async", Url;
    js_2_51_0_debug: JS_2_51_0, "js", Debug;
    js_2_51_0_url: JS_2_51_0, "js", Url;
}
