//! Small configurations for tests.

use edge_contract::{
    Behavior, CONTRACT, EdgeConfig, Epoch, HostHeader, Logging, Origin, OriginTarget, Protocol, Scheme, Site,
};

/// A configuration of these sites.
pub fn config(sites: Vec<Site>) -> EdgeConfig {
    EdgeConfig { contract: CONTRACT, epoch: Epoch(1), revision: 1, sites }
}

/// A site that sends everything to port 9 of this machine.
pub fn site(id: &str) -> Site {
    Site {
        id: id.into(),
        name: format!("default/{id}"),
        generation: 1,
        enabled: true,
        aliases: vec![],
        own_names: vec![],
        protocols: vec![Protocol::HTTP1, Protocol::HTTP2],
        default_root_object: None,
        origins: vec![Origin {
            name: "app".into(),
            target: Some(OriginTarget::Address {
                scheme: Scheme::Http,
                host: "127.0.0.1".into(),
                port: 9,
                server_name: None,
            }),
            base_path: String::new(),
            host_header: HostHeader::Fixed("app.test".into()),
            headers: vec![],
            connect_timeout_ms: 3_000,
            response_timeout_ms: 30_000,
            keep_alive_ms: 60_000,
            attempts: 3,
        }],
        behaviors: vec![behavior("*")],
        trusted_proxies: vec![],
        error_responses: vec![],
        logging: Logging::default(),
    }
}

/// A behavior with every default.
pub fn behavior(path_pattern: &str) -> Behavior {
    Behavior::plain(path_pattern, "app")
}
