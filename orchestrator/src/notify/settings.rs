//! What the operator says of webhooks: `notify` in the file of `--config`.

use std::{
    collections::BTreeSet,
    fmt,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use reqwest::Url;
use serde::Deserialize;

use super::sign::Secrets;
use crate::{key_file::read_secret, urls::is_private};

/// Most webhooks.
const LIMIT: usize = 10;
/// Most characters of a webhook's name.
const NAME_LIMIT: usize = 32;

/// As it is written; files are relative to the configuration's own folder.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NotifyConfig {
    /// Where people reach the console, for links.
    #[serde(default)]
    console_url: Option<String>,
    webhooks: Vec<WebhookConfig>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WebhookConfig {
    /// What it is called in logs and metrics.
    name: String,
    #[serde(default)]
    url: Option<String>,
    /// A file with the address, where that is a secret itself.
    #[serde(default)]
    url_file: Option<PathBuf>,
    /// A file with what posts are signed with: `whsec_` and base64, one or two lines.
    #[serde(default)]
    secret_file: Option<PathBuf>,
    #[serde(default)]
    format: Format,
}

/// How a post is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// For programs.
    #[default]
    Json,
    /// For a Slack channel, or what takes the same.
    Slack,
}

/// The same, checked. What stands in the files is not read yet.
#[derive(Debug, Clone, Default)]
pub struct NotifySettings {
    console: Option<Url>,
    webhooks: Vec<Webhook>,
}

#[derive(Debug, Clone)]
struct Webhook {
    name: String,
    place: Place,
    secret: Option<PathBuf>,
    format: Format,
}

/// Where posts go.
#[derive(Clone)]
enum Place {
    Here(Url),
    File(PathBuf),
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Place(…)")
    }
}

/// A webhook, ready. Its address is a secret: it is written nowhere.
pub struct Hook {
    pub(super) name: String,
    pub(super) url: Url,
    pub(super) secrets: Secrets,
    pub(super) format: Format,
    /// Where people reach the console.
    pub(super) console: Option<Url>,
}

impl NotifyConfig {
    /// Checks it; files are looked for in `folder`.
    ///
    /// # Errors
    /// In words that name the field, never an address.
    pub fn check(self, folder: &Path) -> anyhow::Result<NotifySettings> {
        if self.webhooks.len() > LIMIT {
            bail!(
                "`notify.webhooks` has {}: {LIMIT} at most",
                self.webhooks.len()
            );
        }
        let console = self.console_url.as_deref().map(console).transpose()?;
        let mut names = BTreeSet::new();
        let mut webhooks = Vec::new();
        for written in self.webhooks {
            let webhook = written.check(folder)?;
            if !names.insert(webhook.name.clone()) {
                bail!("`notify.webhooks`: `{}` is there twice", webhook.name);
            }
            webhooks.push(webhook);
        }
        Ok(NotifySettings { console, webhooks })
    }
}

impl WebhookConfig {
    fn check(self, folder: &Path) -> anyhow::Result<Webhook> {
        let shown: String = self.name.chars().take(NAME_LIMIT).collect();
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if self.name.is_empty() || self.name.len() > NAME_LIMIT || !self.name.chars().all(fits) {
            bail!(
                "`notify.webhooks`: `{shown}` is no name; write 1 to {NAME_LIMIT} of a-z, 0-9 and `-`"
            );
        }
        let place = match (self.url, self.url_file) {
            (Some(url), None) => Place::Here(address(&shown, &url)?),
            (None, Some(file)) => Place::File(folder.join(file)),
            _ => bail!("`notify.webhooks`: `{shown}` needs `url` or `url_file`, one of them"),
        };
        if self.secret_file.is_none() && self.format == Format::Json {
            bail!(
                "`notify.webhooks`: `{shown}` needs `secret_file`: without a signature whoever finds its address could \
                 write to it in Ostler's name"
            );
        }
        Ok(Webhook {
            name: self.name,
            place,
            secret: self.secret_file.map(|file| folder.join(file)),
            format: self.format,
        })
    }
}

impl NotifySettings {
    /// Reads the files.
    pub(super) fn open(&self) -> anyhow::Result<Vec<Hook>> {
        let hook = |webhook: &Webhook| {
            let url = match &webhook.place {
                Place::Here(url) => url.clone(),
                Place::File(file) => {
                    let bytes = read_secret("notify.webhooks.url_file", file)?;
                    let text = std::str::from_utf8(&bytes).context(
                        "`notify.webhooks.url_file` is not text; write the address and nothing else",
                    )?;
                    address(&webhook.name, text.trim())?
                }
            };
            let secret = webhook.secret.as_deref();
            let secrets = secret.map(|file| {
                let bytes = read_secret("notify.webhooks.secret_file", file)?;
                Secrets::parse(&bytes)
                    .with_context(|| format!("`notify.webhooks.secret_file`: `{}`", file.display()))
            });
            Ok(Hook {
                name: webhook.name.clone(),
                url,
                secrets: secrets.transpose()?.unwrap_or_default(),
                format: webhook.format,
                console: self.console.clone(),
            })
        };
        self.webhooks.iter().map(hook).collect()
    }
}

/// A webhook's address. It is not shown when it is no good: it may be a secret.
fn address(name: &str, text: &str) -> anyhow::Result<Url> {
    let url = Url::parse(text).ok().filter(is_private);
    url.with_context(|| {
        format!(
            "`notify.webhooks`: the address of `{name}` must be https (plain http on loopback only)"
        )
    })
}

/// The console's address; links are made by adding to it.
fn console(text: &str) -> anyhow::Result<Url> {
    let usable = |url: &Url| {
        let bare = url.query().is_none() && url.fragment().is_none();
        is_private(url) && bare && url.username().is_empty() && url.password().is_none()
    };
    let url = Url::parse(text).ok().filter(usable);
    let mut url = url.with_context(|| {
        let shown: String = text.chars().take(200).collect();
        format!(
            "`notify.console_url` is `{shown}`: write where people reach the console, such as https://ostler.example.com:7070"
        )
    })?;
    if !url.path().ends_with('/') {
        let path = format!("{}/", url.path());
        url.set_path(&path);
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> anyhow::Result<NotifySettings> {
        serde_saphyr::from_str::<NotifyConfig>(text)?.check(Path::new("/etc/ostler"))
    }

    #[test]
    fn what_makes_no_sense_is_refused_without_showing_an_address() {
        let hook = |fields: &str| format!("{{webhooks: [{{name: ops, {fields}}}]}}");
        for (text, words) in [
            (hook("url: 'https://hooks.example/T0/secret'"), "secret_file"),
            (
                hook("url: 'http://hooks.example/T0/secret', secret_file: s"),
                "must be https",
            ),
            (hook("secret_file: s"), "`url` or `url_file`"),
            (
                hook("url: 'https://hooks.example/T0/secret', url_file: u, secret_file: s"),
                "`url` or `url_file`",
            ),
            (
                hook("url: 'https://h/', secret_file: s, format: teams"),
                "teams",
            ),
            (
                "{webhooks: [{name: 'O ps', url: 'https://h/', secret_file: s}]}".to_owned(),
                "`O ps`",
            ),
            (
                "{webhooks: [{name: a, url_file: u, format: slack}, {name: a, url_file: u, format: slack}]}".to_owned(),
                "twice",
            ),
            (
                "{console_url: 'http://ostler.example', webhooks: []}".to_owned(),
                "console_url",
            ),
        ] {
            let error = format!("{:#}", parsed(&text).unwrap_err());
            assert!(error.contains(words), "{text}: {error}");
            assert!(!error.contains("T0/secret"), "{error}");
        }
    }

    #[test]
    fn nothing_that_is_printed_of_settings_holds_an_address() {
        let text =
            "{webhooks: [{name: ops, url: 'https://hooks.example/T0/secret', format: slack}]}";
        let settings = parsed(text).unwrap();
        let shown = format!("{settings:?}");
        assert!(shown.contains("ops") && !shown.contains("T0"), "{shown}");
    }
}
