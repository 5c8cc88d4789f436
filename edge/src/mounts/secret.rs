//! Bytes that are nobody else's business into a value that can be used and never printed.

use std::fmt;
use std::sync::Arc;

/// What a mounted file holds. Clones share it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Arc<[u8]>);

impl Secret {
    /// Keeps these bytes.
    pub fn of(bytes: impl Into<Arc<[u8]>>) -> Self {
        Self(bytes.into())
    }

    /// All of it.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Without the end of its last line, which editors and `echo` add.
    pub fn line(&self) -> &[u8] {
        let all = self.bytes();
        all.strip_suffix(b"\r\n").or_else(|| all.strip_suffix(b"\n")).unwrap_or(all)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_printed() {
        assert_eq!(format!("{:?}", Secret::of(*b"t0p")), "Secret(…)");
    }

    #[test]
    fn the_end_of_the_last_line_is_no_part_of_it() {
        for (held, line) in [("a", "a"), ("a\n", "a"), ("a\r\n", "a"), ("a\n\n", "a\n"), ("a\r", "a\r"), ("\n", "")] {
            assert_eq!(Secret::of(held.as_bytes()).line(), line.as_bytes(), "{held:?}");
        }
    }
}
