//! What the operator says of an issuer.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use anyhow::bail;
use ostler_core::time::Span;
use ostler_tools::principal::Role;
use serde::Deserialize;
use serde_json::Value;

use super::sign_in::{ClientConfig, OidcClient};
use crate::urls::is_private;

/// Largest skew of clocks that may be asked for.
const SKEW_LIMIT: Span = Span::minutes(5);

/// As it is written in the configuration file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct OidcConfig {
    /// The issuer's address, exactly as its tokens say it in `iss`: `https://…`; plain HTTP on loopback only.
    pub issuer: String,
    /// What tokens must be made for (`aud`): this server's address as its clients know it.
    pub audience: String,
    /// The claim with the bearer's name; `sub` where absent.
    #[serde(default)]
    pub name_claim: Option<String>,
    /// The claim with the bearer's groups; `groups` where absent.
    #[serde(default)]
    pub groups_claim: Option<String>,
    /// The groups that make a viewer, an operator, an admin.
    pub roles: BTreeMap<Role, BTreeSet<String>>,
    /// How far clocks may be apart; 60 s where absent, 5 min at most.
    #[serde(default)]
    pub skew: Option<Span>,
    /// How the console is known to the issuer; absent: nobody signs in to it by the issuer's page.
    #[serde(default)]
    pub console: Option<ClientConfig>,
}

/// The same, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Oidc {
    pub(super) issuer: String,
    pub(super) host: String,
    pub(super) audience: String,
    pub(super) name_claim: String,
    pub(super) groups_claim: String,
    pub(super) skew_seconds: u64,
    pub(super) console: Option<OidcClient>,
    roles: BTreeMap<Role, BTreeSet<String>>,
}

impl OidcConfig {
    /// Checks it; files that it names are looked for in `folder`.
    ///
    /// # Errors
    /// In words that name the field.
    pub fn check(self, folder: &Path) -> anyhow::Result<Oidc> {
        let host = host(&self.issuer)?;
        if self.audience.trim().is_empty() {
            bail!(
                "`identity.oidc.audience` is empty: give this server's address as its clients know it"
            );
        }
        if self.roles.values().all(BTreeSet::is_empty) {
            bail!(
                "`identity.oidc.roles` names no group, so nobody could be anything; name some for viewer, operator or admin"
            );
        }
        let skew = self.skew.unwrap_or(Span::seconds(60));
        if skew > SKEW_LIMIT {
            bail!("`identity.oidc.skew` is {skew}: 5m at most");
        }
        Ok(Oidc {
            issuer: self.issuer,
            host,
            audience: self.audience,
            name_claim: self.name_claim.unwrap_or_else(|| "sub".to_owned()),
            groups_claim: self.groups_claim.unwrap_or_else(|| "groups".to_owned()),
            skew_seconds: skew.0 / 1_000,
            console: (self.console)
                .map(|client| client.check(folder))
                .transpose()?,
            roles: self.roles,
        })
    }
}

/// The host of an issuer's address.
fn host(issuer: &str) -> anyhow::Result<String> {
    let Ok(url) = reqwest::Url::parse(issuer) else {
        bail!(
            "`identity.oidc.issuer` is `{issuer}`: give an address such as https://login.example.com/realms/ops"
        );
    };
    if !is_private(&url) {
        bail!(
            "`identity.oidc.issuer` is `{issuer}`: keys are fetched from it, so it must be https (plain http on loopback only)"
        );
    }
    Ok(url.host_str().unwrap_or_default().to_owned())
}

impl Oidc {
    /// What somebody of these groups may be; a text counts as one group.
    pub(super) fn roles_of(&self, groups: Option<&Value>) -> Vec<Role> {
        let one = groups.and_then(Value::as_str);
        let many = groups
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str);
        let held: BTreeSet<&str> = one.into_iter().chain(many).collect();
        let has =
            |wanted: &BTreeSet<String>| wanted.iter().any(|group| held.contains(group.as_str()));
        self.roles
            .iter()
            .filter(|(_, wanted)| has(wanted))
            .map(|(role, _)| *role)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(more: &str) -> anyhow::Result<Oidc> {
        let text =
            format!("issuer: https://login.example.com/ops\naudience: https://ostler\n{more}");
        serde_saphyr::from_str::<OidcConfig>(&text)?.check(Path::new("."))
    }

    #[test]
    fn groups_become_roles() {
        let oidc = parsed("roles: {viewer: [everyone], operator: [sre, ops]}").unwrap();
        assert_eq!(oidc.host, "login.example.com");
        let roles = |groups: Value| oidc.roles_of(Some(&groups));
        assert_eq!(
            roles(serde_json::json!(["ops", "everyone", "x"])),
            [Role::Viewer, Role::Operator]
        );
        assert_eq!(roles(serde_json::json!("sre")), [Role::Operator]);
        assert_eq!(roles(serde_json::json!(["admin", 7])), []);
        assert_eq!(oidc.roles_of(None), []);
    }

    #[test]
    fn what_makes_no_sense_is_refused_in_words() {
        for (text, words) in [
            ("roles: {}", "names no group"),
            ("roles: {viewer: [a]}\nskew: 10m", "5m at most"),
            ("roles: {root: [a]}", "root"),
            ("roles: {viewer: [a]}\nsecret: x", "secret"),
            ("roles: {viewer: [a]}\nconsole: {clientId: ''}", "clientId"),
            (
                "roles: {viewer: [a]}\nconsole: {clientId: x, address: 'http://ostler.example.com'}",
                "address",
            ),
        ] {
            let error = format!("{:#}", parsed(text).unwrap_err());
            assert!(error.contains(words), "{text}: {error}");
        }
        assert!(host("http://login.example.com").is_err());
        assert!(host("ftp://login.example.com").is_err());
        assert!(host("http://127.0.0.1:9000/x").is_ok());
    }
}
