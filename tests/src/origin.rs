//! Turns requests into answers as an origin would, well-behaved or not, and numbers every read.
//!
//! Every request that may be cached gets the next **arrival number** the moment its head arrives, shown in `X-Read`
//! and in the body: a copy that a cache revived shows an old number, however fresh it claims to be.
//!
//! | path | answers |
//! |---|---|
//! | `/content` with PUT or POST | takes the body as the new content version |
//! | `/bytes/N` | N bytes; `?chunked` leaves the length out |
//! | `/headers` | the request as it arrived |
//! | `/status/503` | that status |
//! | `/etag` | an honest `ETag`, 304 when it matches |
//! | `/always-304` | 304 to every conditional request, whatever the content is now |
//! | `/slow?ms=N` | after N milliseconds |
//! | `/hold/NAME` | once `/release/NAME` was called on the admin port; `/hold-body/NAME` holds the second half of the body |
//! | `/reset` | a TCP reset in place of an answer; `/close` ends the connection without one |
//! | `/lying-length?more`, `?less` | a `Content-Length` above or below what follows |
//! | `/truncated-chunked` | a chunked body without its end |
//! | `/not-http` | a greeting of another protocol |
//! | anything else | the content version and the arrival number |
//!
//! On every path `?max-age=60`, `?no-store` and `?header=Name:value` (repeatable) shape the head.
//! Over TLS the same is said to whoever proves itself.
//! The admin port has `/content` too, `/count` (`?of=/path`: reads of one path), `/waiting/NAME`, `/release/NAME`, `/readyz`.

mod admin;
mod answer;
mod fault;
mod listen;
mod secure;
mod state;

pub use listen::{Origin, Settings};
pub use secure::Secure;
