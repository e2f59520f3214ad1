//! The engine's own log, on stderr, for those who ask for it.

use std::fmt;
use std::io::Write;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// Starts it: warnings always, all of it with `-vv`.
pub(crate) fn start(verbose: u8) {
    let most = if verbose >= 2 { Level::DEBUG } else { Level::WARN };
    if tracing::subscriber::set_global_default(Lines { most }).is_err() {
        tracing::debug!("a log was started before");
    }
}

/// Writes a line an event; spans are not used.
struct Lines {
    most: Level,
}

struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.0.insert_str(0, &format!("{value:?}"));
        } else {
            self.0.push_str(&format!(" {}={value:?}", field.name()));
        }
    }
}

impl Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= self.most && metadata.target().starts_with("sandboxer")
    }

    fn new_span(&self, _attributes: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _span: &Id, _values: &Record<'_>) {}

    fn record_follows_from(&self, _span: &Id, _follows: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut text = Text(String::new());
        event.record(&mut text);
        let level = match *event.metadata().level() {
            Level::WARN => "warning".to_owned(),
            other => other.as_str().to_ascii_lowercase(),
        };
        // A log that cannot be written has nowhere to say so.
        drop(writeln!(anstream::stderr(), "{level}: {}", text.0));
    }

    fn enter(&self, _span: &Id) {}

    fn exit(&self, _span: &Id) {}
}
