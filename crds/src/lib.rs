//! What users may ask for: the types of `cdn.kubefront.io/v1alpha1`, and the `CustomResourceDefinition`s they turn into.
//!
//! The doc comments of the types are what `kubectl explain` prints, so they speak to users. The YAML beside this crate
//! is generated from the types by `make generate`; a test compares.

pub mod condition;
pub mod distribution;
pub mod duration;
pub mod invalidation;
pub mod rules;
pub mod schema;

pub use distribution::{Distribution, DistributionSpec, DistributionStatus};
pub use invalidation::{Invalidation, InvalidationSpec, InvalidationStatus};

/// The group of both kinds, and the prefix of every label and annotation of ours.
pub const GROUP: &str = "cdn.kubefront.io";
