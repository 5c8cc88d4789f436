//! A bearer token into the pod that holds it, as the API server knows it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use edge_contract::{Hello, TOKEN_AUDIENCE};
use jiff::Timestamp;
use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec, TokenReviewStatus};
use kube::api::{Api, ObjectMeta, PostParams};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::names::{DistributionKey, distribution_of_service_account};

/// How many reviews run at once: after a failover every edge calls within seconds.
const REVIEWS_AT_ONCE: usize = 20;
/// How long a caller waits for its review, the queue included.
const REVIEW_LIMIT: Duration = Duration::from_secs(10);

const POD_NAME: &str = "authentication.kubernetes.io/pod-name";
const POD_UID: &str = "authentication.kubernetes.io/pod-uid";

/// The pod that holds a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The Distribution whose edges run under the token's `ServiceAccount`.
    pub distribution: DistributionKey,
    /// The pod's name.
    pub pod: String,
    /// The pod's uid.
    pub uid: String,
    /// When the token ends, if it says so.
    pub expires: Option<Timestamp>,
}

/// Why a caller is not let in.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The API server does not vouch for the token.
    #[error("the token is not valid for {TOKEN_AUDIENCE}")]
    Token,
    /// The token is not bound to a pod.
    #[error("the token is not bound to a pod")]
    NoPod,
    /// The token is not an edge's.
    #[error("{user} is not the ServiceAccount of a Distribution's edges")]
    NotAnEdge {
        /// The user that the token stands for.
        user: String,
    },
    /// The hello names another pod.
    #[error("the token belongs to another pod than the hello names")]
    OtherPod,
    /// The API server could not be asked.
    #[error("could not create the TokenReview")]
    Review(#[source] kube::Error),
    /// The API server did not answer in time, or too many wait already.
    #[error("the TokenReview took too long")]
    Slow,
}

/// Asks the API server whose token it is.
#[derive(Clone)]
pub struct Reviewer {
    reviews: Api<TokenReview>,
    permits: Arc<Semaphore>,
}

impl Reviewer {
    /// A reviewer that asks through this client.
    pub fn new(client: kube::Client) -> Self {
        Self { reviews: Api::all(client), permits: Arc::new(Semaphore::new(REVIEWS_AT_ONCE)) }
    }

    /// The pod that holds this token.
    pub async fn review(&self, token: &str) -> Result<Identity, Refusal> {
        timeout(REVIEW_LIMIT, self.ask(token)).await.unwrap_or(Err(Refusal::Slow))
    }

    async fn ask(&self, token: &str) -> Result<Identity, Refusal> {
        let _permit = self.permits.acquire().await.map_err(|_| Refusal::Slow)?;
        let review = TokenReview {
            metadata: ObjectMeta::default(),
            spec: TokenReviewSpec { token: Some(token.to_owned()), audiences: Some(vec![TOKEN_AUDIENCE.to_owned()]) },
            status: None,
        };
        let review = self.reviews.create(&PostParams::default(), &review).await.map_err(Refusal::Review)?;
        identify(review.status.unwrap_or_default(), expiry(token))
    }
}

impl Identity {
    /// An edge can speak only for itself.
    pub fn admit(&self, hello: &Hello) -> Result<(), Refusal> {
        if hello.pod == self.pod && hello.uid == self.uid { Ok(()) } else { Err(Refusal::OtherPod) }
    }
}

/// What the API server answered, as the pod it vouches for.
fn identify(status: TokenReviewStatus, expires: Option<Timestamp>) -> Result<Identity, Refusal> {
    // An API server that ignores audiences answers without ours: then the token was meant for somebody else.
    let audiences = status.audiences.unwrap_or_default();
    if status.authenticated != Some(true) || !audiences.iter().any(|audience| audience == TOKEN_AUDIENCE) {
        return Err(Refusal::Token);
    }
    let user = status.user.unwrap_or_default();
    let name = user.username.unwrap_or_default();
    let Some(distribution) = distribution_of(&name) else { return Err(Refusal::NotAnEdge { user: name }) };
    let extra = user.extra.unwrap_or_default();
    let (Some(pod), Some(uid)) = (one(&extra, POD_NAME), one(&extra, POD_UID)) else { return Err(Refusal::NoPod) };
    Ok(Identity { distribution, pod, uid, expires })
}

fn distribution_of(user: &str) -> Option<DistributionKey> {
    let (namespace, service_account) = user.strip_prefix("system:serviceaccount:")?.split_once(':')?;
    Some(DistributionKey::new(namespace, distribution_of_service_account(service_account)?))
}

fn one(extra: &BTreeMap<String, Vec<String>>, key: &str) -> Option<String> {
    match extra.get(key)?.as_slice() {
        [value] if !value.is_empty() => Some(value.clone()),
        _ => None,
    }
}

/// When a token ends by its own words (RFC 7519 §4.1.4), which only the API server's word makes worth anything.
fn expiry(token: &str) -> Option<Timestamp> {
    let payload = BASE64_URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    let claims: serde_json::Value = serde_json::from_slice(&payload).ok()?;
    Timestamp::from_second(claims.get("exp")?.as_i64()?).ok()
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::authentication::v1::UserInfo;

    use super::*;

    fn vouched() -> TokenReviewStatus {
        let extra = [(POD_NAME, "shop--default-1"), (POD_UID, "uid-1")];
        TokenReviewStatus {
            authenticated: Some(true),
            audiences: Some(vec![TOKEN_AUDIENCE.into()]),
            error: None,
            user: Some(UserInfo {
                username: Some("system:serviceaccount:default:shop-edge".into()),
                extra: Some(extra.map(|(key, value)| (key.into(), vec![value.into()])).into()),
                ..UserInfo::default()
            }),
        }
    }

    #[track_caller]
    fn check(change: impl FnOnce(&mut TokenReviewStatus), expect: &str) {
        let mut status = vouched();
        change(&mut status);
        let answer = identify(status, None).map_err(|refusal| refusal.to_string());
        assert_eq!(answer.expect_err("is refused"), expect);
    }

    fn user(status: &mut TokenReviewStatus) -> &mut UserInfo {
        status.user.get_or_insert_default()
    }

    #[test]
    fn an_edge_is_the_pod_that_the_api_server_names() {
        let identity = identify(vouched(), None).expect("is let in");
        assert_eq!(identity.distribution, DistributionKey::new("default", "shop"));
        assert_eq!((identity.pod.as_str(), identity.uid.as_str()), ("shop--default-1", "uid-1"));
    }

    #[test]
    fn everyone_else_is_refused() {
        const TOKEN: &str = "the token is not valid for operator.kubefront";
        check(|s| s.authenticated = Some(false), TOKEN);
        check(|s| s.authenticated = None, TOKEN);
        check(|s| s.audiences = None, TOKEN);
        check(|s| s.audiences = Some(vec!["https://kubernetes.default.svc".into()]), TOKEN);
        check(|s| *s = TokenReviewStatus::default(), TOKEN);
        check(|s| user(s).extra = None, "the token is not bound to a pod");
        check(|s| drop(user(s).extra.get_or_insert_default().remove(POD_UID)), "the token is not bound to a pod");
        check(
            |s| user(s).username = Some("system:serviceaccount:default:shop".into()),
            "system:serviceaccount:default:shop is not the ServiceAccount of a Distribution's edges",
        );
        check(
            |s| user(s).username = Some("shop-edge".into()),
            "shop-edge is not the ServiceAccount of a Distribution's edges",
        );
    }

    #[test]
    fn a_token_says_when_it_ends_or_it_does_not() {
        let token = |payload: &str| format!("e30.{}.sig", BASE64_URL_SAFE_NO_PAD.encode(payload));
        assert_eq!(expiry(&token(r#"{"exp":86400}"#)), Timestamp::from_second(86_400).ok());
        assert_eq!(expiry(&token(r#"{"exp":"soon"}"#)), None);
        assert_eq!(expiry(&token("not json")), None);
        assert_eq!(expiry("opaque"), None);
    }
}
