//! Why an origin gave no answer into what whoever is awake can do about it, for logs.

use rustls::AlertDescription;

use super::ForwardError;
use super::connect::{ConnectError, Step};
use super::error::{self, ExchangeError};
use super::resolve::ResolveError;
use super::tls::TlsError;

impl ForwardError {
    /// What to look at or to change; nothing where the error says it itself, or where only the origin knows.
    pub fn advice(&self) -> Option<&'static str> {
        Some(match self {
            Self::NoTarget => "ResolvedRefs of the Distribution says what is missing",
            Self::Invalid(_) | Self::Resolve(ResolveError::NoName(_)) => "mend the origin in the Distribution",
            Self::BreakerOpen => {
                "\"an origin is asked no more\" in this log says of what it died; it is tried once a second"
            }
            Self::Resolve(ResolveError::Absent(_)) => "is the name whole and right? Search domains do not count",
            Self::Resolve(_) => "does DNS answer on this machine?",
            Self::Forbidden(_) => {
                "what is in the cluster is named as a service, what is elsewhere by an address of its own"
            }
            Self::NoEndpoints => "why are its pods not ready? kubectl describe them",
            Self::Connect(error) => return of_connect(error),
            Self::Tls(TlsError::Roots(_)) => "name authorities by tls.caSecretRef or tls.caConfigMapRef",
            Self::Tls(TlsError::ServerName(_)) => "name it by tls.serverName",
            Self::HeadTimedOut(_) => "what keeps it? responseTimeout of the origin is how long it may take",
            Self::Exchange(error) if error.is_about_who_asked() => WHO_ASKS,
            Self::Exchange(ExchangeError::Tls) => {
                "ask it by https; of a Service, appProtocol of the port or tls of the origin says so"
            }
            Self::Exchange(_) if self.is_not_http() => {
                "is it an HTTP server? One that speaks HTTP/2 alone needs appProtocol: kubernetes.io/h2c"
            }
            Self::Exchange(_) if self.is_too_large() => {
                "an edge reads 100 fields and 64 KiB of a head: which of its fields, cookies say, are that many or that long?"
            }
            Self::Exchange(_) => {
                "it ended the connection in place of an answer: does its own log say why, and is it to be asked by https?"
            }
            Self::NoSwitch => "give what switches protocols an origin that speaks HTTP/1.1",
            _ => return None,
        })
    }
}

const WHO_ASKS: &str = "it wants to know who asks: tls.clientCertificateSecretRef names a certificate that it believes";

fn of_connect(error: &ConnectError) -> Option<&'static str> {
    Some(match error {
        ConnectError::Crowded { .. } => {
            "it takes few requests per connection: raise its SETTINGS_MAX_CONCURRENT_STREAMS"
        }
        ConnectError::TimedOut { step: Step::Handshake, .. } => "does it speak TLS at all? If not, ask it by http",
        ConnectError::TimedOut { step: Step::Dial, .. } => {
            "nobody answers there: is the address right, and is no firewall or NetworkPolicy between?"
        }
        ConnectError::Refused { source, .. } if source.kind() == std::io::ErrorKind::ConnectionRefused => {
            "nobody listens there: does it run, and is that its port?"
        }
        ConnectError::Refused { .. } => "is there a way to that address from here?",
        ConnectError::Certificate { fault, .. } => return fault.advice(),
        ConnectError::Unproven { .. } => WHO_ASKS,
        ConnectError::Tls { source, .. } if error::alert(source) == Some(AlertDescription::HandshakeFailure) => {
            "it may want to know who asks (tls.clientCertificateSecretRef), or speak no TLS that edges speak: 1.2 and 1.3"
        }
        ConnectError::Tls { source, .. } if source.kind() == std::io::ErrorKind::UnexpectedEof => {
            "does it speak TLS? If not, ask it by http"
        }
        ConnectError::NoTls { .. } => "ask it by http, or at the port where it speaks TLS",
        ConnectError::Nowhere
        | ConnectError::Tls { .. }
        | ConnectError::Ended { .. }
        | ConnectError::Handshake { .. } => {
            return None;
        }
    })
}
