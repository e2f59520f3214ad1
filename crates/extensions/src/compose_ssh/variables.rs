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

/// The same file without what a compose tool or an engine would take for its own settings, for who runs a file in which every
/// variable was replaced.
pub(super) fn without_settings(file: &[u8]) -> Vec<u8> {
    statements(file).filter(|statement| !is_setting(statement)).flatten().copied().collect()
}

fn is_setting(statement: &[u8]) -> bool {
    let text = String::from_utf8_lossy(statement);
    let name = text.trim_start_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
    let name = name.strip_prefix("export").filter(|rest| rest.starts_with(char::is_whitespace)).unwrap_or(name);
    let name = name.trim_start().trim_start_matches(['\'', '"']);
    ["COMPOSE_", "DOCKER_", "PODMAN_", "BUILDKIT_", "BUILDX_"].iter().any(|prefix| name.starts_with(prefix))
}

/// The lines of such a file, each with those that its quoted value goes on for.
fn statements(file: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = file;
    std::iter::from_fn(move || {
        let (statement, after) = rest.split_at(statement_length(rest));
        rest = after;
        (!statement.is_empty()).then_some(statement)
    })
}

fn statement_length(text: &[u8]) -> usize {
    let line_end =
        |from: usize| text[from..].iter().position(|byte| *byte == b'\n').map_or(text.len(), |at| from + at + 1);
    let end = line_end(0);
    let is_remark = text[..end].trim_ascii_start().starts_with(b"#");
    let Some(equals) = text[..end].iter().position(|byte| *byte == b'=' || *byte == b':').filter(|_| !is_remark) else {
        return end;
    };
    let blanks = text[equals + 1..end].iter().take_while(|byte| byte.is_ascii_whitespace()).count();
    let start = equals + 1 + blanks;
    let Some(quote) = text[..end].get(start).filter(|byte| matches!(byte, b'\'' | b'"')) else { return end };
    let closes = |at: &usize| text[*at] == *quote && text[*at - 1] != b'\\';
    (start + 1..text.len()).find(closes).map_or(end, line_end)
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
    fn what_a_tool_would_take_for_its_settings_is_left_out() {
        let kept = "A=1\n# COMPOSE_A=\nB=\"x\nCOMPOSE_NOT=1\nend\"\nMY_COMPOSE_X=1\n";
        let file = format!(
            "COMPOSE_REMOVE_ORPHANS=1\n{kept}export  DOCKER_HOST='tcp://x\ny'\n COMPOSE_FILE: x\nC=it's\nDOCKER_TLS=1"
        );
        assert_eq!(String::from_utf8(without_settings(file.as_bytes())).expect("text"), format!("{kept}C=it's\n"));
        assert_eq!(without_settings(b"B=\"never closed\nCOMPOSE_X=1\n"), b"B=\"never closed\n");
        assert_eq!(without_settings(b""), b"");
    }

    #[test]
    fn a_callers_variable_stands_last_and_cannot_end_its_line() {
        let env = BTreeMap::from([("A".to_owned(), "x\nB=1 '$HOME'".to_owned()), ("C".to_owned(), "$(id)".to_owned())]);
        let text = String::from_utf8(file(b"A=own", &env)).expect("text");
        assert_eq!(text, "A=own\nA=\"x\\nB=1 '\\$HOME'\"\nC='$(id)'\n");
    }
}
