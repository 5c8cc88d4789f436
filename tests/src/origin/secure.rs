//! Connections over TLS, whose peers have to prove who they are, into plain ones to the origin's own port.

use std::{io, net::SocketAddr, path::PathBuf, sync::Arc};

use rustls::{
    RootCertStore, ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::WebPkiClientVerifier,
};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsAcceptor;

/// Where TLS is spoken, and by what.
pub struct Secure {
    /// Where edges are answered.
    pub listen: SocketAddr,
    /// Holds what is shown (`tls.crt`, `tls.key`) and who has to vouch for whoever asks (`ca.crt`), each PEM.
    pub folder: PathBuf,
}

impl Secure {
    pub(super) fn acceptor(&self) -> io::Result<TlsAcceptor> {
        let file = |name: &str| self.folder.join(name);
        let mut authorities = RootCertStore::empty();
        for authority in CertificateDer::pem_file_iter(file("ca.crt")).map_err(io::Error::other)? {
            authorities.add(authority.map_err(io::Error::other)?).map_err(io::Error::other)?;
        }
        let shown: Result<Vec<_>, _> =
            CertificateDer::pem_file_iter(file("tls.crt")).map_err(io::Error::other)?.collect();
        let key = PrivateKeyDer::from_pem_file(file("tls.key")).map_err(io::Error::other)?;
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(authorities), Arc::clone(&provider));
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_client_cert_verifier(verifier.build().map_err(io::Error::other)?)
            .with_single_cert(shown.map_err(io::Error::other)?, key)
            .map_err(io::Error::other)?;
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}

/// Answers whoever proves itself as the plain port does. What breaks off on one side breaks off on the other.
pub(super) async fn accept(listener: TcpListener, acceptor: TlsAcceptor, plain: SocketAddr) {
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let acceptor = acceptor.clone();
        tokio::spawn(async move {
            let mut outer = acceptor.accept(stream).await?;
            let mut inner = TcpStream::connect(plain).await?;
            copy_bidirectional(&mut outer, &mut inner).await
        });
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
    use rustls::{ClientConfig, pki_types::ServerName};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio_rustls::TlsConnector;

    use super::*;
    use crate::origin::{Origin, Settings};

    struct Authority(CertifiedIssuer<'static, KeyPair>);

    impl Authority {
        fn new() -> Self {
            let mut params = CertificateParams::default();
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
        }

        /// A certificate and its key, PEM.
        fn vouches_for(&self, name: &str) -> [String; 2] {
            let key = KeyPair::generate().unwrap();
            let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
            [params.signed_by(&key, &self.0).unwrap().pem(), key.serialize_pem()]
        }
    }

    /// What one gets who believes this authority, and is vouched for by another.
    async fn ask(at: SocketAddr, believes: &Authority, vouched_for_by: &Authority) -> io::Result<String> {
        let [certificate, key] = vouched_for_by.vouches_for("edge");
        let mut roots = RootCertStore::empty();
        roots.add(believes.0.der().clone()).unwrap();
        let provider = Arc::new(aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_client_auth_cert(
                vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()],
                PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap(),
            )
            .unwrap();
        let stream = TcpStream::connect(at).await?;
        let name = ServerName::try_from("localhost").unwrap();
        let mut stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
        stream.write_all(b"GET /a HTTP/1.1\r\nhost: origin\r\nconnection: close\r\n\r\n").await?;
        let mut answer = String::new();
        // An end without a word is as good here.
        match stream.read_to_string(&mut answer).await {
            Err(error) if answer.is_empty() => Err(error),
            _ => Ok(answer),
        }
    }

    #[tokio::test]
    async fn over_tls_it_answers_whom_its_authority_vouches_for_and_nobody_else() {
        let folder = std::env::temp_dir().join(format!("kubefront-origin-tls-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let (authority, other) = (Authority::new(), Authority::new());
        let [certificate, key] = authority.vouches_for("localhost");
        for (name, text) in [("ca.crt", authority.0.pem()), ("tls.crt", certificate), ("tls.key", key)] {
            std::fs::write(folder.join(name), text).unwrap();
        }
        let secure = Secure { listen: SocketAddr::from(([127, 0, 0, 1], 0)), folder: folder.clone() };
        let origin = Origin::start(Settings { secure: Some(secure), ..Settings::default() }).await.unwrap();
        std::fs::remove_dir_all(folder).unwrap();
        let at = origin.secure_address().unwrap();
        assert!(ask(at, &authority, &authority).await.unwrap().ends_with("read 1\npath /a\n"));
        ask(at, &authority, &other).await.expect_err("nobody vouches for it");
        ask(at, &other, &authority).await.expect_err("it is not the one that was meant");
    }
}
