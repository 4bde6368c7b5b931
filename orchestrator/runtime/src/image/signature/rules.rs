//! What the operator demands of images: ordered rules, of which the first that fits decides.
//!
//! Rules go by registry and repository, never by tag: a tag is whatever somebody moved it to.

use super::{super::digest::Digest, key::PublicKey};
use crate::image::{ImageError, name::Name};

/// Most rules.
const RULES_LIMIT: usize = 100;
/// Most digests of one rule.
const DIGESTS_LIMIT: usize = 1_000;

/// Rules about signatures. None: every image may run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SignatureRules(Vec<SignatureRule>);

/// What is demanded of the images that a pattern covers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignatureRule {
    pattern: ImagePattern,
    demand: Demand,
}

/// What an image must be to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Demand {
    /// Nothing at all.
    Nothing,
    /// Signed by one of the keys, or one of the digests. With neither, no image will do.
    Vouched {
        /// Any one of them.
        keys: Vec<PublicKey>,
        /// Manifests (or lists of them) that an operator vouches for by name.
        digests: Vec<String>,
    },
}

/// Which images: one repository, all below a path, or all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImagePattern {
    text: String,
    scope: Scope,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Scope {
    All,
    /// With its last slash.
    Below(String),
    One(String),
}

/// Why rules make no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// Not a pattern.
    #[error(
        "`{pattern}` covers no images: {detail}; write `registry/name`, `registry/path/*` or `*`"
    )]
    Pattern {
        /// What was given.
        pattern: String,
        /// What is wrong with it.
        detail: String,
    },
    /// Not a digest.
    #[error("`{0}` is not a digest: `sha256:` with 64 hexadecimal digits is accepted")]
    Digest(String),
    /// Never reached.
    #[error(
        "the rule for `{later}` is never reached: the one for `{earlier}` before it covers the same images"
    )]
    Unreachable {
        /// The one without effect.
        later: String,
        /// What stands in its way.
        earlier: String,
    },
    /// Too many.
    #[error("there are {found} {what}: {limit} at most")]
    Many {
        /// Of what.
        what: &'static str,
        /// How many.
        found: usize,
        /// How many there may be.
        limit: usize,
    },
}

impl SignatureRules {
    /// Checked rules, first match first.
    ///
    /// # Errors
    /// [`RuleError`] when there are too many or one has no effect.
    pub fn new(rules: Vec<SignatureRule>) -> Result<Self, RuleError> {
        if rules.len() > RULES_LIMIT {
            return Err(RuleError::Many {
                what: "rules about signatures",
                found: rules.len(),
                limit: RULES_LIMIT,
            });
        }
        for (number, later) in rules.iter().enumerate() {
            let mut before = rules.iter().take(number);
            if let Some(earlier) = before.find(|rule| rule.pattern.covers(&later.pattern)) {
                return Err(RuleError::Unreachable {
                    later: later.pattern.text.clone(),
                    earlier: earlier.pattern.text.clone(),
                });
            }
        }
        Ok(Self(rules))
    }

    /// Whether nothing is demanded of any image.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The rule for an image that is called by a repository's name, if there is one. What a rule allows
    /// whatever it is, it allows to what was fetched from there.
    pub(super) fn of(&self, repository: &str, fetched: bool) -> Option<&SignatureRule> {
        let mut rules = self.0.iter();
        rules.find(|rule| rule.pattern.fits(repository) && (fetched || !rule.trusts_a_place()))
    }
}

impl SignatureRule {
    /// A rule.
    ///
    /// # Errors
    /// [`RuleError`] when a digest is none, or there are too many.
    pub fn new(pattern: ImagePattern, demand: Demand) -> Result<Self, RuleError> {
        if let Demand::Vouched { digests, .. } = &demand {
            if digests.len() > DIGESTS_LIMIT {
                return Err(RuleError::Many {
                    what: "digests in one rule",
                    found: digests.len(),
                    limit: DIGESTS_LIMIT,
                });
            }
            let wrong = digests.iter().find(|text| Digest::parse(text).is_err());
            if let Some(text) = wrong {
                return Err(RuleError::Digest(shown(text)));
            }
        }
        Ok(Self { pattern, demand })
    }

    /// The pattern as it was written.
    pub(super) fn pattern(&self) -> &str {
        &self.pattern.text
    }

    pub(super) fn demand(&self) -> &Demand {
        &self.demand
    }

    fn trusts_a_place(&self) -> bool {
        self.demand == Demand::Nothing && self.pattern.scope != Scope::All
    }
}

impl ImagePattern {
    /// Reads `registry/name`, `registry/path/*` or `*`; names without a registry are completed as
    /// those of images are.
    ///
    /// # Errors
    /// [`RuleError::Pattern`].
    pub fn parse(text: &str, default_registry: Option<&str>) -> Result<Self, RuleError> {
        let scope = Self::scope(text, default_registry).map_err(|detail| RuleError::Pattern {
            pattern: shown(text),
            detail,
        })?;
        Ok(Self {
            text: text.to_owned(),
            scope,
        })
    }

    fn scope(text: &str, default_registry: Option<&str>) -> Result<Scope, String> {
        if text == "*" {
            return Ok(Scope::All);
        }
        let repository = |text: &str| {
            if text.contains('*') {
                return Err(
                    "`*` stands alone or for all below a path, behind its last `/`".to_owned(),
                );
            }
            let name = Name::parse(text, default_registry).map_err(|error| match error {
                ImageError::InvalidReference { detail, .. } => detail,
                other => other.to_string(),
            })?;
            let tagged = text
                .rsplit('/')
                .next()
                .is_some_and(|last| last.contains(':'));
            if name.digest.is_some() || tagged {
                return Err("a tag can be moved, and a digest is listed in `digests`; name the repository only".to_owned());
            }
            name.repository()
                .ok_or_else(|| "it names no repository".to_owned())
        };
        let Some(path) = text.strip_suffix("/*") else {
            return repository(text).map(Scope::One);
        };
        // Whatever stands below it tells which registry it is of, and whether it can be one at all.
        let inside = repository(&format!("{path}/x"))?;
        Ok(Scope::Below(inside.trim_end_matches('x').to_owned()))
    }

    fn fits(&self, repository: &str) -> bool {
        match &self.scope {
            Scope::All => true,
            Scope::Below(path) => repository.starts_with(path.as_str()),
            Scope::One(one) => one == repository,
        }
    }

    /// Whether whatever the other fits fits this too.
    fn covers(&self, other: &Self) -> bool {
        match &other.scope {
            Scope::All => self.scope == Scope::All,
            Scope::Below(path) => match &self.scope {
                Scope::All => true,
                Scope::Below(mine) => path.starts_with(mine.as_str()),
                Scope::One(_) => false,
            },
            Scope::One(one) => self.fits(one),
        }
    }
}

fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(100).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> Result<ImagePattern, RuleError> {
        ImagePattern::parse(text, Some("docker.io"))
    }

    fn repository(text: &str) -> String {
        Name::parse(text, Some("docker.io"))
            .unwrap()
            .repository()
            .unwrap()
    }

    fn rule(text: &str) -> SignatureRule {
        SignatureRule::new(pattern(text).unwrap(), Demand::Nothing).unwrap()
    }

    #[test]
    fn patterns_fit_what_they_say_however_it_is_written() {
        let hex = "a".repeat(64);
        for (text, image, fits) in [
            ("*", "anything:1", true),
            ("nginx", "docker.io/library/nginx:1", true),
            ("nginx", "index.docker.io/library/nginx:1", true),
            ("nginx", "nginx2", false),
            ("team/*", "docker.io/team/app", true),
            ("team/*", "teams/app", false),
            ("a.example/team/*", "a.example/team/app:1", true),
            ("a.example/team/*", "A.Example/team/deep/app", true),
            ("a.example/team/*", "a.example:443/team/app", true),
            ("A.example/team/*", "a.example/team/app", true),
            ("a.example/team/*", "a.example/team", false),
            ("a.example/team/*", "a.example.evil.example/team/app", false),
            ("a.example/*", "a.example/x/y/z", true),
            ("a.example/app", "a.example/app:2", true),
            ("a.example/app", "a.example/app/other", false),
            ("a.example:443/team/*", "a.example/team/app", true),
            ("a.example/team/*", "a.example:80/team/app", false),
            ("localhost/*", "localhost:80/app", true),
            ("localhost/*", "localhost:443/app", false),
            ("127.0.0.1:5000/*", "127.0.0.1:5000/app", true),
            ("127.0.0.1:5000/*", "127.0.0.1:5001/app", false),
        ] {
            let found = pattern(text).unwrap().fits(&repository(image));
            assert_eq!(found, fits, "{text} and {image}");
            let pinned = format!("{}@sha256:{hex}", image.split(":1").next().unwrap());
            if !image.contains("127.0.0.1") {
                let found = pattern(text).unwrap().fits(&repository(&pinned));
                assert_eq!(found, fits, "{text} and {pinned}");
            }
        }
    }

    #[test]
    fn what_covers_nothing_is_refused_with_what_is_accepted() {
        let hex = "a".repeat(64);
        for text in [
            "",
            "a.example/app:1",
            "app:1",
            "a.*/app",
            "a.example/te*m/app",
            "*/app",
            "**",
            "a.example/*/*",
            "sha256:x",
            &format!("a.example/app@sha256:{hex}"),
            "/*",
            "a.example:0443/*",
        ] {
            let error = pattern(text).unwrap_err().to_string();
            assert!(error.contains("registry/path/*"), "{text}: {error}");
        }
    }

    #[test]
    fn a_rule_without_effect_is_an_error() {
        for (rules, sound) in [
            (["a.example/app", "a.example/*"], true),
            (["a.example/*", "b.example/*"], true),
            (["a.example/*", "*"], true),
            (["a.example/*", "a.example/app"], false),
            (["a.example/*", "a.example/team/*"], false),
            (["*", "a.example/app"], false),
            (["app", "docker.io/library/app"], false),
        ] {
            let made = SignatureRules::new(rules.map(rule).to_vec());
            assert_eq!(made.is_ok(), sound, "{rules:?}: {made:?}");
        }
    }
}
