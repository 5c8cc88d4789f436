//! Why an origin gave no answer into what whoever is awake can do about it, for logs.

use super::ForwardError;
use super::connect::ConnectError;
use super::error::ExchangeError;
use super::resolve::ResolveError;
use super::tls::TlsError;

impl ForwardError {
    /// What to look at or to change; nothing where the error says it itself, or where only the origin knows.
    pub fn advice(&self) -> Option<&'static str> {
        Some(match self {
            Self::NoTarget => "ResolvedRefs of the Distribution says what is missing",
            Self::Invalid(_) => "mend the origin in the Distribution",
            Self::BreakerOpen => {
                "\"an origin is asked no more\" in this log says of what it died; it is tried once a second"
            }
            Self::Resolve(ResolveError::Lookup { .. }) => {
                "is the name whole and right, and does the DNS of this machine know it?"
            }
            Self::Resolve(ResolveError::TimedOut { .. } | ResolveError::Configuration(_)) => {
                "does DNS answer on this machine?"
            }
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
            Self::Exchange(_) => "it ended the connection in place of an answer: does its own log say why?",
            Self::NoSwitch => "give what switches protocols an origin that speaks HTTP/1.1",
            _ => return None,
        })
    }
}

const WHO_ASKS: &str = "it wants another certificate of whoever asks: tls.clientCertificateSecretRef names it";

fn of_connect(error: &ConnectError) -> Option<&'static str> {
    Some(match error {
        ConnectError::TimedOut { .. } => {
            "nobody answers there: is the address right, and is no firewall or NetworkPolicy between?"
        }
        ConnectError::Refused { source, .. } if source.kind() == std::io::ErrorKind::ConnectionRefused => {
            "nobody listens there: does it run, and is that its port?"
        }
        ConnectError::Refused { .. } => "is there a way to that address from here?",
        ConnectError::Certificate { .. } => {
            "tls.caSecretRef or tls.caConfigMapRef trusts another authority, tls.serverName expects another name"
        }
        ConnectError::Unproven { .. } => WHO_ASKS,
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
