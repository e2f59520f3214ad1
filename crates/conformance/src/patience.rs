//! How long the suite waits.

use std::time::Duration;

/// How long the suite waits before it says that something is not so. A slow backend may need more; tests of the suite itself take
/// less.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// How long a cancelled call has to answer.
    pub answering: Duration,
    /// How long something that was removed may still be seen.
    pub vanishing: Duration,
    /// How long a late birth is waited for.
    pub late: Duration,
    /// How long after its time a sandbox may still be there that the backend ends by itself.
    pub expiring: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            // The protocol says five seconds; machines that are busy get some more.
            answering: Duration::from_secs(10),
            vanishing: Duration::from_secs(10),
            late: Duration::from_secs(3),
            expiring: Duration::from_secs(120),
        }
    }
}
