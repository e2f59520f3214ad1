//! What the checks found.

use serde_json::Value;
use std::collections::BTreeMap;

/// How a check went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Finding {
    Works,
    Fails(String),
    /// It cannot be made in this mode.
    LeftOut,
}

/// Findings by the names of checks. What is not in it, the SDK does not have.
pub(crate) type Results = BTreeMap<String, Finding>;

/// Reads the lines that the checks print.
pub(crate) fn read(printed: &str) -> Result<Results, String> {
    let mut results = Results::new();
    for line in printed.lines() {
        let value: Value = serde_json::from_str(line).map_err(|error| format!("`{line}` is no finding: {error}"))?;
        let name = value["check"].as_str().ok_or_else(|| format!("`{line}` names no check"))?;
        let finding = match (&value["left_out"], &value["ok"]) {
            (Value::Bool(true), _) => Finding::LeftOut,
            (_, Value::Bool(true)) => Finding::Works,
            _ => Finding::Fails(value["error"].as_str().unwrap_or("without a reason").to_owned()),
        };
        if results.insert(name.to_owned(), finding).is_some() {
            return Err(format!("the check `{name}` was made twice"));
        }
    }
    if results.is_empty() { Err("no check was made".to_owned()) } else { Ok(results) }
}

#[test]
fn findings_are_read() {
    let printed = "{\"check\":\"a\",\"ok\":true,\"error\":null}\n{\"check\":\"b\",\"ok\":false,\"error\":\"why\"}\n{\"check\":\"c\",\"left_out\":true}\n";
    let expected = [("a", Finding::Works), ("b", Finding::Fails("why".to_owned())), ("c", Finding::LeftOut)];
    assert_eq!(read(printed), Ok(expected.map(|(name, finding)| (name.to_owned(), finding)).into()));
    assert!(read("").is_err() && read("Traceback").is_err());
    assert!(read("{\"check\":\"a\",\"ok\":true}\n{\"check\":\"a\",\"ok\":true}\n").is_err());
}
