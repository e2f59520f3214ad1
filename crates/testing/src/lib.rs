//! Fake world, failpoints and helpers for tests.
