//! A world for tests of the engine: a backend in memory, a clock that is turned by hand, processes that die at a chosen
//! instant, and a machine on which they share one state directory.

mod alive;
mod clock;
mod crash;
mod crashing_store;
mod extension;
mod machine;
mod machines;
mod secrets;
mod session;
mod world;

pub use clock::HandClock;
pub use crash::{CrashPoints, Ended};
pub use crashing_store::CrashingStore;
pub use extension::FakeExtension;
pub use machine::{Machine, Process};
pub use machines::{HeldLease, MachinePark};
pub use secrets::HeldSecrets;
pub use world::{Answers, Fault, FaultPlan, Seen, Verb, World};
