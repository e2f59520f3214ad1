//! Samples, and the table they end in.

use std::fmt;
use std::time::{Duration, Instant};

/// How often each thing is measured.
pub(crate) const ROUNDS: usize = 200;

/// Times of one thing, in milliseconds.
pub(crate) struct Sample(Vec<f64>);

impl Sample {
    /// Measures `work` `rounds` times, after a few that do not count.
    pub(crate) fn of(rounds: usize, mut work: impl FnMut()) -> Self {
        for _ in 0..5 {
            work();
        }
        let mut sample = Self(Vec::with_capacity(rounds));
        for _ in 0..rounds {
            let begin = Instant::now();
            work();
            sample.add(begin.elapsed());
        }
        sample
    }

    /// No times yet.
    pub(crate) fn empty() -> Self {
        Self(Vec::new())
    }

    /// Adds a time.
    pub(crate) fn add(&mut self, time: Duration) {
        self.0.push(time.as_secs_f64() * 1e3);
    }

    /// Adds the time of the round of that number, unless it is one of the first, which do not count.
    pub(crate) fn add_after(&mut self, uncounted: usize, round: usize, time: Duration) {
        if round >= uncounted {
            self.add(time);
        }
    }

    fn quantile(&self, share: f64) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let last = sorted.len().saturating_sub(1);
        sorted[((last as f64) * share).round() as usize]
    }
}

/// One line: what, its figures, and the aim.
struct Row {
    what: String,
    figures: String,
    aim: String,
}

/// Everything measured, in order.
#[derive(Default)]
pub(crate) struct Table(Vec<Row>);

impl Table {
    /// Adds a sample with its aim in words; says it at once, since the whole takes minutes.
    pub(crate) fn times(&mut self, what: &str, sample: &Sample, aim: &str) {
        let figures = format!("{:8.2} {:8.2}", sample.quantile(0.5), sample.quantile(0.99));
        self.figures(what, &figures, aim);
    }

    /// Adds how fast so many bytes are, at the median and at the slowest; beside it what `cat` needs for the same.
    pub(crate) fn rates(&mut self, what: &str, bytes: usize, sample: &Sample, cat: &Sample, aim: &str) {
        let rate = |sample: &Sample, share| bytes as f64 / 1e3 / sample.quantile(share);
        let (median, slowest) = (rate(sample, 0.5), rate(sample, 1.0));
        let figures = format!("{median:.0} MB/s, at worst {slowest:.0}; `cat` {:.0}", rate(cat, 0.5));
        self.figures(what, &figures, aim);
    }

    /// Adds a figure that is not a time per round.
    pub(crate) fn figures(&mut self, what: &str, figures: &str, aim: &str) {
        eprintln!("{what}: {figures}");
        self.0.push(Row { what: what.to_owned(), figures: figures.to_owned(), aim: aim.to_owned() });
    }
}

impl fmt::Display for Table {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "{:<52} {:>8} {:>8}  aim", "milliseconds", "median", "p99")?;
        for row in &self.0 {
            writeln!(formatter, "{:<52} {:<17}  {}", row.what, row.figures, row.aim)?;
        }
        Ok(())
    }
}
