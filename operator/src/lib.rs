//! The operator: Distributions into edges, Invalidations into promises that hold.
//!
//! To be read from the bottom up: no file imports one that imports it, its own parts aside. Of [`distribution`] and [`invalidation`] what is
//! `observed` and `resolved` stands with the values, what is decided and remembered below the [`context`], and each step above it.

// Values.
pub mod causes;
pub mod child;
pub mod clock;
pub mod cluster;
pub mod dice;
pub mod digest;
pub mod finding;
pub mod names;
pub mod pods;
pub mod quantity;
pub mod reference_grant;
pub mod reports;
pub mod setback;
pub mod settings;
pub mod slim;
pub mod wake;

// Decisions.
pub mod compile;
pub mod conditions;
pub mod counters;
pub mod holds;
pub mod objects;

// What is known, and the ways to the API, to edges and to people.
pub mod admin;
pub mod authority;
pub mod edges;
pub mod events;
pub mod interests;
pub mod leader;
pub mod metrics;
pub mod server_side_apply;
pub mod stores;
pub mod surroundings;
pub mod table;

// What drives all of it.
pub mod context;
pub mod controllers;
pub mod distribution;
pub mod invalidation;
pub mod run;
pub mod runner;

#[cfg(test)]
mod fake_api;
