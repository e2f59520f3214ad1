//! The built-in extensions.
