//! The one place in the tests that reads a clock, for figures.

use std::time::Instant;

/// This moment, for measuring how long something takes.
#[expect(clippy::disallowed_methods, reason = "this is the clock")]
pub fn now() -> Instant {
    Instant::now()
}
