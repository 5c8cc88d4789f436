//! What the tests on real parts share.

pub mod clock;
#[cfg(feature = "cluster")]
pub mod cluster;
pub mod figures;
pub mod origin;
#[cfg(feature = "cluster")]
pub mod product;
#[cfg(feature = "cluster")]
pub mod viewer;
