//! The messages in `schemas/examples`, written by hand: the codec hears each as what its name says and writes it back,
//! and each fits its schema. Authors test against the same files in any language.

use jsonschema::Validator;
use sandboxer_sdk::Progress;
use sandboxer_sdk::wire::{
    Ask, AskConnect, AskDeleteSnapshot, AskDescribe, AskEstimateCost, AskExtend, AskFork, AskList, AskListSnapshots,
    AskPause, AskPrices, AskProvision, AskRecover, AskRestore, AskResume, AskSnapshot, AskStatus, AskTeardown,
    AskValidate, AskWaitReady, FromExtension, FromHost, LONGEST_LINE, Lines, Method, RpcError, Surroundings,
    answer_line, cancel_line, checkpoint_line, error_line, log_line, progress_line, request_line,
};
use sandboxer_types::{ErrorKind, Failure, Residue, Retry};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

fn schemas() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schemas")
}

fn example(name: &str) -> Vec<u8> {
    let path = schemas().join("examples").join(format!("{name}.json"));
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn validator(name: &str) -> Validator {
    let path = schemas().join(format!("{name}.schema.json"));
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let schema = serde_json::from_str(&text).expect("JSON");
    jsonschema::draft202012::meta::validate(&schema).expect("a schema");
    jsonschema::draft202012::new(&schema).expect("a schema")
}

static MESSAGE: LazyLock<Validator> = LazyLock::new(|| validator("message"));

/// The only line of an example, and what it says; it fits its own schema and that of all messages.
fn read(name: &str, schema: &str) -> (Vec<u8>, Value) {
    let text = example(name);
    let mut lines = Lines::new(LONGEST_LINE);
    lines.push(&text);
    let line = lines.next_line().expect("short").expect("one line").to_vec();
    assert!(lines.rest().is_empty() && !text.contains(&b'\r'), "{name} is not one line with its end");
    let value: Value = serde_json::from_slice(&line).expect(name);
    for (schema, validator) in [(schema, &validator(schema)), ("message", &MESSAGE)] {
        let complaints: Vec<String> = validator.iter_errors(&value).map(|error| error.to_string()).collect();
        assert!(complaints.is_empty(), "{name} does not fit {schema}: {complaints:#?}");
    }
    (line, value)
}

fn same(name: &str, written: &str, value: &Value) {
    assert_eq!(serde_json::from_str::<Value>(written).expect("JSON"), *value, "{name} is not written back");
}

fn request<A: Ask>() {
    let name = format!("{}.request", A::METHOD);
    let (line, value) = read(&name, &format!("messages/{name}"));
    let Ok(FromHost::Request(request)) = FromHost::hear(&line) else { panic!("{name} is not heard as a request") };
    assert_eq!(request.method.parse(), Ok(A::METHOD));
    let surroundings: Surroundings = serde_json::from_value(request.params.clone()).expect(&name);
    let ask: A = serde_json::from_value(request.params).expect(&name);
    assert_eq!(request.id, json!(surroundings.meta.call));
    assert_eq!(surroundings.meta.protocol, sandboxer_sdk::wire::PROTOCOL);
    same(&name, &request_line(&surroundings, &ask).expect("serializes"), &value);
}

fn result<A: Ask>() {
    let name = format!("{}.result", A::METHOD);
    let (line, value) = read(&name, &format!("messages/{name}"));
    let Ok(FromExtension::Answer(answer)) = FromExtension::hear(&line) else {
        panic!("{name} is not heard as an answer")
    };
    let parsed: A::Answer = serde_json::from_value(answer.outcome.expect("a result")).expect(&name);
    same(&name, &answer_line(&json!(answer.id), &parsed).expect("serializes"), &value);
    let asked: Value = serde_json::from_slice(&example(&format!("{}.request", A::METHOD))).expect(&name);
    assert_eq!(asked["id"], value["id"], "{name} answers another request");
}

/// Checks both messages of each verb, and says which verbs those were.
fn verbs() -> Vec<Method> {
    let mut checked = Vec::new();
    macro_rules! check {
        ($($ask:ident)+) => { $( request::<$ask>(); result::<$ask>(); checked.push($ask::METHOD); )+ };
    }
    check! {
        AskDescribe AskValidate AskProvision AskWaitReady AskTeardown AskRecover AskList AskStatus AskEstimateCost
        AskPrices AskExtend AskPause AskResume AskSnapshot AskRestore AskFork AskListSnapshots AskDeleteSnapshot
        AskConnect
    }
    checked
}

#[test]
fn every_method_has_a_request_and_a_result() {
    assert_eq!(verbs(), Method::ALL);
}

#[test]
fn notifications_are_heard_and_written_back() {
    let (line, value) = read("progress", "messages/progress");
    let Ok(FromExtension::Progress(heard)) = FromExtension::hear(&line) else { panic!("no progress") };
    let progress = Progress { phase: heard.phase, message: heard.message, current: heard.current, total: heard.total };
    same("progress", &progress_line(&heard.call, progress).expect("serializes"), &value);

    let (line, value) = read("log", "messages/log");
    let Ok(FromExtension::Log(heard)) = FromExtension::hear(&line) else { panic!("no log") };
    same("log", &log_line(&heard.call, heard.level, heard.message).expect("serializes"), &value);

    let (line, value) = read("checkpoint", "messages/checkpoint");
    let Ok(FromExtension::Checkpoint(heard)) = FromExtension::hear(&line) else { panic!("no checkpoint") };
    same("checkpoint", &checkpoint_line(&heard.call, heard.draft).expect("serializes"), &value);

    let (line, value) = read("cancel", "messages/cancel");
    let Ok(FromHost::Cancel(heard)) = FromHost::hear(&line) else { panic!("no cancel") };
    same("cancel", &cancel_line(&heard.call).expect("serializes"), &value);
}

/// The example, what it means to a host, and what that is written as again.
fn error(name: &str) -> Failure {
    let name = format!("error-{name}");
    let (line, value) = read(&name, "messages/error");
    let Ok(FromExtension::Answer(answer)) = FromExtension::hear(&line) else { panic!("{name} is not heard") };
    let error = answer.outcome.expect_err("an error");
    same(&name, &error_line(&json!(answer.id), &error).expect("serializes"), &value);
    let failure = Failure::from(error.clone());
    if error.data.is_some() {
        assert_eq!(RpcError::from(failure.clone()), error, "{name} means something else when it is told on");
    }
    failure
}

const ERRORS: [(&str, ErrorKind, Residue, Retry); 8] = [
    ("exhausted", ErrorKind::Exhausted, Residue::None, Retry::Backoff),
    ("invalid_input", ErrorKind::InvalidInput, Residue::None, Retry::AfterFix),
    ("partial", ErrorKind::Partial, Residue::Partial, Retry::Never),
    ("cancelled", ErrorKind::Cancelled, Residue::InProgress, Retry::Never),
    ("unsupported", ErrorKind::Unsupported, Residue::None, Retry::Never),
    ("silent", ErrorKind::Internal, Residue::Unknown, Retry::Never),
    ("method_not_found", ErrorKind::Unsupported, Residue::None, Retry::Never),
    ("unreadable", ErrorKind::ContractViolation, Residue::Unknown, Retry::Never),
];

#[test]
fn errors_mean_what_they_say_and_silence_the_worst() {
    for (name, kind, residue, retry) in ERRORS {
        let failure = error(name);
        assert_eq!((failure.kind, failure.residue, failure.retry), (kind, residue, retry), "{name}");
    }
}

#[test]
fn every_example_is_known_to_a_test() {
    let verbs = Method::ALL.iter().flat_map(|method| [format!("{method}.request"), format!("{method}.result")]);
    let notifications = ["progress", "log", "checkpoint", "cancel"].map(str::to_owned);
    let errors = ERRORS.map(|(name, ..)| format!("error-{name}"));
    let known: BTreeSet<String> = verbs.chain(notifications).chain(errors).map(|name| format!("{name}.json")).collect();
    let entries = fs::read_dir(schemas().join("examples")).expect("a folder");
    let found: BTreeSet<String> =
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    assert_eq!(found, known);
}

/// The message with the member at `path` set to something else.
fn changed(name: &str, path: &str, instead: Value) -> Value {
    let mut value: Value = serde_json::from_slice(&example(name)).expect(name);
    let (parent, member) = path.rsplit_once('/').expect("a path");
    value.pointer_mut(parent).expect(path)[member] = instead;
    value
}

#[test]
fn schemas_let_pass_what_may_be_added_and_nothing_that_is_wrong() {
    for (name, path, schema) in [
        ("provision.request", "/params/profile/x", "provision.request"),
        ("provision.request", "/params/_meta/x", "provision.request"),
        ("provision.request", "/params/x", "provision.request"),
        ("wait_ready.result", "/result/reachability/x", "wait_ready.result"),
        ("connect.result", "/result/x", "connect.result"),
        ("error-partial", "/error/data/x", "error"),
    ] {
        let value = changed(name, path, json!({"more": 1}));
        assert!(validator(&format!("messages/{schema}")).is_valid(&value), "{path} may be added to {name}");
        assert!(MESSAGE.is_valid(&value), "{path} may be added to {name}");
    }
    for (name, path, instead, schema) in [
        ("provision.request", "/jsonrpc", json!("1.0"), "provision.request"),
        ("provision.request", "/id", json!(7), "provision.request"),
        ("provision.request", "/params/_meta", json!(null), "provision.request"),
        ("provision.request", "/params/sandbox_id", json!("-rf"), "provision.request"),
        ("provision.request", "/params/profile/network", json!("all"), "provision.request"),
        ("teardown.request", "/params/reason", json!("bored"), "teardown.request"),
        ("provision.result", "/result/handle/host", json!(null), "provision.result"),
        ("provision.result", "/error", json!({"code": 1, "message": ""}), "provision.result"),
        ("teardown.result", "/result/report/complete", json!("yes"), "teardown.result"),
        ("recover.result", "/result/outcome", json!("lost"), "recover.result"),
        ("status.result", "/result/state", json!("fine"), "status.result"),
        ("connect.result", "/result/socket", json!("/run/x"), "connect.result"),
        ("estimate_cost.result", "/result/quote/expected", json!(0.083), "estimate_cost.result"),
        ("error-partial", "/error/data/residue", json!("some"), "error"),
        ("error-silent", "/error/code", json!("-32000"), "error"),
        ("log", "/params/level", json!("debug"), "log"),
        ("checkpoint", "/params/draft", json!("srv-4711"), "checkpoint"),
        ("cancel", "/params/call", json!(null), "cancel"),
    ] {
        let value = changed(name, path, instead);
        assert!(!validator(&format!("messages/{schema}")).is_valid(&value), "{path} of {name} is wrong");
    }
}
