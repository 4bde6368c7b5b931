//! What stands in the files, and whether a server can be made of it.

use std::{path::Path, sync::Arc};

use anyhow::{Context, bail};
use rustls::{
    RootCertStore, ServerConfig,
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer, pem::PemObject},
    server::{WebPkiClientVerifier, danger::ClientCertVerifier},
    version::{TLS12, TLS13},
};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::config::TlsSettings;
use crate::key_file::{read, read_secret};

/// What is spoken inside: what axum here speaks.
const INSIDE: &[u8] = b"http/1.1";

/// The files' bytes.
pub struct Files {
    certificate: Vec<u8>,
    key: Zeroizing<Vec<u8>>,
    authority: Option<Vec<u8>>,
    revoked: Option<Vec<u8>>,
}

impl Files {
    /// Reads them all.
    ///
    /// # Errors
    /// When one cannot be read, or others can read the key.
    pub fn read(settings: &TlsSettings) -> anyhow::Result<Self> {
        let clients = settings.clients.as_ref();
        let authority = clients.map(|clients| read("tls.clients.authority", &clients.authority));
        let revoked = clients.and_then(|clients| clients.revoked.as_deref());
        let revoked = revoked.map(|file| read("tls.clients.revoked", file));
        Ok(Self {
            certificate: read("tls.certificate", &settings.certificate)?,
            key: read_secret("tls.key", &settings.key)?,
            authority: authority.transpose()?,
            revoked: revoked.transpose()?,
        })
    }

    /// Tells these files from others.
    pub fn fingerprint(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        let parts = [
            Some(self.certificate.as_slice()),
            Some(self.key.as_slice()),
            self.authority.as_deref(),
            self.revoked.as_deref(),
        ];
        for part in parts {
            let part = part.unwrap_or_default();
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        hash.finalize().into()
    }

    /// What finds out whether a client's certificate is good; none where clients bring none.
    ///
    /// # Errors
    /// When the authority or a list of revoked certificates cannot be used.
    pub fn verifier(
        &self,
        settings: &TlsSettings,
    ) -> anyhow::Result<Option<Arc<dyn ClientCertVerifier>>> {
        let (Some(authority), Some(clients)) = (&self.authority, &settings.clients) else {
            return Ok(None);
        };
        let mut roots = RootCertStore::empty();
        for root in certificates("tls.clients.authority", &clients.authority, authority)? {
            roots.add(root).with_context(|| {
                unusable("tls.clients.authority", &clients.authority, "an authority")
            })?;
        }
        let mut verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider())
            // A bearer token is as good, and is asked for where there is no certificate.
            .allow_unauthenticated();
        if let (Some(revoked), Some(file)) = (&self.revoked, &clients.revoked) {
            let lists: Vec<_> = CertificateRevocationListDer::pem_slice_iter(revoked)
                .collect::<Result<_, _>>()
                .with_context(|| unusable("tls.clients.revoked", file, "PEM"))?;
            if lists.is_empty() {
                bail!(
                    "{}",
                    unusable(
                        "tls.clients.revoked",
                        file,
                        "a list of revoked certificates (X509 CRL) in PEM"
                    )
                );
            }
            // A list that is too old says nothing of today: then no certificate counts.
            verifier = verifier.with_crls(lists).enforce_revocation_expiration();
        }
        let built = verifier.build();
        built.map(Some).context(
            "`tls.clients`: the authority or its list of revoked certificates cannot be used",
        )
    }

    /// A server of the certificate and the key.
    ///
    /// # Errors
    /// When they cannot be used, or do not belong together.
    pub fn server(
        &self,
        settings: &TlsSettings,
        verifier: Option<Arc<dyn ClientCertVerifier>>,
    ) -> anyhow::Result<ServerConfig> {
        let (certificate, key) = (&settings.certificate, &settings.key);
        let chain = certificates("tls.certificate", certificate, &self.certificate)?;
        let secret = PrivateKeyDer::from_pem_slice(&self.key)
            .with_context(|| unusable("tls.key", key, "a private key in PEM"))?;
        let builder = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&TLS13, &TLS12])
            .context("TLS 1.2 and 1.3 are not there")?;
        let builder = match verifier {
            Some(verifier) => builder.with_client_cert_verifier(verifier),
            None => builder.with_no_client_auth(),
        };
        let mut server = builder.with_single_cert(chain, secret).with_context(|| {
            format!(
                "`tls.certificate` (`{}`) and `tls.key` (`{}`) cannot be used together; is it that certificate's key?",
                certificate.display(),
                key.display()
            )
        })?;
        server.alpn_protocols = vec![INSIDE.to_vec()];
        Ok(server)
    }
}

/// The same cryptography as everywhere here.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

fn certificates(
    field: &str,
    file: &Path,
    bytes: &[u8],
) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let found: Vec<_> = CertificateDer::pem_slice_iter(bytes)
        .collect::<Result<_, _>>()
        .with_context(|| unusable(field, file, "PEM"))?;
    if found.is_empty() {
        bail!("{}", unusable(field, file, "a certificate in PEM"));
    }
    Ok(found)
}

fn unusable(field: &str, file: &Path, wanted: &str) -> String {
    format!("`{field}`: `{}` is not {wanted}", file.display())
}
