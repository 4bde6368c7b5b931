//! Whom certificates of clients speak for: one name in the certificate, exactly as the operator wrote it.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::bail;
use ostler_tools::principal::{Principal, Role};
use rustls::pki_types::CertificateDer;
use serde::Deserialize;
use webpki::EndEntityCert;

/// Most people.
const LIMIT: usize = 1_000;
/// Most characters of a name.
const NAME_LIMIT: usize = 128;

/// A person as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PersonConfig {
    /// The user's name in the audit log.
    name: String,
    /// A URI among the certificate's subject alternative names, to the letter.
    #[serde(default)]
    uri: Option<String>,
    /// A DNS name among them; case does not matter, no wildcard.
    #[serde(default)]
    dns: Option<String>,
    roles: BTreeSet<Role>,
}

/// A name in a certificate.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Subject {
    Uri(String),
    Dns(String),
}

/// Everybody, by the name in their certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct People(BTreeMap<Subject, Principal>);

/// What a connection's certificate says of who is at its other end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Certified {
    /// There is none.
    Nothing,
    /// This person.
    Person(Principal),
    /// It is good, and nobody's who is known here, or of two people.
    Nobody,
    /// It was good when the connection was made and is so no more.
    Ended,
}

impl People {
    /// Checks what is written.
    ///
    /// # Errors
    /// In words that name the field.
    pub fn check(written: Vec<PersonConfig>) -> anyhow::Result<Self> {
        if written.is_empty() || written.len() > LIMIT {
            bail!(
                "`tls.clients.people` names {}: 1 to {LIMIT} people can come with a certificate",
                match written.len() {
                    0 => "nobody".to_owned(),
                    many => many.to_string(),
                }
            );
        }
        let mut people = BTreeMap::new();
        for person in written {
            let (subject, principal) = person.check()?;
            if let Some(Principal::User { name, .. }) = people.insert(subject, principal) {
                bail!(
                    "`tls.clients.people`: the name in `{name}`'s certificate is there twice; a certificate is one person's"
                );
            }
        }
        Ok(Self(people))
    }

    /// Whose a certificate is that was found good.
    pub fn of(&self, certificate: &CertificateDer<'_>) -> Certified {
        let Ok(parsed) = EndEntityCert::try_from(certificate) else {
            return Certified::Ended;
        };
        let uris = parsed
            .valid_uri_names()
            .map(|uri| Subject::Uri(uri.to_owned()));
        let names = parsed
            .valid_dns_names()
            .map(|name| Subject::Dns(name.to_ascii_lowercase()));
        let found: BTreeSet<&Principal> = uris
            .chain(names)
            .filter_map(|subject| self.0.get(&subject))
            .collect();
        match found.into_iter().collect::<Vec<_>>().as_slice() {
            [one] => Certified::Person((*one).clone()),
            _ => Certified::Nobody,
        }
    }
}

impl PersonConfig {
    fn check(self) -> anyhow::Result<(Subject, Principal)> {
        let shown: String = self.name.chars().take(NAME_LIMIT).collect();
        let fits = |c: char| !c.is_control() && !c.is_whitespace();
        let usable = !self.name.is_empty() && self.name.chars().count() <= NAME_LIMIT;
        if !usable || !self.name.chars().all(fits) {
            bail!(
                "`tls.clients.people`: `{shown}` is no name; write 1 to {NAME_LIMIT} characters without spaces"
            );
        }
        let subject = match (self.uri, self.dns) {
            (Some(uri), None) if uri.contains(':') => Subject::Uri(uri),
            (None, Some(dns)) if !dns.is_empty() => Subject::Dns(dns.to_ascii_lowercase()),
            _ => bail!(
                "`tls.clients.people`: `{shown}` needs `uri` or `dns`, one of them: a name in their certificate such as \
                 uri: spiffe://example.com/{shown}"
            ),
        };
        if matches!(&subject, Subject::Dns(name) if name.contains('*')) {
            bail!(
                "`tls.clients.people`: `dns` of `{shown}` has a `*`; a certificate is one person's, write its whole name"
            );
        }
        if self.roles.is_empty() {
            bail!(
                "`tls.clients.people`: `{shown}` has no role; give some of viewer, operator, admin"
            );
        }
        let roles = self.roles.into_iter().collect();
        let name = self.name;
        Ok((subject, Principal::User { name, roles }))
    }
}
