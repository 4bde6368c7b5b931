//! Image names: what people write, and the one canonical form they are stored under.

use oci_client::Reference;

use super::{ImageError, digest::Digest, registry::is_loopback};

/// A parsed image name.
#[derive(Debug, Clone)]
pub(super) struct Name {
    /// As written.
    pub(super) text: String,
    /// Registry, repository and tag or digest, spelled out.
    pub(super) canonical: String,
    /// The digest it demands, if any.
    pub(super) digest: Option<Digest>,
    /// Whether a registry was named.
    pub(super) qualified: bool,
    /// For the registry; absent for a bare digest.
    pub(super) reference: Option<Reference>,
}

impl Name {
    /// Parses `name:tag`, `registry/name:tag`, `…@sha256:…` or a bare `sha256:…`.
    pub(super) fn parse(text: &str, default_registry: Option<&str>) -> Result<Self, ImageError> {
        if text.starts_with("sha256:") {
            return Self::bare(text);
        }
        let invalid = |detail: String| ImageError::InvalidReference {
            reference: text.chars().take(200).collect(),
            detail,
        };
        let qualified = is_qualified(text);
        let full = match default_registry {
            Some(registry) if !qualified && registry != "docker.io" => format!("{registry}/{text}"),
            _ => text.to_owned(),
        };
        let reference: Reference = full
            .parse()
            .map_err(|error: oci_client::ParseError| invalid(error.to_string()))?;
        if let Some(port) = odd_port(reference.registry()) {
            return Err(invalid(format!("`{port}` is not how a port is written")));
        }
        let digest = reference.digest().map(Digest::parse).transpose();
        Ok(Self {
            text: text.to_owned(),
            canonical: reference.whole(),
            digest: digest.map_err(|error| invalid(error.to_string()))?,
            qualified,
            reference: Some(reference),
        })
    }

    /// Registry and repository, in the one way that rules are written in: hosts have no upper case, no
    /// last dot, and their usual port goes without saying. Absent for a bare digest.
    pub(super) fn repository(&self) -> Option<String> {
        self.reference.as_ref().map(repository)
    }

    fn bare(text: &str) -> Result<Self, ImageError> {
        let digest = Digest::parse(text).map_err(|error| ImageError::InvalidReference {
            reference: text.chars().take(200).collect(),
            detail: error.to_string(),
        })?;
        Ok(Self {
            text: text.to_owned(),
            canonical: text.to_owned(),
            digest: Some(digest),
            qualified: false,
            reference: None,
        })
    }
}

/// As [`Name::repository`].
pub(super) fn repository(reference: &Reference) -> String {
    let host = reference.registry().to_ascii_lowercase();
    // What is spoken plainly on this machine has another usual port.
    let usual = if is_loopback(&host) { ":80" } else { ":443" };
    let host = host.strip_suffix(usual).unwrap_or(&host);
    let host = match host.trim_end_matches('.') {
        "index.docker.io" | "registry-1.docker.io" => "docker.io",
        host => host,
    };
    format!("{host}/{}", reference.repository())
}

/// A port that is written otherwise than everybody writes it: it would reach a registry past the rules
/// for it.
fn odd_port(registry: &str) -> Option<&str> {
    let (_, port) = registry.rsplit_once(':')?;
    let number = port.parse::<u16>().ok().filter(|number| *number != 0);
    number
        .is_none_or(|number| number.to_string() != port)
        .then_some(port)
}

/// Whether the first part names a registry, by the rule every engine follows.
fn is_qualified(text: &str) -> bool {
    text.split_once('/')
        .is_some_and(|(first, _)| first == "localhost" || first.contains(['.', ':']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_one_canonical_form() {
        let hex = "a".repeat(64);
        for (text, canonical, qualified) in [
            ("shop", "docker.io/library/shop:latest".to_owned(), false),
            ("shop:1", "docker.io/library/shop:1".to_owned(), false),
            (
                "127.0.0.1:5000/shop:1",
                "127.0.0.1:5000/shop:1".to_owned(),
                true,
            ),
            ("localhost/shop:1", "localhost/shop:1".to_owned(), true),
        ] {
            let name = Name::parse(text, Some("docker.io")).unwrap();
            assert_eq!(
                (name.canonical, name.qualified),
                (canonical, qualified),
                "{text}"
            );
        }
        let pinned = Name::parse(&format!("a.example/shop@sha256:{hex}"), None).unwrap();
        assert_eq!(pinned.digest.unwrap().hex(), hex);
        let other = Name::parse("shop:1", Some("a.example")).unwrap();
        assert_eq!(other.canonical, "a.example/shop:1");
    }

    #[test]
    fn nonsense_is_refused_with_what_is_accepted() {
        for text in [
            "",
            "Shop:1",
            "shop:",
            "shop@sha256:12",
            "sha256:xyz",
            "a b",
            "../x",
            "a.example:0443/shop",
            "127.0.0.1:05000/shop",
            "a.example:0/shop",
            "a.example:65979/shop",
        ] {
            let error = Name::parse(text, Some("docker.io")).unwrap_err();
            assert!(
                error.to_string().contains("registry/name:tag"),
                "{text}: {error}"
            );
        }
    }
}
