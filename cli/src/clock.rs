//! The only place of the command line that asks what time it is.

/// The time of day here, to the millisecond.
#[expect(clippy::disallowed_methods, reason = "this is the clock.rs that the lint points to")]
pub fn time_of_day() -> String {
    jiff::Zoned::now().strftime("%H:%M:%S%.3f").to_string()
}
