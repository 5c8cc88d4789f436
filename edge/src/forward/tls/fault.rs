//! Why a certificate is not believed, into words, and into what can be done about it.

use std::fmt;

use rustls::CertificateError;

/// What is wrong with an origin's certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Its time is over.
    Expired,
    /// Its time has not come.
    NotYet,
    /// It was taken back.
    Revoked,
    /// Nobody vouches for it who is trusted.
    Untrusted,
    /// It is for somebody else.
    OtherName,
    /// It is an authority's, and whoever shows it is to be no authority.
    Authority,
    /// Something else.
    Unfit,
}

impl Fault {
    /// In few words of what TLS says in many.
    pub fn of(error: &CertificateError) -> Self {
        match error {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => Self::Expired,
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => Self::NotYet,
            CertificateError::Revoked => Self::Revoked,
            CertificateError::UnknownIssuer => Self::Untrusted,
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => Self::OtherName,
            // What verifies has more words than TLS, and this one for most certificates that nobody has signed.
            CertificateError::Other(other) if other.to_string() == "CaUsedAsEndEntity" => Self::Authority,
            _ => Self::Unfit,
        }
    }

    /// What to do about it.
    pub fn advice(self) -> Option<&'static str> {
        Some(match self {
            Self::Expired | Self::Revoked => "renew it at the origin",
            Self::NotYet => "is the clock of this machine right, and that of whoever has signed it?",
            Self::Untrusted => "name its authority by tls.caSecretRef or tls.caConfigMapRef",
            Self::OtherName => "tls.serverName says which name it is to have",
            Self::Authority => {
                "have an authority sign one for it that is none itself, and name that by tls.caSecretRef"
            }
            Self::Unfit => return None,
        })
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Expired => "has expired",
            Self::NotYet => "is not valid yet",
            Self::Revoked => "is revoked",
            Self::Untrusted => "is of nobody who is trusted here",
            Self::OtherName => "is for another name",
            Self::Authority => "is an authority's own, as self-signed ones are",
            Self::Unfit => "is not believed",
        })
    }
}
