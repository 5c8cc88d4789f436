//! An edge before a bucket into what S3 servers that nobody here wrote make of what it sends.

pub mod bucket;
pub mod keys;
