//! Where the crate is known to differ from the law, each with the smallest case: while one of these holds, the law gives way.
//!
//! What is mended goes from here, so that the next run holds the crate to it. Empty is how this file is meant to be.

/// RFC 6585 §3 to §6: responses with 428, 429, 431 and 511 "MUST NOT be stored by a cache". `429` with `max-age=5` is.
pub const STORES_RFC_6585: bool = true;

/// `no-store foo` and `no-cache;x` forbid nothing: a directive without `=` that is followed by what fits no rule is ignored, while
/// `no-store=1 foo` forbids. The law takes a prohibition that it can read for one.
pub const JUNK_HIDES_PROHIBITIONS: bool = true;

/// RFC 9111 §3.5 lets `no-cache, public` be stored though the request had `Authorization`; the crate does not, which is safe.
pub const NEVER_STORES_AUTHORIZED_NO_CACHE: bool = true;

/// RFC 9111 §5.2.1.1: `max-age=1, max-stale=100` asks for nothing older than a second, but `stale-while-revalidate` is served so.
pub const STALE_THOUGH_TOO_OLD: bool = true;

/// Under `setCookie: Store` and a `ttl.min`: a response that sets a cookie and forbids to be stored is not
/// stored, but one that is stored stays with its cookie when a 304 forbids it.
pub const KEEPS_COOKIES_THAT_A_304_FORBIDS: bool = true;
