//! Work into how long it takes: the clock of this measurement.

use std::time::{Duration, Instant};

/// So many rounds are measured. The quickest counts: in the others something else had the machine.
const ROUNDS: usize = 20;

/// How long `work` takes.
pub fn measure(mut work: impl FnMut()) -> Duration {
    let round = |_| {
        #[expect(clippy::disallowed_methods, reason = "this is the clock")]
        let began = Instant::now();
        work();
        began.elapsed()
    };
    (0..ROUNDS).map(round).min().unwrap_or_default()
}
