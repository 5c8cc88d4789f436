//! What the tests on real parts share.

pub mod origin;
