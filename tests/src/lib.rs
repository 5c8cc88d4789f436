//! What the tests on real parts share.

#[cfg(feature = "cluster")]
pub mod cluster;
pub mod origin;
#[cfg(feature = "cluster")]
pub mod product;
#[cfg(feature = "cluster")]
pub mod viewer;
