//! Tests of sandboxes that an ordinary user makes.

mod state;

use crate::lifecycle::lifecycle_tests;

lifecycle_tests!(crate::support::Who::User);
