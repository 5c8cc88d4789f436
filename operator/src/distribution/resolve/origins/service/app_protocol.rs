//! The `appProtocol` of a Service's port into what is spoken there.
//!
//! Names without a prefix are those of IANA's registry (RFC 6335 §5.1: in any case), those that begin with `kubernetes.io/` are
//! Kubernetes's own (KEP-3726). All others mean what whoever made them says, so they are no reason to refuse a port: it is asked in
//! HTTP/1.1, as one that says nothing.

use edge_contract::Scheme;

/// Registered names of what is asked for content by mistake, and names that the same servers go by though nobody registered them.
const NO_HTTP: [&str; 38] = [
    "amqp",
    "amqps",
    "cassandra",
    "domain",
    "domain-s",
    "ftp",
    "ftps",
    "imap",
    "imaps",
    "kafka",
    "ldap",
    "ldaps",
    "memcache",
    "memcached",
    "mongo",
    "mongodb",
    "mqtt",
    "ms-sql-s",
    "mysql",
    "mysqlx",
    "nats",
    "nfs",
    "ntp",
    "pop3",
    "pop3s",
    "postgres",
    "postgresql",
    "redis",
    "rtmp",
    "rtsp",
    "secure-mqtt",
    "sip",
    "sips",
    "smtp",
    "ssh",
    "submission",
    "submissions",
    "telnet",
];

/// What is spoken; nothing where that is known not to be HTTP.
pub(super) fn scheme(app_protocol: &str) -> Option<Scheme> {
    if app_protocol.contains('/') {
        return Some(match app_protocol {
            "kubernetes.io/h2c" => Scheme::H2c,
            "kubernetes.io/wss" => Scheme::Https,
            // WebSocket begins as HTTP/1.1 (RFC 6455 §4).
            _ => Scheme::Http,
        });
    }
    let name = app_protocol.to_ascii_lowercase();
    match name.as_str() {
        "https" => Some(Scheme::Https),
        // gRPC has no other form than HTTP/2.
        "grpc" => Some(Scheme::H2c),
        name => (!NO_HTTP.contains(&name)).then_some(Scheme::Http),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_spoken_to_as_its_app_protocol_says() {
        for (app_protocol, expect) in [
            ("http", Some(Scheme::Http)),
            ("HTTP", Some(Scheme::Http)),
            ("https", Some(Scheme::Https)),
            ("grpc", Some(Scheme::H2c)),
            ("kubernetes.io/h2c", Some(Scheme::H2c)),
            ("kubernetes.io/ws", Some(Scheme::Http)),
            ("kubernetes.io/wss", Some(Scheme::Https)),
            ("postgresql", None),
            ("MongoDB", None),
            ("kafka", None),
        ] {
            assert_eq!(scheme(app_protocol), expect, "{app_protocol}");
        }
    }

    #[test]
    fn what_nobody_registered_refuses_nothing() {
        for unknown in ["example.com/redis", "kubernetes.io/later", "shop-api", ""] {
            assert_eq!(scheme(unknown), Some(Scheme::Http), "{unknown}");
        }
    }
}
