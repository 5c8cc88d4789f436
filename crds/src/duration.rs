//! The text of a duration (`30s`, `1h30m`, Gateway API's grammar) into a length of time, and back.

use std::{fmt, str::FromStr, time::Duration as Length};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// A length of time as users write it: up to four whole numbers, each with its unit `h`, `m`, `s` or `ms` (GEP-2257).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Duration(String);

/// A text that is not a duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a duration such as 30s, 500ms or 1h30m")]
pub struct NotADuration(String);

/// The same grammar for the API server.
const PATTERN: &str = "^([0-9]{1,5}(h|m|s|ms)){1,4}$";

impl Duration {
    /// The length of time. The API server refuses what does not parse, so an error means an object stored before a schema
    /// change, or a manifest that no server has seen.
    pub fn length(&self) -> Result<Length, NotADuration> {
        let refused = || NotADuration(self.0.clone());
        let mut total = Length::ZERO;
        let mut rest = self.0.as_str();
        for _ in 0..4 {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            let (number, tail) = rest.split_at(digits);
            if digits == 0 || digits > 5 {
                return Err(refused());
            }
            let number: u64 = number.parse().map_err(|_| refused())?;
            // `ms` before `m`: the longer unit begins with the shorter one.
            let (unit, tail) = [("ms", 1), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)]
                .into_iter()
                .find_map(|(unit, millis)| tail.strip_prefix(unit).map(|tail| (millis, tail)))
                .ok_or_else(refused)?;
            total += Length::from_millis(number * unit);
            rest = tail;
            if rest.is_empty() {
                return Ok(total);
            }
        }
        Err(refused())
    }
}

impl FromStr for Duration {
    type Err = NotADuration;

    fn from_str(text: &str) -> Result<Self, NotADuration> {
        let duration = Self(text.to_owned());
        duration.length().map(|_| duration)
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl JsonSchema for Duration {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "maxLength": 32, "pattern": PATTERN })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expect: Option<u64>) {
        assert_eq!(Duration(text.into()).length().ok(), expect.map(Length::from_millis), "{text}");
    }

    #[test]
    fn durations_are_gateway_apis() {
        check("30s", Some(30_000));
        check("1h30m", Some(5_400_000));
        check("500ms", Some(500));
        check("1m500ms", Some(60_500));
        check("8760h", Some(31_536_000_000));
        check("0s", Some(0));
        for wrong in ["", "30", "s", "1.5s", "-1s", "1d", "1s1s1s1s1s", "100000s", " 1s"] {
            check(wrong, None);
        }
    }
}
