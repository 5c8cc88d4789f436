//! What viewers get in place of errors, as a user lists it, into what edges look up by status.

use crds::distribution;
use edge_contract::ErrorResponse;

use super::behaviors::normal_path;
use super::durations::seconds;

/// By status, so that the order in which they are written makes no new revision.
pub(super) fn compile(given: &[distribution::ErrorResponse]) -> Vec<ErrorResponse> {
    let mut compiled: Vec<_> = given.iter().map(one).collect();
    compiled.sort_by_key(|error| error.code);
    compiled
}

fn one(given: &distribution::ErrorResponse) -> ErrorResponse {
    ErrorResponse {
        code: given.code,
        cache_ttl: seconds(given.cache_ttl.as_ref()),
        path: given.response_path.as_deref().map(normal_path),
        response_code: given.response_code,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn errors_are_sorted_and_their_pages_take_the_form_of_request_paths() {
        let given = json!([
            { "code": 503, "cacheTTL": "1500ms" },
            { "code": 404, "responsePath": "/%7eerrors/%c3%a9.html", "responseCode": 200 },
        ]);
        let given: Vec<distribution::ErrorResponse> = serde_json::from_value(given).expect("error responses");
        let page = Some("/~errors/%C3%A9.html".to_owned());
        assert_eq!(
            compile(&given),
            [
                ErrorResponse { code: 404, cache_ttl: None, path: page, response_code: Some(200) },
                ErrorResponse { code: 503, cache_ttl: Some(1), path: None, response_code: None },
            ]
        );
    }
}
