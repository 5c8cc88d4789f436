//! A request, a response and a policy into what to do with them: every decision of the edge, as values.
//!
//! Flow: [`head`] and [`path`] make a viewer's request fit to be looked at, [`arrival`] takes out what must not count, [`key`] names
//! what it asks for, [`invalidation`] says whether a stored response may still be used, [`reuse`] what to do with it, [`forwarding`] what
//! an origin is sent, [`s3`] what a bucket is asked, [`answer`] whether a response can be trusted, [`trailers`] what may stand behind a
//! body, [`storing`] whether it is kept, [`validation`] what a 304 does, [`range`] and [`partial`] which bytes of it are sent,
//! [`overwriting`] what a write makes void, [`error_pages`], [`coding`], [`response_headers`] and [`cors`] how it is shown,
//! [`cache_status`] how all of it is told.
//! Guarantees: synchronous, no clock, no store, no socket, no panic on any input; the same arguments give the same verdict.
//! Assumptions: `now` is a [`Moment`] of one process; header fields are those that `http` accepts.
//! Errors: what an edge must refuse is a value with a status and a reason ([`Refusal`]); nothing else fails.
//!
//! The laws are RFC 9110, 9111, 9211 and 9213; above them stands the owner's [`Policy`]. Clauses are cited beside the lines that obey.
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

pub mod answer;
pub mod arrival;
pub mod breaker;
pub mod cache_status;
pub mod carrying;
pub mod choice;
pub mod coding;
pub mod controls;
pub mod cookies;
pub mod cors;
pub mod date;
pub mod directives;
pub mod error_pages;
pub mod explain;
pub mod fields;
pub mod forwarding;
pub mod freshening;
pub mod freshness;
pub mod head;
pub mod hops;
pub mod invalidation;
pub mod key;
pub mod max_forwards;
pub mod overwriting;
pub mod partial;
pub mod path;
pub mod pattern;
pub mod policy;
pub mod proxies;
pub mod query;
pub mod range;
pub mod response_headers;
pub mod reuse;
pub mod s3;
pub mod stored;
pub mod storing;
pub mod terms;
#[cfg(test)]
mod testing;
pub mod tier;
pub mod trailers;
pub mod upgrade;
pub mod validation;
pub mod vary;

pub use cache_status::CacheStatus;
pub use controls::Controls;
pub use freshness::{Lifetime, Moment, Received};
pub use head::Refusal;
pub use invalidation::{Admission, Label, Ledger};
pub use key::CacheKey;
pub use path::NormalPath;
pub use policy::Policy;
pub use reuse::Reuse;
pub use stored::Stored;
pub use storing::Storing;
