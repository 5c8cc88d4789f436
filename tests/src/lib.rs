//! What the tests on real parts share.

pub mod clock;
#[cfg(feature = "cluster")]
pub mod cluster;
#[cfg(feature = "cluster")]
pub mod crowd;
#[cfg(feature = "cluster")]
pub mod deaths;
pub mod figures;
#[cfg(feature = "cluster")]
pub mod operator;
pub mod origin;
#[cfg(feature = "cluster")]
pub mod outages;
#[cfg(feature = "cluster")]
pub mod product;
#[cfg(feature = "cluster")]
pub mod readable;
#[cfg(feature = "cluster")]
pub mod replicas;
#[cfg(feature = "cluster")]
pub mod rolls;
#[cfg(feature = "cluster")]
pub mod viewer;
#[cfg(feature = "cluster")]
pub mod viewers;
