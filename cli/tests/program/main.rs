//! The program itself, as a person runs it: manifests and flags in, responses, lines and an exit status out.

mod conditions;
mod dev;
mod examples;
mod explain;
mod folder;
mod invalidations;
mod listing;
mod mounted;
mod process;
mod render;
mod spoken;
