//! Watching what travels.

/// Sees every line that travels between host and extension, with secrets replaced.
pub trait Trace: Send + Sync {
    /// A line to the extension.
    fn sent(&self, line: &str);
    /// A line from it.
    fn received(&self, line: &str);
    /// A line of its standard error.
    fn said(&self, line: &str);
}
