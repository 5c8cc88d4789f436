//! The operator: Distributions into edges, Invalidations into promises that hold.

pub mod authority;
pub mod child;
pub mod clock;
pub mod cluster;
pub mod compile;
pub mod conditions;
pub mod counters;
pub mod distribution;
pub mod edges;
pub mod finding;
pub mod holds;
pub mod leader;
pub mod names;
pub mod objects;
pub mod quantity;
