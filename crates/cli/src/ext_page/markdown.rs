//! Pieces of Markdown.

use crate::ui::text::harmless;

/// Words as they are typed.
pub(super) fn code(text: &str) -> String {
    let text = harmless(text);
    if text.contains('`') { format!("`` {text} ``") } else { format!("`{text}`") }
}

/// Words between others: what they would mean as Markdown or HTML is taken from them.
pub(super) fn prose(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut prose, letter| {
        match letter {
            '<' => prose.push_str("&lt;"),
            letter if letter.is_whitespace() => prose.push(' '),
            letter => prose.push_str(&harmless(letter.encode_utf8(&mut [0; 4]))),
        }
        prose
    })
}

/// A table. What its cells hold does not end them.
pub(super) fn table<const N: usize>(header: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let rule = vec!["---".to_owned(); N];
    let mut table = line(&header.map(str::to_owned)) + &line(&rule);
    for row in rows {
        table.push_str(&line(&row.map(|cell| cell.replace('|', "\\|"))));
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_hold_whatever_is_in_them() {
        let row = [code("a|b"), prose("one\ntwo <b>\u{1b}[0m")];
        assert_eq!(table(["x", "y"], [row]), "| x | y |\n| --- | --- |\n| `a\\|b` | one two &lt;b>\\u{1b}[0m |\n");
        assert_eq!(code("`"), "`` ` ``");
    }
}
