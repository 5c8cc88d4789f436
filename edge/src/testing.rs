//! Small configurations for tests.

use edge_contract::{Behavior, EdgeConfig, Epoch, Origin, OriginTarget, Scheme, Site, Walls};

/// A configuration of these sites.
pub fn config(sites: Vec<Site>) -> EdgeConfig {
    EdgeConfig::of(Epoch(1), 1, sites)
}

/// A site that sends everything to port 9 of this machine.
pub fn site(id: &str) -> Site {
    let nowhere = OriginTarget::Address { scheme: Scheme::Http, host: "127.0.0.1".into(), port: 9 };
    Site {
        origins: vec![Origin::plain("app", "app.test").at(nowhere)],
        behaviors: vec![behavior("*")],
        walls: Walls { local_origins: true, ..Walls::default() },
        ..Site::plain(id, format!("default/{id}"))
    }
}

/// A behavior with every default.
pub fn behavior(path_pattern: &str) -> Behavior {
    Behavior::plain(path_pattern, "app")
}
