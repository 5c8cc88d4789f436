//! What is mounted for an origin's own header fields into the head of a request that is about to be sent to it.
//!
//! Nothing before this step has the values: not what is keyed, compared, explained or logged.

use edge_contract::{Origin, OriginHeaderValue};
use http::{HeaderMap, HeaderName};

use crate::mounts::{Mounts, Unusable};

/// Sets them over what a viewer sent. An origin that is to have a value which is not there is not asked without it.
pub fn set(headers: &mut HeaderMap, origin: &Origin, mounts: &Mounts) -> Result<(), Unusable> {
    for field in &origin.headers {
        let OriginHeaderValue::ValueFrom(file) = &field.value else { continue };
        let Ok(name) = HeaderName::try_from(&field.name) else { continue };
        headers.insert(name, mounts.field_value(file)?);
    }
    Ok(())
}
