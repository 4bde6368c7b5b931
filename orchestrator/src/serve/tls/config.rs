//! What the operator says of TLS: `tls` in the file of `--config`.

use std::{
    net::IpAddr,
    path::{Path, PathBuf},
};

use anyhow::bail;
use serde::Deserialize;

use super::people::{People, PersonConfig};

/// Most names of this server.
const NAMES_LIMIT: usize = 32;

/// As it is written; files are relative to the configuration's own folder.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsConfig {
    /// PEM: this server's certificate, then those between it and the authority.
    certificate: PathBuf,
    /// PEM: its private key, readable by the daemon's user alone.
    key: PathBuf,
    /// Names and addresses by which clients call this server, beside loopback ones; the first is shown in links.
    #[serde(default)]
    names: Vec<String>,
    /// Whose certificates of clients count; absent, clients are not asked for any.
    #[serde(default)]
    clients: Option<ClientsConfig>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ClientsConfig {
    /// PEM: the authority that signs clients' certificates; several while one follows another.
    authority: PathBuf,
    /// PEM: lists of revoked certificates, one of each authority.
    #[serde(default)]
    revoked: Option<PathBuf>,
    people: Vec<PersonConfig>,
}

/// The same, checked. What stands in the files is not read yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsSettings {
    pub(super) certificate: PathBuf,
    pub(super) key: PathBuf,
    /// See the file.
    pub names: Vec<String>,
    pub(super) clients: Option<ClientsSettings>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ClientsSettings {
    pub(super) authority: PathBuf,
    pub(super) revoked: Option<PathBuf>,
    pub(super) people: People,
}

impl TlsConfig {
    /// Checks it; files are looked for in `folder`.
    ///
    /// # Errors
    /// In words that name the field.
    pub fn check(self, folder: &Path) -> anyhow::Result<TlsSettings> {
        if self.names.len() > NAMES_LIMIT {
            bail!(
                "`tls.names` has {} names: {NAMES_LIMIT} at most",
                self.names.len()
            );
        }
        let bad = self.names.iter().find(|name| !is_name(name));
        if let Some(name) = bad {
            let shown: String = name.chars().take(80).collect();
            bail!(
                "`tls.names`: `{shown}` is not the name of one server; write such as ostler.example.com, without port or `*`"
            );
        }
        let clients = self.clients.map(|clients| {
            Ok::<_, anyhow::Error>(ClientsSettings {
                authority: folder.join(clients.authority),
                revoked: clients.revoked.map(|file| folder.join(file)),
                people: People::check(clients.people)?,
            })
        });
        Ok(TlsSettings {
            certificate: folder.join(self.certificate),
            key: folder.join(self.key),
            names: self.names,
            clients: clients.transpose()?,
        })
    }
}

/// A DNS name or an address.
fn is_name(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
    let dns = !name.is_empty() && name.len() <= 253 && name.chars().all(fits);
    dns || name.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> anyhow::Result<TlsSettings> {
        serde_saphyr::from_str::<TlsConfig>(text)?.check(Path::new("/etc/ostler"))
    }

    #[test]
    fn files_stand_beside_the_configuration() {
        let settings =
            parsed("{certificate: tls.crt, key: /run/tls.key, names: [a.example, '::1']}").unwrap();
        assert_eq!(settings.certificate, Path::new("/etc/ostler/tls.crt"));
        assert_eq!(settings.key, Path::new("/run/tls.key"));
    }

    #[test]
    fn what_makes_no_sense_is_refused_in_words() {
        let clients = |people: &str| {
            format!("{{certificate: c, key: k, clients: {{authority: a, people: {people}}}}}")
        };
        for (text, words) in [
            ("{certificate: c}".to_owned(), "key"),
            (
                "{certificate: c, key: k, names: ['*.example']}".to_owned(),
                "`*.example`",
            ),
            (
                "{certificate: c, key: k, names: ['a.example:7070']}".to_owned(),
                "without port",
            ),
            ("{certificate: c, key: k, pin: x}".to_owned(), "pin"),
            (clients("[]"), "names nobody"),
            (clients("[{name: ann, roles: [viewer]}]"), "`uri` or `dns`"),
            (
                clients("[{name: ann, uri: 'x:a', dns: a, roles: [viewer]}]"),
                "`uri` or `dns`",
            ),
            (
                clients("[{name: ann, dns: '*.example', roles: [viewer]}]"),
                "`*`",
            ),
            (
                clients("[{name: 'a b', dns: a.example, roles: [viewer]}]"),
                "`a b`",
            ),
            (
                clients("[{name: ann, dns: a.example, roles: []}]"),
                "no role",
            ),
            (
                clients(
                    "[{name: ann, dns: a.example, roles: [viewer]}, {name: bob, dns: A.example, roles: [admin]}]",
                ),
                "twice",
            ),
            (
                clients("[{name: ann, dns: a.example, roles: [root]}]"),
                "root",
            ),
        ] {
            let error = format!("{:#}", parsed(&text).unwrap_err());
            assert!(error.contains(words), "{text}: {error}");
        }
    }
}
