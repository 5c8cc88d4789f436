//! What the API refused into what that is worth: a failure, a namespace that ends, an API server that has yet to learn of us, or a
//! look that was out of date.
//!
//! Only a failure is somebody's business. The others are how a cluster works: others write too, definitions are young, namespaces go.

use std::error::Error;

use kube::core::Status;

/// Why a run did not come to its end, the gravest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Setback {
    /// Something that somebody may have to mend.
    Failure,
    /// The namespace is being removed: whatever is missing in it stays so.
    NamespaceEnds,
    /// The API server does not know yet that a Distribution can own anything: for up to half a minute after its definition came, where
    /// owner references are guarded (the admission plugin `OwnerReferencesPermissionEnforcement`).
    OwnerUnknown,
    /// Another write came first, or the object went: the next look sees it.
    Overtaken,
}

/// What that plugin says of a kind that it has not discovered; it gives no cause by which it could be told.
const NO_MAPPING: &str = "cannot find RESTMapping";

/// By which the API server says that nothing is created in a namespace any more.
const TERMINATING: &str = "NamespaceTerminating";

impl Setback {
    /// What an error is, by the first word of the API among its causes.
    pub fn of(error: &(dyn Error + 'static)) -> Self {
        let mut next = Some(error);
        while let Some(cause) = next {
            if let Some(status) = status(cause) {
                return judge(status);
            }
            next = cause.source();
        }
        Self::Failure
    }
}

/// What the API said in the words that it has each time. From which port it spoke with a webhook is another thing in each try: told in
/// a status, that would be written and seen as news again and again. Go says `read tcp 10.0.0.1:43210->10.96.3.4:443: …`.
pub fn without_ports(words: &str) -> String {
    let Some((before, after)) = words.split_once("->") else { return words.to_owned() };
    let host = before.trim_end_matches(|it: char| it.is_ascii_digit());
    let host = host.strip_suffix(':').filter(|_| host.len() < before.len()).unwrap_or(before);
    format!("{host}->{}", without_ports(after))
}

fn judge(status: &Status) -> Setback {
    let details = status.details.as_ref();
    let is_ending = details.is_some_and(|details| details.causes.iter().any(|cause| cause.reason == TERMINATING));
    let missing = details.filter(|_| status.code == 404);
    match status.code {
        403 if is_ending => Setback::NamespaceEnds,
        403 if status.message.contains(NO_MAPPING) => Setback::OwnerUnknown,
        404 if missing.is_some_and(|missing| missing.kind == "namespaces") => Setback::NamespaceEnds,
        // Without a name it is the kind that is unknown: its definition is missing.
        404 if missing.is_some_and(|missing| !missing.name.is_empty()) => Setback::Overtaken,
        409 => Setback::Overtaken,
        _ => Setback::Failure,
    }
}

/// What the API said, if this cause is that.
fn status<'a>(cause: &'a (dyn Error + 'static)) -> Option<&'a Status> {
    let boxed = || cause.downcast_ref::<Box<kube::Error>>().map(|error| &**error);
    match cause.downcast_ref::<kube::Error>().or_else(boxed)? {
        kube::Error::Api(status) => Some(status),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[derive(Debug, thiserror::Error)]
    enum Step {
        #[error("could not write")]
        Write(#[source] kube::Error),
        #[error("could not apply")]
        Apply(#[source] Box<kube::Error>),
    }

    #[track_caller]
    fn check(code: u16, details: Value, expect: Setback) {
        check_message(code, "", details, expect);
    }

    #[track_caller]
    #[expect(clippy::needless_pass_by_value, reason = "reads best with literals")]
    fn check_message(code: u16, message: &str, details: Value, expect: Setback) {
        let said = || {
            let said = json!({"code": code, "message": message, "reason": "", "details": details});
            kube::Error::Api(serde_json::from_value(said).expect("a status"))
        };
        for error in [Step::Write(said()), Step::Apply(Box::new(said()))] {
            assert_eq!(Setback::of(&error), expect, "{code} {details} of {error:?}");
        }
    }

    #[test]
    fn a_conflict_and_an_object_that_went_are_no_failures() {
        check(409, json!({}), Setback::Overtaken);
        check(404, json!({"name": "shop", "kind": "distributions"}), Setback::Overtaken);
    }

    #[test]
    fn a_namespace_that_ends_is_known_by_the_cause_and_one_that_is_gone_by_its_kind() {
        let cause = json!({"reason": "NamespaceTerminating", "field": "metadata.namespace"});
        check(403, json!({"name": "shop", "kind": "deployments", "causes": [cause]}), Setback::NamespaceEnds);
        check(404, json!({"name": "default", "kind": "namespaces"}), Setback::NamespaceEnds);
    }

    #[test]
    fn an_api_server_that_has_not_learned_our_kind_is_known_by_its_words() {
        let details = || json!({"name": "shop-edge", "group": "apps", "kind": "deployments"});
        let message = "deployments.apps \"shop--default\" is forbidden: cannot set blockOwnerDeletion in this case because cannot find \
                       RESTMapping for APIVersion cdn.kubefront.io/v1alpha1 Kind Distribution: no matches for kind";
        check_message(403, message, details(), Setback::OwnerUnknown);
        check_message(400, message, details(), Setback::Failure);
        let no_right =
            "cannot set blockOwnerDeletion if an ownerReference refers to a resource you can't set finalizers on";
        check_message(403, no_right, details(), Setback::Failure);
    }

    #[test]
    fn a_port_that_is_another_each_time_is_not_told() {
        for (said, expect) in [
            ("read tcp 10.0.0.1:43210->10.96.3.4:443: reset", "read tcp 10.0.0.1->10.96.3.4:443: reset"),
            ("read tcp [fd00::1]:43210->[fd00::2]:443: reset", "read tcp [fd00::1]->[fd00::2]:443: reset"),
            ("a:1->b:2: x; c:3->d:4: y", "a->b:2: x; c->d:4: y"),
            ("dial tcp 10.96.3.4:443: refused", "dial tcp 10.96.3.4:443: refused"),
            ("v1->v2", "v1->v2"),
            ("", ""),
        ] {
            assert_eq!(without_ports(said), expect);
        }
    }

    #[test]
    fn all_else_is_a_failure() {
        check(403, json!({"name": "shop", "kind": "deployments"}), Setback::Failure);
        check(404, json!({}), Setback::Failure);
        check(500, json!({}), Setback::Failure);
        assert_eq!(Setback::of(&std::fmt::Error), Setback::Failure);
    }
}
