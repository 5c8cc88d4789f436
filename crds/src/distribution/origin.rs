//! Where content comes from: an origin's address, and how it is spoken to.

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{origin_tls::OriginTls, reference::SecretKeyReference, s3_origin::S3Origin};
use crate::{duration::Duration, rules::within, schema::service_port};

/// A Service, an Ingress, any web server or a bucket, and how it is asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("[has(self.service), has(self.ingress), has(self.url), has(self.s3)].filter(given, given).size() == 1")
        .message("give exactly one of service, ingress, url and s3"),
    validation = Rule::new("!has(self.s3) || !has(self.hostHeader) || self.hostHeader.mode == 'Origin'")
        .message("a bucket is asked by its own name, which is signed: leave out hostHeader").field_path(".hostHeader"),
    validation = Rule::new("!has(self.tls) || !(has(self.url) && self.url.startsWith('http:') || has(self.s3) && has(self.s3.endpoint) && self.s3.endpoint.startsWith('http:'))")
        .message("tls goes with an https url").field_path(".tls"),
    validation = within("connectTimeout", "1s", "10s"),
    validation = within("responseTimeout", "1s", "180s"),
    validation = within("keepAlive", "1s", "300s")
)]
pub struct Origin {
    /// The name that behaviors refer to. Example: `app`.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,

    /// A Service, of this namespace or of one that lets Distributions of this one name its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<ServiceReference>,

    /// An Ingress of the same namespace: edges ask the addresses of its load balancer, with its Host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ingress: Option<IngressReference>,

    /// Any web server: a load balancer, a virtual machine, a server on premises. http or https, a host, an optional port
    /// and base path; no user, query or fragment. A name is looked up as it stands. Examples:
    /// `https://legacy.example.com/base`, `http://10.20.30.40:8080`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 2048),
        regex(pattern = r"^https?://([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?(/[^?#\s\\]*)?$")
    )]
    pub url: Option<String>,

    /// A bucket of S3, or of any store that speaks like it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub s3: Option<S3Origin>,

    /// A path that is put before every path which the origin is asked for. Example: `/public`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255), regex(pattern = r"^/[A-Za-z0-9._~!$&'()*+,;=:@%/-]*$"))]
    pub path: Option<String>,

    /// Which `Host` the origin is sent. Default: its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_header: Option<HostHeader>,

    /// Header fields set on every request to the origin, over those of the viewer. At most 30.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 30))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub headers: Vec<OriginHeader>,

    /// How TLS is spoken with the origin. Where it is set, TLS is spoken: also with a Service whose port does not say so, and with an
    /// Ingress that has no certificate for its Host. Example: `{caConfigMapRef: {name: company-ca}}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<OriginTls>,

    /// How long one connection attempt may take, from 1s to 10s. Default: 3s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connect_timeout: Option<Duration>,

    /// How long the origin may take to answer, and then between two pieces of the body, from 1s to 180s. Default: 30s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_timeout: Option<Duration>,

    /// How long an idle connection to the origin is kept, from 1s to 300s. Default: 60s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_alive: Option<Duration>,

    /// Connection attempts, the first included, before the origin counts as unreachable. Default: 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 3))]
    pub attempts: Option<u32>,

    /// The location whose edges ask this origin for the edges of all locations, which ask them for what they have not stored: so the
    /// origin is asked once for all. While none of them can be asked, each edge asks the origin by itself. Default: each edge asks by
    /// itself. Example: `{location: eu-west}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shield: Option<OriginShield>,
}

/// The location whose edges ask an origin for all others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OriginShield {
    /// The name of one of `locations`; `default` where the Distribution names none. Example: `eu-west`.
    #[schemars(length(min = 1, max = 20))]
    pub location: String,
}

/// A Service, of this namespace or another one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceReference {
    /// The Service's name.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,
    /// Its namespace, if it is another one. That namespace must hold a `ReferenceGrant` of the Gateway API from `Distribution`
    /// (group `cdn.kubefront.io`) of this namespace to the Service. Example: `team-b`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub namespace: Option<String>,
    /// A port of the Service, by number or name. Examples: `8080`, `http`. It is spoken to as its `appProtocol` says: `https` is TLS,
    /// with a certificate for `NAME.NAMESPACE.svc`, `kubernetes.io/h2c` is HTTP/2 without TLS; else it is HTTP/1.1.
    #[schemars(schema_with = "service_port")]
    #[x_kube(
        validation = Rule::new("type(self) == int ? self >= 1 && self <= 65535 : string(self).matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$') && string(self).matches('[a-z]') && size(string(self)) <= 63")
            .message("port must be a number from 1 to 65535, without quotes, or the name of a port of the Service")
    )]
    pub port: ServicePort,
}

/// The port of a Service, by number or name.
pub type ServicePort = IntOrString;

/// An Ingress of the same namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct IngressReference {
    /// The Ingress's name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// The Host to send. Default: the host of its first rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")
    )]
    pub host: Option<String>,
}

/// Which `Host` an origin is sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("(self.mode == 'Fixed') == has(self.value)").message("value goes with mode Fixed, and only with it")
)]
pub struct HostHeader {
    /// Origin: the origin's own name. Viewer: what the viewer asked for, which then is part of the cache key. Fixed: the
    /// one in `value`.
    pub mode: HostHeaderMode,
    /// The Host to send with mode Fixed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 260), regex(pattern = r"^([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?$"))]
    pub value: Option<String>,
}

/// Which `Host` an origin is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum HostHeaderMode {
    /// The origin's own name.
    Origin,
    /// The viewer's.
    Viewer,
    /// A fixed one.
    Fixed,
}

/// A header field set on every request to an origin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!(self.name.lowerAscii() in ['host', 'connection', 'content-length', 'transfer-encoding', 'te', 'trailer', 'upgrade', 'expect', 'keep-alive', 'proxy-connection', 'via', 'cdn-loop', 'range', 'if-range', 'if-match', 'if-none-match', 'if-modified-since', 'if-unmodified-since'])")
        .message("this field belongs to the edge; for Host use hostHeader").field_path(".name"),
    validation = Rule::new("has(self.value) != has(self.secretKeyRef)").message("give exactly one of value and secretKeyRef")
)]
pub struct OriginHeader {
    /// The field's name, not case-sensitive.
    #[schemars(length(min = 1, max = 128), regex(pattern = r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$"))]
    pub name: String,
    /// The field's value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 4096), regex(pattern = r"^([!-~]([ \t!-~]*[!-~])?)?$"))]
    pub value: Option<String>,
    /// The value, out of a Secret of this namespace that edges mount. It may change at any time; while it is missing, requests to
    /// the origin are answered with 503. Example: `{name: shop-token, key: token}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_key_ref: Option<SecretKeyReference>,
}
