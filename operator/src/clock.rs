//! The only place of the operator that asks what time it is; everything else is told.

use jiff::Timestamp;
use tokio::time::Instant;

/// This moment on the machine's own clock, which never goes back: for leases, silences and "since when".
///
/// It is tokio's, so that a test that pauses the runtime's clock pauses this one too.
#[expect(clippy::disallowed_methods, reason = "this is the clock.rs that the lint points to")]
pub fn monotonic() -> Instant {
    Instant::now()
}

/// What the machine believes the date to be: only for what people and certificates read. Wall clocks of two machines are
/// never compared.
#[expect(clippy::disallowed_methods, reason = "this is the clock.rs that the lint points to")]
pub fn wall() -> Timestamp {
    Timestamp::now()
}
