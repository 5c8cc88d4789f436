//! The operator: Distributions into edges, Invalidations into promises that hold.

pub mod cluster;
pub mod distribution;
pub mod finding;
pub mod names;
