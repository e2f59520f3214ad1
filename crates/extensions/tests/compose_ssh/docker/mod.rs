//! What needs an engine.

mod breaking;
mod lifecycle;
mod refusals;
mod tools;
