//! What went wrong on the way to an origin into the status and the word that a viewer gets for it.

use std::time::Duration;

use edge_cache::answer::Distrust;
use edge_cache::breaker::Tried;
use edge_cache::s3::NoObject;
use h2::Reason;
use http::{HeaderValue, StatusCode};
use rustls::AlertDescription;
use thiserror::Error;

use super::body::BodyError;
use super::connect::ConnectError;
use super::resolve::ResolveError;
use super::tls::{self, TlsError};
use crate::mounts::Unusable;

/// Within so many seconds, a pod that starts is often ready, and known to be.
const POD_STARTS: HeaderValue = HeaderValue::from_static("5");

/// The word for a request that was lost with the edge that was asked.
const LOST: &str = "shield-lost";

/// The words for why an origin gave none, as edges say them to one another.
const WORDS: [&str; 22] = [
    "origin-missing",
    "origin-invalid",
    "origin-secret",
    "origin-breaker-open",
    "origin-unresolved",
    "origin-forbidden",
    "origin-no-endpoints",
    "origin-connect-timeout",
    "origin-certificate",
    "origin-client-certificate",
    "origin-tls",
    "origin-connect",
    "origin-timeout",
    "origin-not-http",
    "origin-head-too-large",
    "origin-reset",
    "origin-framing",
    "origin-304-unasked",
    "origin-206-unasked",
    "origin-body",
    "origin-no-upgrade",
    "s3-wrong-region",
];

/// Why an origin gave no answer.
#[derive(Debug, Error)]
pub enum ForwardError {
    /// What the origin names does not exist yet.
    #[error("the origin does not exist")]
    NoTarget,
    /// What it is said to be can be none, in the operator's words.
    #[error("{0}")]
    Invalid(String),
    /// A value that is mounted for it is missing or of no use.
    #[error(transparent)]
    Mounted(#[from] Unusable),
    /// TLS cannot be spoken with it from here.
    #[error("TLS cannot be spoken with it")]
    Tls(#[source] TlsError),
    /// It is not asked, because nobody was there lately.
    #[error("the origin has not answered lately")]
    BreakerOpen,
    /// It has no address.
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    /// No origin may be at any of its addresses.
    #[error("it leads to {0}, which no origin may have")]
    Forbidden(&'static str),
    /// It is a Service, and none of its pods is ready.
    #[error("none of the Service's pods is ready")]
    NoEndpoints,
    /// None of its addresses took a connection.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// No response head came in time.
    #[error("no response head within {0:?}")]
    HeadTimedOut(Duration),
    /// The connection failed, or what came is not HTTP.
    #[error("the exchange with the origin failed")]
    Exchange(#[source] ExchangeError),
    /// Its head has two opinions on where the body ends, or none that is understood.
    #[error(transparent)]
    Distrust(#[from] Distrust),
    /// It answered 304 to a request without a condition: there is nothing that this could mean.
    #[error("304 to a request without a condition")]
    UnaskedNotModified,
    /// It answered 206 to a request without a range (RFC 9110 §15.3.7): whoever asked for all of it would take a part for that.
    #[error("206 to a request without a range")]
    UnaskedPartial,
    /// The path names no object of a bucket.
    #[error(transparent)]
    NoObject(#[from] NoObject),
    /// S3 sends us to another endpoint, which is not the one that was configured.
    #[error("the bucket is at another endpoint")]
    Elsewhere,
    /// Another edge asked it, and says that it gave no answer.
    #[error("the edge that stands before it had no answer: {detail}")]
    Shielded {
        /// The status for a viewer when nothing stands in.
        status: StatusCode,
        /// Its word for it.
        detail: &'static str,
        /// When asking again may be worth it.
        retry_after: Option<HeaderValue>,
    },
    /// The target is nothing that can be asked for.
    #[error("the target is not legal")]
    Target,
    /// HTTP/2 is spoken there, from which nobody switches (RFC 9113 §8.6).
    #[error("over HTTP/2 no other protocol can be switched to")]
    NoSwitch,
    /// The viewer's own body broke off, so the origin could not be asked.
    #[error("the request's body broke off")]
    RequestBody(#[source] Source),
    /// Nothing more of it came for too long.
    #[error("the request's body stood still")]
    RequestBodyTimedOut(#[source] Source),
}

/// What is behind an error, whoever tells it.
type Source = Box<dyn std::error::Error + Send + Sync>;

/// Why an exchange came to nothing.
#[derive(Debug, Error)]
pub enum ExchangeError {
    /// HTTP/1.1 says so.
    #[error(transparent)]
    Http1(hyper::Error),
    /// HTTP/2 says so, of one stream or of its connection.
    #[error(transparent)]
    Http2(h2::Error),
    /// What came is a word of TLS (RFC 8446 §6).
    #[error("it speaks TLS, and was asked without")]
    Tls,
}

impl ExchangeError {
    /// Whether what came cannot be read.
    fn is_unreadable(&self) -> bool {
        match self {
            Self::Http1(error) => error.is_parse(),
            Self::Http2(error) => error.is_library(),
            Self::Tls => true,
        }
    }

    /// Whether what came begins like a head and is more than one may be.
    fn is_too_large(&self) -> bool {
        matches!(self, Self::Http1(error) if error.is_parse_too_large())
    }

    /// Whether the origin has ended it because of who asked: in TLS 1.3 it says so only once the request is on its way (RFC 8446 §4.4.2.4).
    pub(super) fn is_about_who_asked(&self) -> bool {
        let said = match self {
            Self::Http1(error) => alert(error),
            Self::Http2(error) => error.get_io().and_then(|error| alert(error)),
            Self::Tls => None,
        };
        said.is_some_and(tls::is_about_who_asks)
    }

    /// Whether that was the answer to this very request.
    fn is_answer(&self) -> bool {
        match self {
            Self::Http1(error) => error.is_parse(),
            Self::Http2(error) => error.is_library() && error.is_reset(),
            Self::Tls => true,
        }
    }

    /// RFC 9113 §8.7: whether the origin says that it has done nothing about the request. The `h2` crate tells of a GOAWAY only those
    /// whose streams it does not cover.
    fn is_undone(&self) -> bool {
        let Self::Http2(error) = self else { return false };
        error.is_remote() && (error.is_go_away() || error.reason() == Some(Reason::REFUSED_STREAM))
    }

    /// Whether the origin has ended this exchange and no other.
    fn is_of_one_stream(&self) -> bool {
        matches!(self, Self::Http2(error) if error.is_reset())
    }
}

/// The word with which TLS was ended, wherever in an error it is.
pub(super) fn alert(error: &(dyn std::error::Error + 'static)) -> Option<AlertDescription> {
    let inner = |error: &(dyn std::error::Error + 'static)| match error
        .downcast_ref::<std::io::Error>()?
        .get_ref()?
        .downcast_ref()?
    {
        rustls::Error::AlertReceived(alert) => Some(*alert),
        _ => None,
    };
    std::iter::successors(Some(error), |error| error.source()).find_map(inner)
}

impl From<TlsError> for ForwardError {
    /// What is mounted is named the same, whatever it was wanted for.
    fn from(error: TlsError) -> Self {
        match error {
            TlsError::Mounted(unusable) => Self::Mounted(unusable),
            error => Self::Tls(error),
        }
    }
}

impl ForwardError {
    /// What another edge says of why there is no answer.
    pub fn shielded(status: StatusCode, said: &str, retry_after: Option<HeaderValue>) -> Self {
        let detail = WORDS.into_iter().find(|word| *word == said).unwrap_or(LOST);
        Self::Shielded { status, detail, retry_after }
    }

    /// The same of an edge that was asked in place of the origin: nobody knows what the origin has of it.
    #[must_use]
    pub fn at_edge(self) -> Self {
        if self.is_the_viewers() { self } else { Self::shielded(self.status(), LOST, None) }
    }

    /// The status for a viewer when nothing stands in.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::NoTarget | Self::Invalid(_) | Self::BreakerOpen | Self::NoEndpoints | Self::Mounted(_) => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::NoObject(_) => StatusCode::NOT_FOUND,
            Self::Shielded { status, .. } => *status,
            Self::HeadTimedOut(_) | Self::Connect(ConnectError::TimedOut { .. } | ConnectError::Crowded { .. }) => {
                StatusCode::GATEWAY_TIMEOUT
            }
            Self::RequestBody(_) | Self::Target => StatusCode::BAD_REQUEST,
            Self::RequestBodyTimedOut(_) => StatusCode::REQUEST_TIMEOUT,
            _ => StatusCode::BAD_GATEWAY,
        }
    }

    /// The words for why an origin gave no answer that [`ForwardError::detail`] has, but for those of one request alone.
    pub const WORDS: &'static [&'static str] = &WORDS;

    /// The word for `Cache-Status` and logs.
    pub fn detail(&self) -> &'static str {
        match self {
            Self::NoTarget => "origin-missing",
            Self::Invalid(_) => "origin-invalid",
            Self::Mounted(_) => "origin-secret",
            Self::BreakerOpen => "origin-breaker-open",
            Self::Resolve(_) => "origin-unresolved",
            Self::Forbidden(_) => "origin-forbidden",
            Self::NoEndpoints => "origin-no-endpoints",
            Self::Connect(ConnectError::TimedOut { .. } | ConnectError::Crowded { .. }) => "origin-connect-timeout",
            Self::Connect(ConnectError::Certificate { .. }) => "origin-certificate",
            Self::Connect(ConnectError::Unproven { .. }) => "origin-client-certificate",
            Self::Exchange(error) if error.is_about_who_asked() => "origin-client-certificate",
            Self::Connect(ConnectError::Tls { .. } | ConnectError::NoTls { .. }) | Self::Tls(_) => "origin-tls",
            Self::Connect(_) => "origin-connect",
            Self::HeadTimedOut(_) => "origin-timeout",
            Self::Exchange(_) if self.is_not_http() => "origin-not-http",
            Self::Exchange(_) if self.is_too_large() => "origin-head-too-large",
            Self::Exchange(_) => "origin-reset",
            Self::Distrust(_) => "origin-framing",
            Self::UnaskedNotModified => "origin-304-unasked",
            Self::UnaskedPartial => "origin-206-unasked",
            Self::NoObject(NoObject::NoKey) => "s3-no-key",
            Self::NoObject(NoObject::EscapedSlash) => "s3-escaped-slash",
            Self::Elsewhere => "s3-wrong-region",
            Self::Shielded { detail, .. } => detail,
            Self::Target => "target",
            Self::NoSwitch => "origin-no-upgrade",
            Self::RequestBody(_) => "request-body",
            Self::RequestBodyTimedOut(_) => "request-body-timeout",
        }
    }

    /// RFC 9110 §10.2.3: when asking again may be worth it.
    pub fn retry_after(&self) -> Option<HeaderValue> {
        match self {
            Self::NoEndpoints => Some(POD_STARTS),
            Self::Shielded { retry_after, .. } => retry_after.clone(),
            _ => None,
        }
    }

    /// What it says of whether another try is worth its time; nothing where the origin had no part in it, or too little to do. A name
    /// without an address and a handshake that fails are no connection, like any other.
    pub(crate) fn tried(&self) -> Option<Tried> {
        match self {
            Self::Connect(ConnectError::Nowhere | ConnectError::Crowded { .. })
            | Self::Resolve(ResolveError::NoName(_)) => None,
            Self::Connect(_) | Self::Resolve(_) | Self::HeadTimedOut(_) => Some(Tried::Failed),
            // TLS 1.3 has the client hear of it only after its own handshake.
            Self::Exchange(error) if error.is_about_who_asked() => Some(Tried::Failed),
            Self::Exchange(_) | Self::Distrust(_) => Some(Tried::Met),
            _ => None,
        }
    }

    /// Whether what came cannot be read as HTTP.
    pub(crate) fn is_not_http(&self) -> bool {
        matches!(self, Self::Exchange(error) if error.is_unreadable() && !error.is_too_large())
    }

    /// Whether it may well be HTTP, but for more of it than an edge reads.
    pub(super) fn is_too_large(&self) -> bool {
        matches!(self, Self::Exchange(error) if error.is_too_large())
    }

    /// Whether what was under way was ended in place of an answer.
    pub(super) fn is_reset(&self) -> bool {
        matches!(self, Self::Exchange(error) if !error.is_unreadable())
    }

    /// Whether the origin broke the protocol.
    pub(super) fn is_distrust(&self) -> bool {
        self.is_not_http() || self.is_too_large() || matches!(self, Self::Distrust(_))
    }

    /// Whether it may be another one that is asked the same, where that does no harm.
    pub(super) fn is_worth_another(&self) -> bool {
        matches!(self, Self::Exchange(error) if !error.is_answer())
    }

    /// Whether the origin says that it has done nothing about the request.
    pub(super) fn is_undone(&self) -> bool {
        matches!(self, Self::Exchange(error) if error.is_undone())
    }

    /// Whether it says nothing of the connection.
    pub(super) fn is_of_one_stream(&self) -> bool {
        matches!(self, Self::Exchange(error) if error.is_of_one_stream())
    }

    /// With what is behind it.
    pub(crate) fn in_full(&self) -> String {
        let behind = self.behind();
        if behind.is_empty() { self.to_string() } else { format!("{self}: {behind}") }
    }

    /// What is behind it, each thing said once.
    pub(crate) fn behind(&self) -> String {
        let mut said: Vec<String> = Vec::new();
        for error in std::iter::successors(std::error::Error::source(self), |error| error.source()) {
            let text = error.to_string();
            // What wraps another often repeats it.
            if !said.last().is_some_and(|before| before.contains(&text)) {
                said.push(text);
            }
        }
        said.join(": ")
    }

    /// Whether it is the viewer who did not send what it was to send.
    pub fn is_the_viewers(&self) -> bool {
        matches!(self, Self::RequestBody(_) | Self::RequestBodyTimedOut(_))
    }

    /// Why the viewer's body did not reach its end.
    pub(super) fn of_request_body(error: impl Into<Source>) -> Self {
        let error = error.into();
        let mut behind =
            std::iter::successors(Some(&*error as &(dyn std::error::Error + 'static)), |error| error.source());
        let is_stalled =
            |error: &(dyn std::error::Error + 'static)| matches!(error.downcast_ref(), Some(BodyError::Stalled(_)));
        if behind.any(is_stalled) {
            return Self::RequestBodyTimedOut(error);
        }
        Self::RequestBody(error)
    }

    /// Whether somebody was there. What went wrong then says more than that another of the addresses leads nowhere, as those of
    /// IPv6 often do.
    pub(crate) fn met_someone(&self) -> bool {
        match self {
            Self::Connect(error) => matches!(
                error,
                ConnectError::Certificate { .. }
                    | ConnectError::Unproven { .. }
                    | ConnectError::NoTls { .. }
                    | ConnectError::Tls { .. }
            ),
            Self::NoTarget
            | Self::Invalid(_)
            | Self::NoEndpoints
            | Self::BreakerOpen
            | Self::Mounted(_)
            | Self::Tls(_)
            | Self::Resolve(_)
            | Self::Forbidden(_)
            | Self::NoObject(_)
            | Self::Target
            | Self::NoSwitch => false,
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_stands_in_the_documents() {
        let documents = include_str!("../../../docs/origins.md");
        for word in WORDS.iter().chain(&[LOST]) {
            assert!(documents.contains(&format!("| `{word}` |")), "{word}: docs/origins.md says what is to be done");
        }
    }

    #[test]
    fn what_is_behind_an_error_is_said_once() {
        let source = std::io::Error::other(std::io::Error::other("deep"));
        let error = ForwardError::RequestBody(Box::new(source));
        assert_eq!((error.behind().as_str(), error.in_full().as_str()), ("deep", "the request's body broke off: deep"));
    }
}
