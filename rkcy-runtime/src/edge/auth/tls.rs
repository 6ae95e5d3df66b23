//! Owns TLS: the certificate of the edge, and the authorities of its callers' certificates.

use super::settings::wrong;
use rkcy_core::fault::Fault;
use std::fmt::Display;
use std::path::Path;
use std::sync::Arc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

/// What the edge shows of itself, and asks of its callers. TLS 1.2 and 1.3.
#[derive(Clone)]
pub(in super::super) struct Tls {
    pub(in super::super) acceptor: TlsAcceptor,
    asks: bool,
}

impl Tls {
    /// Whether callers have to show a certificate.
    pub(super) fn asks(&self) -> bool {
        self.asks
    }

    /// Reads the files.
    ///
    /// # Errors
    /// `wrong_setting`; nothing of the private key is in it.
    pub(super) fn read(
        certificate: &Path,
        key: &Path,
        client_ca: Option<&Path>,
    ) -> Result<Tls, Fault> {
        let chain = certificates("certificate", certificate)?;
        let key = PrivateKeyDer::from_pem_file(key).map_err(|_| {
            let message = format!("{}: there is no private key in it (PEM)", key.display());
            wrong("key", message)
        })?;
        let provider = Arc::new(ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|error| wrong("certificate", error.to_string()))?;
        let builder = match client_ca {
            None => builder.with_no_client_auth(),
            Some(file) => {
                let told = |error: &dyn Display| {
                    wrong("client_ca", format!("{}: {error}", file.display()))
                };
                let mut roots = RootCertStore::empty();
                for authority in certificates("client_ca", file)? {
                    roots.add(authority).map_err(|error| told(&error))?;
                }
                let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider);
                builder.with_client_cert_verifier(verifier.build().map_err(|error| told(&error))?)
            }
        };
        let mut config = builder.with_single_cert(chain, key).map_err(|error| {
            let message = format!("the certificate and the private key: {error}");
            wrong("certificate", message)
        })?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Tls {
            acceptor: TlsAcceptor::from(Arc::new(config)),
            asks: client_ca.is_some(),
        })
    }
}

fn certificates(setting: &str, file: &Path) -> Result<Vec<CertificateDer<'static>>, Fault> {
    let none = |why: &dyn Display| wrong(setting, format!("{}: {why}", file.display()));
    let found = CertificateDer::pem_file_iter(file).map_err(|error| none(&error))?;
    let found: Result<Vec<_>, _> = found.collect();
    let found = found.map_err(|error| none(&error))?;
    match found.is_empty() {
        true => Err(none(&"there is no certificate in it (PEM)")),
        false => Ok(found),
    }
}
