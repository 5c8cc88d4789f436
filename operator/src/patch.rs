//! Two states of a value into the smallest merge patch (RFC 7396) that leads from one to the other.

use serde::Serialize;
use serde_json::{Map, Value};

/// The patch that makes `after` of `before`; nothing where they are the same.
///
/// Errors: of serialisation, which plain data does not have.
pub fn merge_patch<T: Serialize>(before: &T, after: &T) -> Result<Option<Value>, serde_json::Error> {
    Ok(difference(&serde_json::to_value(before)?, serde_json::to_value(after)?))
}

fn difference(before: &Value, after: Value) -> Option<Value> {
    let (Value::Object(before), Value::Object(mut after)) = (before, after.clone()) else {
        return (*before != after).then_some(after);
    };
    let mut patch = Map::new();
    for (field, old) in before {
        let change = match after.remove(field) {
            None => Some(Value::Null),
            Some(new) => difference(old, new),
        };
        patch.extend(change.map(|change| (field.clone(), change)));
    }
    patch.extend(after);
    (!patch.is_empty()).then_some(Value::Object(patch))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(before: &Value, after: &Value, expect: Option<Value>) {
        assert_eq!(merge_patch(before, after).expect("plain data"), expect);
    }

    #[test]
    fn only_what_differs_is_in_the_patch() {
        check(&json!({ "a": 1 }), &json!({ "a": 1 }), None);
        check(&json!({ "a": 1, "b": 2 }), &json!({ "a": 1, "b": 3 }), Some(json!({ "b": 3 })));
        check(&json!({ "a": 1, "b": 2 }), &json!({ "a": 1 }), Some(json!({ "b": null })));
        check(&json!({}), &json!({ "a": { "b": 1 } }), Some(json!({ "a": { "b": 1 } })));
        check(
            &json!({ "a": { "b": 1, "c": 1 } }),
            &json!({ "a": { "b": 1, "c": 2 } }),
            Some(json!({ "a": { "c": 2 } })),
        );
        check(&json!({ "a": [1, 2] }), &json!({ "a": [1] }), Some(json!({ "a": [1] })));
    }
}
