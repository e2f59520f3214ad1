//! What was sent and received, for whoever wants to know why a check failed.

use sandboxer_sdk::host::Secrets;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// So many lines are kept of a check.
const MOST_LINES: usize = 60;
/// So much is kept of a line, in bytes.
const LONGEST: usize = 600;
const SENT: &str = "→";
const DID: &str = "·";

/// The last lines that travelled in a check, without secrets.
#[derive(Default)]
pub(crate) struct Transcript {
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    secrets: Secrets,
    lines: VecDeque<String>,
    left_out: usize,
    printed: Option<String>,
    /// Whether something that came from the extension held a secret.
    leaked: bool,
}

impl Transcript {
    /// These never appear in it.
    pub(crate) fn hide(&self, secrets: impl IntoIterator<Item = String>) {
        let secrets: Vec<String> = secrets.into_iter().collect();
        self.held().secrets.add(secrets.iter());
    }

    /// The text without what never appears.
    pub(crate) fn without_secrets(&self, text: &str) -> String {
        self.held().secrets.hide(text)
    }

    /// A line to the extension.
    pub(crate) fn sent(&self, line: &[u8]) {
        self.add(SENT, line);
    }

    /// A line from it.
    pub(crate) fn received(&self, line: &[u8]) {
        self.add("←", line);
    }

    /// A line of its standard error.
    pub(crate) fn said(&self, line: &[u8]) {
        self.add("!", line);
    }

    /// What the suite itself did.
    pub(crate) fn did(&self, what: &str) {
        self.add(DID, what.as_bytes());
    }

    /// A line of its standard output that was no message.
    pub(crate) fn printed(&self, line: &[u8]) {
        let shown = shortened(&String::from_utf8_lossy(line));
        self.held().printed.get_or_insert(shown);
    }

    /// The first such line since the transcript was taken last.
    pub(crate) fn take_printed(&self) -> Option<String> {
        self.held().printed.take()
    }

    /// Whether a secret came back since this was asked last.
    pub(crate) fn take_leaked(&self) -> bool {
        std::mem::take(&mut self.held().leaked)
    }

    /// What there is of it. The next check begins with none.
    pub(crate) fn take(&self) -> Vec<String> {
        let mut held = self.held();
        let left_out = std::mem::take(&mut held.left_out);
        let lines = std::mem::take(&mut held.lines).into_iter();
        let before = (left_out > 0).then(|| format!("({left_out} lines before these)"));
        before.into_iter().chain(lines).collect()
    }

    fn add(&self, sign: &str, line: &[u8]) {
        let mut held = self.held();
        let raw = String::from_utf8_lossy(line);
        let text = held.secrets.hide_in_line(raw.trim_end());
        held.leaked |= sign != SENT && sign != DID && text.contains("[secret]") && !raw.contains("[secret]");
        held.lines.push_back(format!("{sign} {}", shortened(&text)));
        if held.lines.len() > MOST_LINES {
            held.lines.pop_front();
            held.left_out += 1;
        }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn shortened(text: &str) -> String {
    let end = text.floor_char_boundary(LONGEST);
    if end == text.len() { text.to_owned() } else { format!("{}… ({} bytes)", &text[..end], text.len()) }
}
