//! An authority made on the spot, what it signs, and clients that trust it.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose,
    RevokedCertParams, SanType, SerialNumber, date_time_ymd,
};
use rustls::{
    ClientConfig, RootCertStore, SupportedProtocolVersion,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use serde_json::Value;

/// Signs.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// Its certificate.
    pub pem: String,
}

/// A certificate and its key, in PEM.
#[derive(Clone)]
pub struct Pair {
    /// The certificate.
    pub certificate: String,
    /// Its key.
    pub key: String,
    serial: SerialNumber,
}

impl Pair {
    /// The certificate as it is sent.
    pub fn der(&self) -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(self.certificate.as_bytes()).unwrap()
    }
}

/// A name of a client.
pub enum Name {
    /// A URI.
    Uri(&'static str),
    /// A DNS name.
    Dns(&'static str),
}

impl Authority {
    /// A new one of this name.
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self {
            issuer: Issuer::new(params, key),
            pem,
        }
    }

    /// A server's certificate for `localhost`.
    pub fn server(&self) -> Pair {
        let name = SanType::DnsName("localhost".try_into().unwrap());
        self.sign(vec![name], ExtendedKeyUsagePurpose::ServerAuth, 2200)
    }

    /// A client's certificate that ends with this year.
    pub fn client(&self, names: &[Name], last_year: i32) -> Pair {
        let name = |name: &Name| match name {
            Name::Uri(uri) => SanType::URI((*uri).try_into().unwrap()),
            Name::Dns(name) => SanType::DnsName((*name).try_into().unwrap()),
        };
        let names = names.iter().map(name).collect();
        self.sign(names, ExtendedKeyUsagePurpose::ClientAuth, last_year)
    }

    fn sign(&self, names: Vec<SanType>, usage: ExtendedKeyUsagePurpose, last_year: i32) -> Pair {
        let serial = SerialNumber::from(rand::random::<u64>() >> 1);
        let mut params = CertificateParams::default();
        params.subject_alt_names = names;
        params.extended_key_usages = vec![usage];
        params.serial_number = Some(serial.clone());
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(last_year, 12, 31);
        let key = KeyPair::generate().unwrap();
        Pair {
            certificate: params.signed_by(&key, &self.issuer).unwrap().pem(),
            key: key.serialize_pem(),
            serial,
        }
    }

    /// A list of those that count no more, good until the end of this year.
    pub fn revoked(&self, pairs: &[&Pair], last_year: i32) -> String {
        let revoked = pairs.iter().map(|pair| RevokedCertParams {
            serial_number: pair.serial.clone(),
            revocation_time: date_time_ymd(2021, 1, 1),
            reason_code: None,
            invalidity_date: None,
        });
        let list = CertificateRevocationListParams {
            this_update: date_time_ymd(2020, 1, 1),
            next_update: date_time_ymd(last_year, 12, 31),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: revoked.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        list.signed_by(&self.issuer).unwrap().pem().unwrap()
    }

    /// What a client speaks with that trusts this authority.
    pub fn trusted(
        &self,
        own: Option<&Pair>,
        versions: &[&'static SupportedProtocolVersion],
    ) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        let root = CertificateDer::from_pem_slice(self.pem.as_bytes()).unwrap();
        roots.add(root).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots);
        match own {
            None => builder.with_no_client_auth(),
            Some(pair) => {
                let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).unwrap();
                builder
                    .with_client_auth_cert(vec![pair.der()], key)
                    .unwrap()
            }
        }
    }

    /// A client of the door at this port, with its own connections.
    pub fn visitor(&self, port: u16, own: Option<&Pair>) -> Visitor {
        let config = self.trusted(own, rustls::ALL_VERSIONS);
        let client = reqwest::Client::builder().tls_backend_preconfigured(config);
        Visitor {
            client: client.no_proxy().build().unwrap(),
            base: format!("https://localhost:{port}"),
            runtime: tokio::runtime::Builder::new_multi_thread()
                .worker_threads(1)
                .enable_all()
                .build()
                .unwrap(),
        }
    }
}

/// Whoever asks over TLS.
pub struct Visitor {
    client: reqwest::Client,
    base: String,
    runtime: tokio::runtime::Runtime,
}

impl Visitor {
    /// What stands at a path; an error where there was no connection.
    pub fn get(&self, path: &str) -> reqwest::Result<(u16, String)> {
        self.ask(self.client.get(format!("{}{path}", self.base)))
    }

    /// Calls a tool, with a token or without, and with another header.
    pub fn call(
        &self,
        token: Option<&str>,
        tool: &str,
        arguments: &Value,
        header: Option<(&str, &str)>,
    ) -> reqwest::Result<(u16, String)> {
        let mut request = super::call::request(&self.client, &self.base, tool, arguments);
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        if let Some((name, value)) = header {
            request = request.header(name, value);
        }
        self.ask(request)
    }

    fn ask(&self, request: reqwest::RequestBuilder) -> reqwest::Result<(u16, String)> {
        self.runtime.block_on(async {
            let answer = request.send().await?;
            Ok((answer.status().as_u16(), answer.text().await?))
        })
    }
}
