//! A `Vary` field and the request that was forwarded into the selecting header fields a later request must match.

use http::{HeaderMap, HeaderName, header};

/// The fields by which a stored response was selected, as its request carried them (RFC 9111 §4.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selecting {
    /// These fields, each with its normalised value; absent only matches absent.
    Fields(Vec<(HeaderName, Option<Vec<u8>>)>),
    /// `Vary: *`: no request ever matches.
    Never,
}

impl Selecting {
    /// Reads `Vary` and remembers what the request, as the origin got it, had in those fields. An unreadable member never matches.
    pub fn of(response: &HeaderMap, forwarded: &HeaderMap) -> Self {
        let mut fields: Vec<(HeaderName, Option<Vec<u8>>)> = Vec::new();
        for line in response.get_all(header::VARY) {
            for member in line.as_bytes().split(|b| *b == b',').map(<[u8]>::trim_ascii).filter(|name| !name.is_empty())
            {
                let Some(name) = HeaderName::from_bytes(member).ok().filter(|_| member != b"*") else {
                    return Self::Never;
                };
                if !fields.iter().any(|(known, _)| *known == name) {
                    let value = normalised(forwarded, &name);
                    fields.push((name, value));
                }
            }
        }
        Self::Fields(fields)
    }

    /// Whether a request, as it would be forwarded, matches. It is asked for only where there is something to compare.
    pub fn matches(&self, forwarded: impl FnOnce() -> HeaderMap) -> bool {
        match self {
            Self::Never => false,
            Self::Fields(fields) if fields.is_empty() => true,
            Self::Fields(fields) => {
                let forwarded = forwarded();
                fields.iter().all(|(name, value)| normalised(&forwarded, name) == *value)
            }
        }
    }
}

/// §4.1: lines combined, and whitespace that the syntax allows removed — inside a value only where it is known to be a list.
fn normalised(headers: &HeaderMap, name: &HeaderName) -> Option<Vec<u8>> {
    let lines: Vec<&[u8]> = headers.get_all(name).iter().map(|value| value.as_bytes().trim_ascii()).collect();
    if lines.is_empty() {
        return None;
    }
    let combined = lines.join(&b","[..]);
    let is_list =
        [header::ACCEPT, header::ACCEPT_CHARSET, header::ACCEPT_ENCODING, header::ACCEPT_LANGUAGE].contains(name);
    if !is_list {
        return Some(lines.join(&b", "[..]));
    }
    let members: Vec<&[u8]> =
        combined.split(|b| *b == b',').map(<[u8]>::trim_ascii).filter(|m| !m.is_empty()).collect();
    Some(members.join(&b","[..]))
}
