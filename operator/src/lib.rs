//! The operator: Distributions into edges, Invalidations into promises that hold.

pub mod admin;
pub mod authority;
pub mod child;
pub mod clock;
pub mod cluster;
pub mod compile;
pub mod conditions;
pub mod context;
pub mod controllers;
pub mod counters;
pub mod dice;
pub mod distribution;
pub mod edges;
pub mod events;
#[cfg(test)]
mod fake_api;
pub mod finding;
pub mod holds;
pub mod interests;
pub mod invalidation;
pub mod leader;
pub mod metrics;
pub mod names;
pub mod objects;
pub mod pods;
pub mod quantity;
pub mod reference_grant;
pub mod reports;
pub mod run;
pub mod runner;
pub mod server_side_apply;
pub mod setback;
pub mod settings;
pub mod slim;
pub mod surroundings;
pub mod table;
