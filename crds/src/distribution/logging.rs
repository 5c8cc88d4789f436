//! What edges write of each request.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What edges write of each request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Logging {
    /// Whether each request becomes one line of JSON on the edge's standard output, as `kubectl logs` shows it. Default: true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "bool", default = "on")]
    pub access: Option<bool>,
    /// Whether that line holds the viewer's cookies, which may be all that it takes to be that viewer. Default: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "bool", default = "off")]
    pub include_cookies: Option<bool>,
}

#[expect(clippy::unnecessary_wraps, reason = "the default of an optional field is an option")]
fn on() -> Option<bool> {
    Some(true)
}

#[expect(clippy::unnecessary_wraps, reason = "the default of an optional field is an option")]
fn off() -> Option<bool> {
    Some(false)
}
