//! The whole edge against scripted origins, over real sockets: each test is a sentence about what a viewer or an origin sees.

mod edge;
mod frames;
mod origin;
mod program;

mod attempts;
mod bodies;
mod caching;
mod collapsing;
mod compression;
mod configuration;
mod deception;
mod draining;
mod epochs;
mod error_pages;
mod expectations;
mod failures;
mod freshening;
mod headers;
mod https;
mod letter;
mod logging;
mod metrics;
mod owners;
mod interim;
mod lying_http2;
mod lying_origins;
mod lying_viewers;
mod patience;
mod poison;
mod protocols;
mod purging;
mod ranges;
mod storing;
mod wishes;
mod writes;
