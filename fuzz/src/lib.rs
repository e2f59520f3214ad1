//! What the fuzz targets have in common. `cargo xtask fuzz` runs them, or `cargo fuzz run` where that is installed.

pub mod conversation;
mod enclosure;
mod input;
mod memory;
pub mod query;
pub mod tree;
pub mod wire;

pub use enclosure::{enter, inside};
pub use input::Input;
pub use memory::peak_of;
