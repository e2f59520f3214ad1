//! The command line of sand-boxer.
fn main() {}
