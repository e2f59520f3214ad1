//! A run as JUnit's XML, which every CI reads.

use sandboxer_types::{CheckOutcome, ConformanceReport};

/// The run as a `testsuite` of one `testcase` a check.
pub fn junit(report: &ConformanceReport) -> String {
    let (failed, skipped) = (report.count(CheckOutcome::Failed), report.count(CheckOutcome::Skipped));
    let seconds: f64 = report.checks.iter().map(|check| check.duration_ms as f64 / 1000.0).sum();
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let extension = escaped(report.extension.as_str());
    let mut line = |text: String| {
        xml.push_str(&text);
        xml.push('\n');
    };
    line(format!(
        "<testsuite name=\"{extension}\" tests=\"{}\" failures=\"{failed}\" skipped=\"{skipped}\" errors=\"{}\" time=\"{seconds:.3}\" timestamp=\"{}\">",
        report.checks.len(),
        report.left_over.len(),
        report.started_at,
    ));
    line(format!("  <properties><property name=\"seed\" value=\"{}\"/></properties>", report.seed));
    for check in &report.checks {
        let begin = format!(
            "  <testcase classname=\"{extension}.{}\" name=\"{}\" time=\"{:.3}\"",
            check.level,
            escaped(&check.id),
            check.duration_ms as f64 / 1000.0
        );
        let reason = escaped(check.reason.as_deref().unwrap_or_default());
        match check.outcome {
            CheckOutcome::Passed => line(format!("{begin}/>")),
            CheckOutcome::Skipped => line(format!("{begin}><skipped message=\"{reason}\"/></testcase>")),
            CheckOutcome::Failed => {
                let transcript = escaped(&check.transcript.join("\n"));
                line(format!("{begin}><failure message=\"{reason}\">{transcript}</failure></testcase>"));
            }
        }
    }
    for what in &report.left_over {
        line(format!("  <system-err>may still exist: {}</system-err>", escaped(what)));
    }
    line("</testsuite>".to_owned());
    xml
}

/// Text as it may stand in XML; what may not stand there at all is replaced.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\n' | '\t' => safe.push(character),
            control if control < ' ' || matches!(control, '\u{fffe}' | '\u{ffff}') => safe.push('\u{fffd}'),
            other => safe.push(other),
        }
    }
    safe
}
