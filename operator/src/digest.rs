//! A value into a digest by which it is told from others.

use serde::Serialize;
use sha2::{Digest, Sha256};

/// A digest of everything that a value says.
///
/// # Panics
/// Never: what is digested is plain data.
pub fn digest<T: Serialize + ?Sized>(value: &T) -> String {
    let json = serde_json::to_vec(value).unwrap_or_else(|error| unreachable!("a value is plain data: {error}"));
    hex(&Sha256::digest(json))
}

/// Bytes as hexadecimal digits.
fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .filter_map(|digit| char::from_digit(digit.into(), 16))
        .collect()
}
