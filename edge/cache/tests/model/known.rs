//! Where the crate is known to differ from the law, each with the smallest case: while one of these holds, the law gives way.
//!
//! What is mended goes from here, so that the next run holds the crate to it. Empty is how this file is meant to be.

/// RFC 9111 §3.5 lets `no-cache, public` be stored though the request had `Authorization`; the crate does not, which is safe.
pub const NEVER_STORES_AUTHORIZED_NO_CACHE: bool = true;
