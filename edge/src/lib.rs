//! The caching edge proxy: viewer requests into responses, from its store or from an origin.
//!
//! Modules in the order in which a request meets them.

pub mod clock;
pub mod live;
pub mod settings;
