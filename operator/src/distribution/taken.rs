//! The last generation that was taken into a few bytes that the `ConfigMap` keeps, and back.
//!
//! Flow: spec → JSON → gzip → `binaryData`, and the same way back after a restart or an upgrade of the operator.
//! Guarantees: equal specs make equal bytes, so that keeping one writes nothing while nothing changes.
//! Errors: bytes that cannot be read are as if there were none: the next generation that resolves is taken in their place.

use std::io::{Read, Write};

use crds::DistributionSpec;
use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::ConfigMap;
use serde::{Deserialize, Serialize};

use crate::child::is_owned;

/// The key of `binaryData` under which the bytes lie.
pub const KEY: &str = "taken.json.gz";

/// No spec that an API server stores is larger, so nothing larger is read: etcd refuses objects above 1.5 MiB.
const LARGEST: u64 = 4 * 1024 * 1024;

/// A generation of a Distribution that was taken whole.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Taken {
    /// Its number.
    pub generation: i64,
    /// What it asked for.
    pub spec: DistributionSpec,
}

/// Why kept bytes are not a generation.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// The bytes are no gzip, or too many.
    #[error("could not decompress the last taken spec")]
    Decompress(#[source] std::io::Error),
    /// The text is not a spec of this release.
    #[error("could not parse the last taken spec")]
    Parse(#[source] serde_json::Error),
}

impl Taken {
    /// The generation that this `ConfigMap` keeps for the Distribution of this uid, if it keeps one. What a `ConfigMap` of
    /// the same name says that somebody else made is nothing.
    pub fn of(config_map: &ConfigMap, uid: &str) -> Option<Result<Self, Unreadable>> {
        if !is_owned(&config_map.metadata, uid) {
            return None;
        }
        let bytes = config_map.binary_data.as_ref()?.get(KEY)?;
        Some(Self::read(&bytes.0))
    }

    /// As `binaryData` holds it.
    pub fn bytes(&self) -> ByteString {
        let json = serde_json::to_vec(self).unwrap_or_else(|error| unreachable!("a spec is plain data: {error}"));
        let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
        gzip.write_all(&json).unwrap_or_else(|error| unreachable!("a vector takes every byte: {error}"));
        ByteString(gzip.finish().unwrap_or_else(|error| unreachable!("a vector takes every byte: {error}")))
    }

    fn read(bytes: &[u8]) -> Result<Self, Unreadable> {
        let mut json = Vec::new();
        GzDecoder::new(bytes).take(LARGEST).read_to_end(&mut json).map_err(Unreadable::Decompress)?;
        serde_json::from_slice(&json).map_err(Unreadable::Parse)
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};

    use super::*;

    fn taken() -> Taken {
        let spec = serde_json::json!({
            "origins": [{ "name": "app", "service": { "name": "app", "port": 8080 } }],
            "defaultBehavior": { "origin": "app", "cache": { "ttl": { "max": "1h30m" } } },
        });
        Taken { generation: 7, spec: serde_json::from_value(spec).expect("a spec") }
    }

    fn config_map(bytes: ByteString) -> ConfigMap {
        let owner = OwnerReference { controller: Some(true), uid: "u".into(), ..OwnerReference::default() };
        ConfigMap {
            metadata: ObjectMeta { owner_references: Some(vec![owner]), ..ObjectMeta::default() },
            binary_data: Some([(KEY.to_owned(), bytes)].into()),
            ..ConfigMap::default()
        }
    }

    #[test]
    fn a_taken_generation_comes_back_as_it_was() {
        let read = Taken::of(&config_map(taken().bytes()), "u").expect("there").expect("readable");
        assert_eq!(read, taken());
    }

    /// What the first release kept: an operator that is upgraded serves on from it, with the defaults of what it does not say.
    #[test]
    fn a_generation_that_an_older_release_kept_is_read_and_kept_as_it_was() {
        let kept = r#"{"generation":7,"spec":{"type":"Web","enabled":true,"origins":[{"name":"app","service":{"name":"app","port":8080}}],"behaviors":[{"pathPattern":"/img/*","origin":"app","cache":{"key":{"queryStrings":{"mode":"Include","names":["width"]}}}}],"defaultBehavior":{"origin":"app","methods":"ReadOnly","cache":{"ttl":{"max":"1h30m"}}}}}"#;
        let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
        gzip.write_all(kept.as_bytes()).expect("a vector takes every byte");
        let bytes = ByteString(gzip.finish().expect("a vector takes every byte"));
        let read = Taken::of(&config_map(bytes.clone()), "u").expect("there").expect("readable");
        assert_eq!(read.spec.default_behavior.compress, None);
        assert_eq!(
            serde_json::to_string(&read).expect("plain data"),
            kept,
            "and nothing is written because of an upgrade"
        );
        assert_eq!(read.bytes(), bytes);
    }

    #[test]
    fn equal_generations_make_equal_bytes() {
        assert_eq!(taken().bytes(), taken().bytes());
    }

    #[test]
    fn a_generation_is_only_read_from_the_distributions_own_object() {
        assert!(Taken::of(&config_map(taken().bytes()), "another").is_none());
    }

    #[test]
    fn bytes_that_are_no_generation_are_an_error_and_none_are_nothing() {
        assert!(Taken::of(&config_map(ByteString(b"junk".to_vec())), "u").expect("there").is_err());
        assert!(Taken::of(&ConfigMap { binary_data: None, ..config_map(ByteString::default()) }, "u").is_none());
    }
}
