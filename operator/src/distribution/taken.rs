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
    /// The generation that this `ConfigMap` keeps, if it keeps one.
    pub fn of(config_map: &ConfigMap) -> Option<Result<Self, Unreadable>> {
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
    use super::*;

    fn taken() -> Taken {
        let spec = serde_json::json!({
            "origins": [{ "name": "app", "service": { "name": "app", "port": 8080 } }],
            "defaultBehavior": { "origin": "app", "cache": { "ttl": { "max": "1h30m" } } },
        });
        Taken { generation: 7, spec: serde_json::from_value(spec).expect("a spec") }
    }

    fn config_map(bytes: ByteString) -> ConfigMap {
        ConfigMap { binary_data: Some([(KEY.to_owned(), bytes)].into()), ..ConfigMap::default() }
    }

    #[test]
    fn a_taken_generation_comes_back_as_it_was() {
        let read = Taken::of(&config_map(taken().bytes())).expect("there").expect("readable");
        assert_eq!(read, taken());
    }

    #[test]
    fn equal_generations_make_equal_bytes() {
        assert_eq!(taken().bytes(), taken().bytes());
    }

    #[test]
    fn bytes_that_are_no_generation_are_an_error_and_none_are_nothing() {
        assert!(Taken::of(&config_map(ByteString(b"junk".to_vec()))).expect("there").is_err());
        assert!(Taken::of(&ConfigMap::default()).is_none());
    }
}
