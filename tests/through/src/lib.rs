//! The edge's own program between clients and servers that nobody here wrote.

pub mod peers;
pub mod program;
