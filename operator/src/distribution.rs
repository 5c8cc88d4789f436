//! A Distribution into edges that serve it: observe, resolve, plan, accept, apply, report.

pub mod observe;
pub mod plan;
pub mod resolve;
pub mod taken;
