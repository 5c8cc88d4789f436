//! The caching edge proxy: viewer requests into responses, from its store or from an origin.
//!
//! Modules in the order in which a request meets them: [`listen`] → [`serve`] (head policy, [`route`], [`gate`], [`ask`]) → [`store`] →
//! [`collapse`] → [`fill`] → [`failover`] → [`tier`] or [`forward`] → [`respond`], or [`pass`] in place of the store and fills. Beside that walk stand [`live`]
//! with [`config`] and [`purge`], which the channel to the operator changes, and what runs the process.
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic))]

// Bytes into requests.
pub mod listen;
pub mod viewer;

// Who serves it, and whether.
pub mod ask;
pub mod gate;
pub mod route;
pub mod serve;

// From the store, or from an origin through it.
pub mod coder;
pub mod collapse;
pub mod failover;
pub mod fill;
pub mod forward;
pub mod pass;
pub mod s3;
pub mod secret_fields;
pub mod store;
pub mod tier;
pub mod tunnel;

// Back to the viewer.
pub mod cut_off;
pub mod interim;
pub mod respond;

// What is true right now, and who changes it.
pub mod awaited;
pub mod config;
pub mod control;
pub mod health;
pub mod live;
pub mod mounted;
pub mod mounts;
pub mod narrowed;
pub mod observed;
pub mod peers;
pub mod purge;

// The process around it.
pub mod admin;
pub mod clock;
pub mod drain;
pub mod edge;
pub mod explain;
pub mod metrics;
pub mod process;
pub mod seldom;
pub mod settings;

#[cfg(test)]
mod testing;
