//! How TLS is spoken with an origin.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::reference::NameReference;

/// How TLS is spoken with an origin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!(has(self.caSecretRef) && has(self.caConfigMapRef))")
        .message("give caSecretRef or caConfigMapRef, not both"),
    validation = Rule::new("!(has(self.insecureSkipVerify) && self.insecureSkipVerify) || !(has(self.caSecretRef) || has(self.caConfigMapRef))")
        .message("with insecureSkipVerify nothing is verified, so there is nothing to verify by: leave out the authority, or verify")
)]
pub struct OriginTls {
    /// A Secret with the certificates of the authorities that are trusted, as PEM under the key `ca.crt`. Default: the public ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_secret_ref: Option<NameReference>,
    /// A `ConfigMap` with them, under the same key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_config_map_ref: Option<NameReference>,
    /// The name that the origin's certificate must be for, which is also sent as SNI. Default: the host of the url, the Host of an
    /// Ingress, `NAME.NAMESPACE.svc` of a Service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = r"^[A-Za-z0-9]([-A-Za-z0-9]*[A-Za-z0-9])?(\.[A-Za-z0-9]([-A-Za-z0-9]*[A-Za-z0-9])?)*$")
    )]
    pub server_name: Option<String>,
    /// A Secret with what edges prove themselves by: the keys `tls.crt` and `tls.key`, as of type `kubernetes.io/tls`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_certificate_secret_ref: Option<NameReference>,
    /// True: whoever answers is believed to be the origin. Anybody between an edge and the origin can then read and change
    /// everything. Default: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub insecure_skip_verify: Option<bool>,
}
