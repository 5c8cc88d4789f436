//! A bucket as an origin.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::reference::NameReference;

/// A bucket of S3, or of any store that speaks like it. Paths are keys: `/a b.txt` of a viewer is the key `a b.txt`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!self.bucket.contains('..') && !self.bucket.matches('^[0-9]+[.][0-9]+[.][0-9]+[.][0-9]+$') && !self.bucket.startsWith('xn--')")
        .message("bucket must not look like an address, begin with xn-- or hold two dots in a row").field_path(".bucket"),
    validation = Rule::new("!self.bucket.endsWith('--x-s3') && !self.bucket.endsWith('.mrap')")
        .message("directory buckets and multi-region access points are asked in another way, which edges do not know").field_path(".bucket"),
    validation = Rule::new("!has(self.prefix) || !self.prefix.matches('(^|/)[.][.]?(/|$)')")
        .message("prefix must not hold . or .. as a part").field_path(".prefix")
)]
pub struct S3Origin {
    /// The bucket's name. Example: `shop-assets`.
    #[schemars(length(min = 3, max = 63), regex(pattern = r"^[a-z0-9][-.a-z0-9]*[a-z0-9]$"))]
    pub bucket: String,
    /// The region that it is in, which requests are signed for. Example: `eu-west-1`.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub region: String,
    /// Where the store is, if it is not Amazon's of the region: http or https, a host and an optional port. Example:
    /// `https://minio.example.com:9000`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 512),
        regex(pattern = r"^https?://([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?/?$")
    )]
    pub endpoint: Option<String>,
    /// The folder whose keys are served, without a leading slash: with `public/`, the path `/a.txt` is the key `public/a.txt`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512), regex(pattern = r"^([^/\x00-\x1f\x7f]+/)*[^/\x00-\x1f\x7f]+/?$"))]
    pub prefix: Option<String>,
    /// Where the bucket's name stands: `Virtual` in the host name, `Path` as the first part of the path. Default: `Virtual` with
    /// Amazon's own endpoint, unless the name holds a dot, which its certificate does not cover; `Path` with another endpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Addressing")]
    pub addressing: Option<Addressing>,
    /// A Secret with the keys `accessKeyId`, `secretAccessKey` and, for one that is lent, `sessionToken`: requests are signed with it.
    /// Without it they are not: the bucket must be public.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials_secret_ref: Option<NameReference>,
}

/// Where the bucket's name stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Addressing {
    /// In the host name.
    Virtual,
    /// In the path.
    Path,
}
