//! Fields of requests and responses into whether they are what fields may be (RFC 9110 §5), as far as the `http` crate does not see to it.

use http::{HeaderMap, HeaderValue};

/// Whether a value begins or ends with white space, which is no part of any (RFC 9110 §5.5). Only a version that does not frame values by
/// white space can say so, and there it makes a message malformed (RFC 9113 §8.2.1).
pub fn has_stray_space(fields: &HeaderMap) -> bool {
    let is_space = |byte: Option<&u8>| byte.is_some_and(|byte| matches!(byte, b' ' | b'\t'));
    fields.values().map(HeaderValue::as_bytes).any(|value| is_space(value.first()) || is_space(value.last()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[test]
    fn white_space_in_a_value_is_its_own_and_around_it_is_stray() {
        for (value, expect) in
            [("a b", false), ("", false), (" a", true), ("a ", true), ("\ta", true), ("a\t", true), (" ", true)]
        {
            let mut fields = testing::fields(&["x: y"]);
            fields.insert("z", HeaderValue::from_str(value).expect("can be said"));
            assert_eq!(has_stray_space(&fields), expect, "{value:?}");
        }
    }
}
