//! The operator: Distributions into edges, Invalidations into promises that hold.

pub mod child;
pub mod cluster;
pub mod compile;
pub mod conditions;
pub mod distribution;
pub mod finding;
pub mod names;
pub mod quantity;
