//! The tables of docs/e2b.md: a row a method, a column an SDK.

use crate::results::{Finding, Results};
use std::collections::BTreeMap;
use std::path::Path;

/// The first column's title. Tables with another one are no business of the checks.
const CALL: &str = "call";

/// What the page says of one method with one SDK.
#[derive(Debug, PartialEq, Eq)]
enum Claim {
    Works,
    /// The SDK has no such method.
    Absent,
    /// A footnote says what does not work.
    Broken,
}

/// All rows: by the method's name, then by the SDK's.
#[derive(Debug, Default)]
pub(crate) struct Table {
    rows: BTreeMap<String, BTreeMap<String, String>>,
}

/// The page's text.
pub(crate) fn text() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/e2b.md");
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()))
}

/// The page's table.
pub(crate) fn table() -> Table {
    Table::read(&text())
}

impl Table {
    fn read(page: &str) -> Self {
        let mut table = Self::default();
        let mut titles: Option<Vec<String>> = None;
        for line in page.lines() {
            let Some(cells) = cells(line) else {
                titles = None;
                continue;
            };
            match &titles {
                None => titles = Some(cells),
                Some(titles) if titles[0] == CALL && !cells[0].starts_with("---") => table.add(titles, cells),
                Some(_) => {}
            }
        }
        table
    }

    fn add(&mut self, titles: &[String], cells: Vec<String>) {
        assert_eq!(cells.len(), titles.len(), "a row with other columns than its table: {cells:?}");
        let name = cells[0].replace('`', "");
        let row = titles.iter().cloned().zip(cells).skip(1).collect();
        assert!(self.rows.insert(name.clone(), row).is_none(), "two rows of `{name}`");
    }

    /// Where the page says otherwise than the checks of one SDK found.
    pub(crate) fn differences(&self, column: &str, flavour: &str, results: &Results) -> Vec<String> {
        let unknown = results.keys().filter(|name| !self.rows.contains_key(*name));
        let mut differences: Vec<String> = unknown.map(|name| format!("{name}: no row says anything of it")).collect();
        for (name, row) in &self.rows {
            let cell = row.get(column).unwrap_or_else(|| panic!("no column `{column}`"));
            if let Some(difference) = difference(claim(cell, flavour), results.get(name)) {
                differences.push(format!("{name}: {difference}"));
            }
        }
        differences
    }
}

fn difference(claim: Claim, finding: Option<&Finding>) -> Option<String> {
    match (claim, finding) {
        (Claim::Absent, None)
        | (Claim::Works | Claim::Broken, Some(Finding::LeftOut))
        | (Claim::Works, Some(Finding::Works))
        | (Claim::Broken, Some(Finding::Fails(_))) => None,
        (Claim::Works | Claim::Broken, None) => Some("the SDK has no such method".to_owned()),
        (Claim::Works, Some(Finding::Fails(why))) => Some(why.clone()),
        (Claim::Broken, Some(Finding::Works)) => Some("it works, and the page says it does not".to_owned()),
        (Claim::Absent, Some(_)) => Some("the SDK has it, and the page says it does not".to_owned()),
    }
}

/// The cells of a table's line.
fn cells(line: &str) -> Option<Vec<String>> {
    let inner = line.trim().strip_prefix('|')?.strip_suffix('|')?;
    Some(inner.split('|').map(|cell| cell.trim().to_owned()).collect())
}

/// `works`, `–`, `[^1]`, or several with the flavour that each is about, as in `works (sync), [^1] (async)`.
fn claim(cell: &str, flavour: &str) -> Claim {
    for part in cell.split(", ") {
        let (what, about) = part.split_once(' ').map_or((part, None), |(what, about)| (what, Some(about)));
        if about.is_some_and(|about| about != format!("({flavour})")) {
            continue;
        }
        return match what {
            "works" => Claim::Works,
            "–" => Claim::Absent,
            footnote if footnote.starts_with("[^") => Claim::Broken,
            other => panic!("`{other}` is no claim"),
        };
    }
    Claim::Absent
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "| other |\n| --- |\n| x |\n\n| call | py | js |\n| --- | --- | --- |\n| `a(b=)` twice | works | – |\n| `c` | works (sync) | [^1] |\n";

    fn differences(column: &str, flavour: &str, results: &[(&str, Finding)]) -> Vec<String> {
        let results = results.iter().map(|(name, finding)| ((*name).to_owned(), finding.clone())).collect();
        Table::read(PAGE).differences(column, flavour, &results)
    }

    #[test]
    fn a_page_that_is_right() {
        let fails = Finding::Fails("why".to_owned());
        let both = [("a(b=) twice", Finding::Works), ("c", Finding::Works)];
        assert_eq!(differences("py", "sync", &both), Vec::<String>::new());
        assert_eq!(differences("py", "async", &[("a(b=) twice", Finding::LeftOut)]), Vec::<String>::new());
        assert_eq!(differences("js", "js", &[("c", fails)]), Vec::<String>::new());
    }

    #[test]
    fn a_page_that_is_wrong() {
        let fails = Finding::Fails("why".to_owned());
        assert_eq!(differences("py", "async", &[("a(b=) twice", fails)]), ["a(b=) twice: why"]);
        assert_eq!(differences("py", "async", &[]), ["a(b=) twice: the SDK has no such method"]);
        let more = [("c", Finding::Works), ("d", Finding::Works)];
        let expected = ["d: no row says anything of it", "c: it works, and the page says it does not"];
        assert_eq!(differences("js", "js", &more), expected);
    }
}
