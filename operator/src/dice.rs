//! The machine's randomness into epochs and jitter.

use edge_contract::Epoch;

/// Epochs are below this, so that every JSON reader keeps them exact.
const EPOCHS: u64 = 1 << 53;

/// A life for counters that no other life shares.
pub fn epoch() -> Result<Epoch, getrandom::Error> {
    Ok(Epoch(getrandom::u64()? % (EPOCHS - 1) + 1))
}

/// A number from 0 to 1, where any will do.
pub fn fraction() -> f64 {
    f64::from(word()) / f64::from(u32::MAX)
}

/// Bits that tell two processes apart.
pub fn word() -> u32 {
    getrandom::u32().unwrap_or_else(|_| std::process::id())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn epochs_are_never_zero_and_never_too_long() {
        for _ in 0..1_000 {
            let epoch = epoch().expect("the machine has randomness");
            assert!((1..EPOCHS).contains(&epoch.0), "{epoch:?}");
        }
        assert_ne!(epoch().expect("one"), epoch().expect("another"));
    }
}
