//! The operator's own certificate authority: one Secret into what edges trust, into the certificate this replica shows, and into
//! those that edges show one another.
//!
//! Flow: [`Authority::open`] reads or makes the Secret → [`Authority::bundle`] goes to edges by `ConfigMap` and stream,
//! [`Authority::server_config`] to the channel's listener, [`Authority::issuer`] to the streams → [`Authority::keep`] does what
//! falls due.
//! Guarantees: the key never leaves the Secret and this process. An authority joins the bundle before it signs what is shown:
//! until every edge has said that it trusts it, or for a day, so no edge meets a certificate that it had no time to learn to
//! trust, whoever shows it; and it stays in the bundle after that. Replicas that write at once are harmless: creation is create-if-absent, every change has the resourceVersion it was
//! read at.
//! Assumptions: the wall clock is right to the hour. Nothing else is decided by it.

mod edges;
mod issue;
mod keeping;

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use jiff::Timestamp;
use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::{
    Api, Client, ResourceExt,
    api::{ObjectMeta, PostParams},
};
use rustls::{
    ServerConfig,
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use crate::causes::chain;
use crate::clock;
pub use edges::{EdgeIssuer, Issued};
use keeping::{Due, Kept, Pair};

/// The name of the Secret, in the operator's namespace.
pub const SECRET: &str = "kubefront-operator-ca";

/// How often the Secret is looked at for what another replica changed.
const LOOK_AGAIN: Duration = Duration::from_hours(1);

/// How soon it is looked again after a failure.
const FAILED_AGAIN: Duration = Duration::from_secs(30);

/// The longest that a look may take: it is a few small calls.
const LOOK_LIMIT: Duration = Duration::from_secs(10);

/// What went wrong with the authority.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// The Secret could not be read.
    #[error("read Secret {SECRET}")]
    ReadSecret(#[source] kube::Error),
    /// The Secret could not be created.
    #[error("create Secret {SECRET}")]
    CreateSecret(#[source] kube::Error),
    /// The Secret could not be changed.
    #[error("update Secret {SECRET}")]
    UpdateSecret(#[source] kube::Error),
    /// The API took too long.
    #[error("the API did not answer for Secret {SECRET} in time")]
    Silent,
    /// The Secret holds something else than an authority.
    #[error(
        "Secret {SECRET} holds no usable authority ({0}): delete it, and a new one is made; edges then need a restart"
    )]
    Unusable(&'static str),
    /// A key or certificate could not be made.
    #[error("make a certificate")]
    Issue(#[from] rcgen::Error),
    /// TLS refused the certificate that was made.
    #[error("use a certificate")]
    Tls(#[from] rustls::Error),
}

/// The authority, as this replica knows it.
pub struct Authority {
    secrets: Api<Secret>,
    leaf: Arc<Leaf>,
    bundle: watch::Sender<Arc<str>>,
    /// What signs for edges.
    current: watch::Sender<Arc<Pair>>,
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority").finish_non_exhaustive()
    }
}

/// The certificate that is shown to edges now.
#[derive(Debug)]
struct Leaf(ArcSwap<CertifiedKey>);

impl ResolvesServerCert for Leaf {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

impl Authority {
    /// Reads the authority of this namespace, or makes it if there is none yet.
    pub async fn open(client: Client, namespace: &str) -> Result<Self, AuthorityError> {
        let secrets: Api<Secret> = Api::namespaced(client, namespace);
        let now = clock::wall();
        let (_, kept) = in_time(read_or_make(&secrets, now)).await?;
        let leaf = Arc::new(Leaf(ArcSwap::from(issue::leaf(&kept.current, now)?)));
        let bundle = watch::Sender::new(kept.bundle().into());
        Ok(Self { secrets, leaf, bundle, current: watch::Sender::new(Arc::new(kept.current)) })
    }

    /// What edges verify the operator by, as PEM; it changes when an authority joins or leaves.
    pub fn bundle(&self) -> watch::Receiver<Arc<str>> {
        self.bundle.subscribe()
    }

    /// For the streams of edges: their certificates.
    pub fn issuer(&self) -> EdgeIssuer {
        EdgeIssuer::new(self.current.subscribe())
    }

    /// For the channel's listener: TLS, HTTP/2, the certificate of the moment.
    pub fn server_config(&self) -> Result<Arc<ServerConfig>, AuthorityError> {
        let mut config = ServerConfig::builder_with_provider(issue::provider())
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(self.leaf.clone());
        config.alpn_protocols = vec![b"h2".to_vec()];
        Ok(Arc::new(config))
    }

    /// Renews what falls due, for as long as the process lives, and at once what fell due before: a process that never lives
    /// for an hour keeps the authority too. A failure is told and tried again: what is shown now is good for hours. `trusted`
    /// says whether every edge trusts this bundle.
    pub async fn keep(&self, trusted: impl Fn(&str) -> bool) {
        let mut shown = clock::wall();
        loop {
            let wait = match in_time(self.renew(shown, &trusted)).await {
                Ok(since) => {
                    shown = since;
                    keeping::leaf_renewal(shown, clock::wall()).min(LOOK_AGAIN)
                }
                // What is overdue is no reason to ask without a pause.
                Err(error) => {
                    tracing::warn!(error = chain(&error), "the authority is as it was");
                    FAILED_AGAIN
                }
            };
            sleep(wait).await;
        }
    }

    /// One look at what is due; gives back since when the certificate of now is shown.
    async fn renew(&self, shown: Timestamp, trusted: impl Fn(&str) -> bool) -> Result<Timestamp, AuthorityError> {
        let now = clock::wall();
        let (secret, mut kept) = read_or_make(&self.secrets, now).await?;
        let trusted = kept.next.is_some() && trusted(&kept.bundle());
        let changed = match keeping::due(&kept, trusted, now) {
            Due::Nothing => false,
            Due::MakeNext => {
                kept.announce(issue::authority(now)?);
                true
            }
            Due::PromoteNext => kept.promote(),
        };
        if changed {
            self.write(secret, &kept).await?;
        }
        let bundle: Arc<str> = kept.bundle().into();
        self.bundle.send_if_modified(|known| std::mem::replace(known, bundle.clone()) != bundle);
        // Behind the bundle, which has it already.
        self.current.send_if_modified(|known| {
            let news = **known != kept.current;
            if news {
                *known = Arc::new(kept.current.clone());
            }
            news
        });
        if !changed && !keeping::leaf_renewal(shown, now).is_zero() {
            return Ok(shown);
        }
        self.leaf.0.store(issue::leaf(&kept.current, now)?);
        Ok(now)
    }

    async fn write(&self, secret: Secret, kept: &Kept) -> Result<(), AuthorityError> {
        let changed = Secret { data: Some(data(kept)), ..secret };
        self.secrets
            .replace(&changed.name_any(), &PostParams::default(), &changed)
            .await
            .map(drop)
            .map_err(AuthorityError::UpdateSecret)
    }
}

/// A call that an API server took and never answers must not be the last one.
async fn in_time<T>(look: impl Future<Output = Result<T, AuthorityError>>) -> Result<T, AuthorityError> {
    timeout(LOOK_LIMIT, look).await.unwrap_or(Err(AuthorityError::Silent))
}

/// Whoever comes first makes the authority; everybody else takes that one.
async fn read_or_make(secrets: &Api<Secret>, now: Timestamp) -> Result<(Secret, Kept), AuthorityError> {
    if let Some(secret) = secrets.get_opt(SECRET).await.map_err(AuthorityError::ReadSecret)? {
        let kept = kept(&secret)?;
        return Ok((secret, kept));
    }
    let made = Kept::first(issue::authority(now)?);
    let secret = Secret {
        metadata: ObjectMeta { name: Some(SECRET.to_owned()), ..ObjectMeta::default() },
        data: Some(data(&made)),
        ..Secret::default()
    };
    match secrets.create(&PostParams::default(), &secret).await {
        Ok(secret) => Ok((secret, made)),
        Err(kube::Error::Api(status)) if status.code == 409 => {
            let secret = secrets.get(SECRET).await.map_err(AuthorityError::ReadSecret)?;
            let kept = kept(&secret)?;
            Ok((secret, kept))
        }
        Err(error) => Err(AuthorityError::CreateSecret(error)),
    }
}

fn kept(secret: &Secret) -> Result<Kept, AuthorityError> {
    let text = |name: &str| {
        let bytes = secret.data.as_ref().and_then(|data| data.get(name))?;
        String::from_utf8(bytes.0.clone()).ok()
    };
    Kept::read(text).map_err(AuthorityError::Unusable)
}

fn data(kept: &Kept) -> BTreeMap<String, ByteString> {
    kept.fields().into_iter().map(|(name, text)| (name.to_owned(), ByteString(text.into_bytes()))).collect()
}

#[cfg(test)]
mod tests;
