//! The file of variables that a compose file may use.

use std::collections::BTreeMap;

/// The repository's own variables, and then the caller's, which win.
pub(super) fn file(own: &[u8], env: &BTreeMap<String, String>) -> Vec<u8> {
    let mut file = own.to_vec();
    if file.last().is_some_and(|last| *last != b'\n') {
        file.push(b'\n');
    }
    for (name, value) in env {
        file.extend(format!("{name}={}\n", quoted(value)).into_bytes());
    }
    file
}

/// A value that every reader of such files takes as it is.
fn quoted(value: &str) -> String {
    if !value.contains(['\'', '\\', '\n', '\r']) {
        return format!("'{value}'");
    }
    let mut quoted = String::from("\"");
    for c in value.chars() {
        match c {
            '"' | '\\' | '$' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_callers_variable_stands_last_and_cannot_end_its_line() {
        let env = BTreeMap::from([("A".to_owned(), "x\nB=1 '$HOME'".to_owned()), ("C".to_owned(), "$(id)".to_owned())]);
        let text = String::from_utf8(file(b"A=own", &env)).expect("text");
        assert_eq!(text, "A=own\nA=\"x\\nB=1 '\\$HOME'\"\nC='$(id)'\n");
    }
}
