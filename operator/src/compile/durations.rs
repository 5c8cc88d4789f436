//! Durations as users write them into whole seconds and milliseconds. `resolve` has refused what is none.

use crds::duration::Duration;

/// Rounded down: nothing is kept longer than was said.
pub(super) fn seconds(given: Option<&Duration>) -> Option<u64> {
    given.and_then(|given| given.length().ok()).map(|length| length.as_secs())
}

/// `default` where nothing is given.
pub(super) fn milliseconds(given: Option<&Duration>, default: u64) -> u64 {
    let length = given.and_then(|given| given.length().ok());
    length.map_or(default, |length| u64::try_from(length.as_millis()).unwrap_or(u64::MAX))
}
