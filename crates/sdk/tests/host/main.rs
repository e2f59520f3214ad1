//! Programs as extensions: what is asked, what is heard, and what happens to those that break a rule.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod lives;
mod rules;
mod support;
