//! What the operator demands of images: `images` in the file of `--config`. Read and checked here;
//! followed by the backend, at each pull and each start.

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use ostler_runtime::image::{
    Demand, ImagePattern, ImagesConfig as Store, PublicKey, SignatureRule, SignatureRules,
};
use serde::Deserialize;

/// Bytes of a file with keys.
const KEY_FILE_LIMIT: u64 = 64 << 10;
/// Keys of one rule.
const KEYS_LIMIT: usize = 20;
/// How PEM begins, and no file's name does.
const PEM: &str = "-----BEGIN";

/// As it is written; files are relative to the configuration's own folder.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImagesConfig {
    /// The first rule that fits an image decides; where none fits, it may run.
    #[serde(default)]
    signatures: Vec<RuleConfig>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleConfig {
    /// `registry/name`, `registry/path/*` or `*`.
    images: String,
    /// Public keys: PEM, or files of it. A signature by any one of them will do.
    #[serde(default)]
    keys: Vec<String>,
    /// Digests that are vouched for by being listed.
    #[serde(default)]
    digests: Vec<String>,
    /// What of images that neither a key nor a digest vouches for.
    #[serde(default)]
    unsigned: Option<Unsigned>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Unsigned {
    Refuse,
    Allow,
}

impl ImagesConfig {
    /// Reads the keys and checks the rules.
    ///
    /// # Errors
    /// When a rule makes no sense or a key cannot be used; names it.
    pub fn check(self, folder: &Path) -> anyhow::Result<SignatureRules> {
        let mut rules = Vec::new();
        for (number, rule) in self.signatures.into_iter().enumerate() {
            let shown: String = rule.images.chars().take(100).collect();
            let read = rule.check(folder);
            rules.push(read.with_context(|| {
                let number = number.saturating_add(1);
                format!("`images.signatures`: rule {number}, for `{shown}`, is not acceptable")
            })?);
        }
        SignatureRules::new(rules).context("`images.signatures` is not acceptable")
    }
}

impl RuleConfig {
    fn check(self, folder: &Path) -> anyhow::Result<SignatureRule> {
        let registry = Store::default().default_registry;
        let pattern = ImagePattern::parse(&self.images, registry.as_deref())?;
        let named = !self.keys.is_empty() || !self.digests.is_empty();
        let demand = match (self.unsigned, named) {
            (Some(Unsigned::Allow), false) => Demand::Nothing,
            (Some(Unsigned::Allow), true) => bail!(
                "`unsigned: allow` makes its keys and digests worth nothing; leave out the one or the others"
            ),
            (None, false) => {
                bail!("it says nothing: give `keys`, `digests`, or `unsigned: refuse` or `allow`")
            }
            (Some(Unsigned::Refuse) | None, _) => Demand::Vouched {
                keys: keys(&self.keys, folder)?,
                digests: self.digests,
            },
        };
        Ok(SignatureRule::new(pattern, demand)?)
    }
}

fn keys(entries: &[String], folder: &Path) -> anyhow::Result<Vec<PublicKey>> {
    let mut keys = Vec::new();
    for (number, entry) in entries.iter().enumerate() {
        let inline = entry.trim_start().starts_with(PEM);
        let (name, pem) = if inline {
            let number = number.saturating_add(1);
            (format!("key {number}"), entry.clone())
        } else {
            let file: PathBuf = folder.join(entry);
            let name = format!("`{}`", file.display());
            let text = read(&file).with_context(|| format!("cannot read {name}"))?;
            (name, text)
        };
        let read = PublicKey::read(&pem);
        keys.extend(read.with_context(|| format!("{name} is no public key of cosign's"))?);
    }
    if keys.len() > KEYS_LIMIT {
        bail!("it names {} keys: {KEYS_LIMIT} at most", keys.len());
    }
    Ok(keys)
}

fn read(file: &Path) -> anyhow::Result<String> {
    let mut text = String::new();
    let mut open = File::open(file)?.take(KEY_FILE_LIMIT.saturating_add(1));
    open.read_to_string(&mut text)?;
    if text.len() as u64 > KEY_FILE_LIMIT {
        bail!("it has more than {KEY_FILE_LIMIT} bytes");
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use rcgen::{KeyPair, PublicKeyData};

    use super::ImagesConfig;

    fn refused(text: &str, folder: &Path) -> String {
        let config: ImagesConfig = serde_saphyr::from_str(text).unwrap();
        format!("{:#}", config.check(folder).unwrap_err())
    }

    #[test]
    fn keys_are_given_as_text_or_as_files_beside_the_configuration() {
        let dir = tempfile::tempdir().unwrap();
        let pair = KeyPair::generate().unwrap();
        assert!(!pair.der_bytes().is_empty());
        let pem = pair.public_key_pem();
        fs::write(dir.path().join("cosign.pub"), &pem).unwrap();
        let inline = serde_json::json!({ "signatures": [
            { "images": "a.example/shop/*", "keys": ["cosign.pub", pem] },
            { "images": "a.example/open", "unsigned": "allow" },
            { "images": "*", "unsigned": "refuse" },
        ]});
        let config: ImagesConfig = serde_json::from_value(inline).unwrap();
        let rules = config.check(dir.path()).unwrap();
        assert!(!rules.is_empty());
        let twice = format!("{rules:?}").matches("key sha256:").count();
        assert_eq!(twice, 2);
        let none: ImagesConfig = serde_saphyr::from_str("{}").unwrap();
        assert!(none.check(dir.path()).unwrap().is_empty());
    }

    #[test]
    fn what_is_wrong_is_named_with_what_is_accepted() {
        let dir = tempfile::tempdir().unwrap();
        let secret = KeyPair::generate().unwrap().serialize_pem();
        fs::write(dir.path().join("cosign.key"), &secret).unwrap();
        let hex = "a".repeat(64);
        for (rule, words) in [
            ("{ images: 'x' }".to_owned(), "it says nothing"),
            (
                "{ images: 'x:1', unsigned: refuse }".to_owned(),
                "a tag can be moved",
            ),
            (
                "{ images: 'x', keys: [ nowhere.pub ] }".to_owned(),
                "nowhere.pub",
            ),
            (
                "{ images: 'x', keys: [ cosign.key ] }".to_owned(),
                "it is a private key",
            ),
            (
                "{ images: 'x', digests: [ sha256:12 ] }".to_owned(),
                "`sha256:12` is not a digest",
            ),
            (
                format!("{{ images: 'x', digests: [ 'sha256:{hex}' ], unsigned: allow }}"),
                "worth nothing",
            ),
        ] {
            let text =
                format!("signatures: [ {{ images: 'first/one', unsigned: allow }}, {rule} ]");
            let said = refused(&text, dir.path());
            assert!(said.contains(words), "{rule}: {said}");
            assert!(said.contains("rule 2"), "{said}");
            let line = secret.lines().nth(1).unwrap();
            assert!(!said.contains(line), "no part of a key is told");
        }
        let said = refused(
            "signatures: [ { images: '*', unsigned: refuse }, { images: 'x', unsigned: allow } ]",
            dir.path(),
        );
        assert!(said.contains("never reached"), "{said}");
        let unknown = "signatures: [ { images: 'x', unsinged: refuse } ]";
        assert!(serde_saphyr::from_str::<ImagesConfig>(unknown).is_err());
    }
}
