//! What the tests on real parts share.

#[cfg(feature = "cluster")]
pub mod cluster;
pub mod origin;
