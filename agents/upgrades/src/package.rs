//! What an image holds, from what its package managers and its bill of materials say.
//!
//! All of it was written by whoever made the image: nothing here trusts more of it than a name and a
//! version, and a bounded number of those.

use std::{cmp::Ordering, collections::BTreeSet};

use serde::Deserialize;

/// Most packages of one image that are looked at.
pub const PACKAGES_LIMIT: usize = 20_000;
/// Longest name or version.
const TEXT_LIMIT: usize = 200;

/// One package of an image, by the name under which vulnerabilities speak of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Package {
    /// As OSV calls it: `Debian:12`, `Alpine:v3.20`, `npm`.
    pub ecosystem: String,
    /// Of Debian's and Alpine's the source package.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// How versions of an ecosystem are ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// As `dpkg` does.
    Dpkg,
    /// As `apk` does.
    Apk,
    /// As SemVer says.
    Semver,
}

impl Order {
    /// The order of an ecosystem.
    #[must_use]
    pub fn of(ecosystem: &str) -> Self {
        match ecosystem.split(':').next() {
            Some("Debian" | "Ubuntu") => Self::Dpkg,
            Some("Alpine" | "Wolfi" | "Chainguard") => Self::Apk,
            _ => Self::Semver,
        }
    }

    /// Compares two versions; nothing where one is no version of this order.
    #[must_use]
    pub fn compare(self, one: &str, other: &str) -> Option<Ordering> {
        if !one.is_ascii() || !other.is_ascii() {
            return None;
        }
        match self {
            Self::Dpkg => Some(deb_version::compare_versions(one, other)),
            Self::Apk => Some(Apk::read(one)?.cmp(&Apk::read(other)?)),
            Self::Semver => Some(semantic(one)?.cmp_precedence(&semantic(other)?)),
        }
    }
}

/// SemVer, with numbers that are missing taken as zero: packages are not that strict.
fn semantic(text: &str) -> Option<semver::Version> {
    let text = text.trim_start_matches('v');
    let core = text.find(['-', '+']).unwrap_or(text.len());
    let (numbers, rest) = text.split_at_checked(core)?;
    let missing = 2_usize.checked_sub(numbers.matches('.').count())?;
    semver::Version::parse(&format!("{numbers}{}{rest}", ".0".repeat(missing))).ok()
}

/// A version as `apk` reads it: numbers, a letter, suffixes, a release.
#[derive(PartialEq, Eq)]
struct Apk<'t> {
    numbers: Vec<&'t str>,
    letter: &'t str,
    /// Rank and number; ended by one that stands for "no suffix".
    suffixes: Vec<(i8, u64)>,
    release: u64,
}

impl<'t> Apk<'t> {
    fn read(text: &'t str) -> Option<Self> {
        let (text, release) = match text.rsplit_once("-r") {
            Some((text, release)) => (text, release.parse().ok()?),
            None => (text, 0),
        };
        let mut parts = text.split('_');
        let core = parts.next()?;
        let letter = core.find(|c: char| c.is_ascii_lowercase());
        let (numbers, letter) = core.split_at_checked(letter.unwrap_or(core.len()))?;
        let numbers: Vec<&str> = numbers.split('.').collect();
        let digits = |part: &&str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        let mut suffixes = parts.map(suffix).collect::<Option<Vec<_>>>()?;
        suffixes.push((0, 0));
        (numbers.iter().all(digits) && letter.len() <= 1).then_some(Self {
            numbers,
            letter,
            suffixes,
            release,
        })
    }
}

fn suffix(text: &str) -> Option<(i8, u64)> {
    let end = text
        .find(|c: char| c.is_ascii_digit())
        .unwrap_or(text.len());
    let (word, number) = text.split_at_checked(end)?;
    let ranks = [
        "alpha", "beta", "pre", "rc", "", "cvs", "svn", "git", "hg", "p",
    ];
    let rank = ranks.iter().position(|known| *known == word)?;
    let rank = i8::try_from(rank).ok()?.checked_sub(4)?;
    let number = if number.is_empty() {
        0
    } else {
        number.parse().ok()?
    };
    (rank != 0).then_some((rank, number))
}

impl Ord for Apk<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        let mut numbers = self.numbers.iter().zip(&other.numbers).enumerate();
        let decided = numbers.find_map(|(index, (one, other))| {
            let order = number(index, one, other);
            order.is_ne().then_some(order)
        });
        decided
            .unwrap_or_else(|| self.numbers.len().cmp(&other.numbers.len()))
            .then_with(|| self.letter.cmp(other.letter))
            .then_with(|| self.suffixes.cmp(&other.suffixes))
            .then_with(|| self.release.cmp(&other.release))
    }
}

impl PartialOrd for Apk<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Numbers after the first that begin with a zero are fractions.
fn number(index: usize, one: &str, other: &str) -> Ordering {
    let fraction = |text: &str| index > 0 && text.len() > 1 && text.starts_with('0');
    if fraction(one) || fraction(other) {
        return one.cmp(other);
    }
    let (one, other) = (one.trim_start_matches('0'), other.trim_start_matches('0'));
    one.len().cmp(&other.len()).then_with(|| one.cmp(other))
}

/// The ecosystem that an `os-release` names.
#[must_use]
pub fn system(os_release: &str) -> Option<String> {
    let of = |name: &str| {
        let mut lines = os_release.lines().take(100);
        let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix('='))?;
        Some(value.trim_matches(['"', '\'']))
    };
    let version = of("VERSION_ID").filter(|text| fits(text));
    match of("ID")? {
        "debian" => Some(format!("Debian:{}", version?)),
        "ubuntu" => Some(format!("Ubuntu:{}", version?)),
        "alpine" => {
            let mut numbers = version?.split('.');
            let (major, minor) = (numbers.next()?, numbers.next()?);
            Some(format!("Alpine:v{major}.{minor}"))
        }
        "wolfi" => Some("Wolfi".to_owned()),
        "chainguard" => Some("Chainguard".to_owned()),
        _ => None,
    }
}

fn fits(text: &str) -> bool {
    (1..=TEXT_LIMIT).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
}

/// Packages of a `dpkg` status file.
#[must_use]
pub fn dpkg(status: &str, ecosystem: &str) -> Vec<Package> {
    let stanzas = status.split("\n\n");
    of(stanzas.filter_map(|stanza| {
        let field = |name: &str| {
            let mut lines = stanza.lines();
            let line = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))?;
            Some(line.trim())
        };
        let installed = field("Status").is_none_or(|status| status.ends_with(" installed"));
        let version = field("Version").filter(|_| installed)?;
        let (name, version) = match field("Source") {
            None => (field("Package")?, version),
            Some(source) => match source.split_once(" (") {
                Some((name, other)) => (name, other.trim_end_matches(')')),
                None => (source, version),
            },
        };
        Some((ecosystem, name, version))
    }))
}

/// Packages of `apk`'s database.
#[must_use]
pub fn apk(installed: &str, ecosystem: &str) -> Vec<Package> {
    let stanzas = installed.split("\n\n");
    of(stanzas.filter_map(|stanza| {
        let field = |name: &str| stanza.lines().find_map(|line| line.strip_prefix(name));
        let name = field("o:").or_else(|| field("P:"))?;
        Some((ecosystem, name, field("V:")?))
    }))
}

/// A CycloneDX bill of materials, as far as it is looked at.
#[derive(Deserialize)]
struct Bill {
    #[serde(default)]
    components: Vec<Component>,
}

#[derive(Deserialize)]
struct Component {
    #[serde(default)]
    purl: String,
}

/// Packages of a CycloneDX bill of materials in JSON, those of programming languages.
///
/// # Errors
/// In words, when it is not one.
pub fn cyclonedx(text: &str) -> Result<Vec<Package>, String> {
    let bill: Bill = serde_json::from_str(text)
        .map_err(|error| format!("the bill of materials is no CycloneDX: {error}"))?;
    Ok(of(bill.components.iter().filter_map(|one| purl(&one.purl))))
}

/// `pkg:npm/%40scope/name@1.2.3?…`: what of it can be looked up.
fn purl(text: &str) -> Option<(&'static str, String, &str)> {
    let rest = text.strip_prefix("pkg:")?;
    let rest = rest.split(['?', '#']).next()?;
    let (kind, rest) = rest.split_once('/')?;
    let (name, version) = rest.rsplit_once('@')?;
    let name = name.replace("%40", "@").replace("%2F", "/");
    let (ecosystem, name) = match kind {
        "npm" => ("npm", name),
        "pypi" => ("PyPI", name.to_ascii_lowercase().replace(['_', '.'], "-")),
        "cargo" => ("crates.io", name),
        "golang" => ("Go", name),
        "gem" => ("RubyGems", name),
        "nuget" => ("NuGet", name),
        "composer" => ("Packagist", name),
        "maven" => ("Maven", name.replace('/', ":")),
        _ => return None,
    };
    Some((ecosystem, name, version))
}

/// Sorted, each once, bounded.
fn of<N: AsRef<str>>(
    found: impl Iterator<Item = (impl AsRef<str>, N, impl AsRef<str>)>,
) -> Vec<Package> {
    let sound = found
        .filter(|(_, name, version)| fits(name.as_ref()) && fits(version.as_ref()))
        .take(PACKAGES_LIMIT);
    let packages = sound.map(|(ecosystem, name, version)| Package {
        ecosystem: ecosystem.as_ref().to_owned(),
        name: name.as_ref().to_owned(),
        version: version.as_ref().to_owned(),
    });
    packages.collect::<BTreeSet<_>>().into_iter().collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn debian_versions_are_ordered_as_dpkg_does() {
        let order = [
            "1.0~beta1-1",
            "1.0-1",
            "1.0-1+deb12u1",
            "1.0-1+deb12u2",
            "1.0-1.1",
            "1.0a-1",
            "1.0+dfsg-1",
            "1.1-1",
            "1.10-1",
            "1:0.9-1",
        ];
        for pair in order.windows(2) {
            let [older, newer] = pair else { continue };
            assert_eq!(
                Order::Dpkg.compare(older, newer),
                Some(Ordering::Less),
                "{older} {newer}"
            );
        }
        assert_eq!(Order::Dpkg.compare("1.0-0", "1.0"), Some(Ordering::Equal));
        assert_eq!(Order::Dpkg.compare("1.0-ä", "1.0"), None);
    }

    #[test]
    fn alpine_versions_are_ordered_as_apk_does() {
        let order = [
            "1.2.3_alpha1-r0",
            "1.2.3_beta-r0",
            "1.2.3_rc1-r0",
            "1.2.3_rc2-r0",
            "1.2.3-r0",
            "1.2.3-r1",
            "1.2.3_git20240101-r0",
            "1.2.3_p1-r0",
            "1.2.3a-r0",
            "1.2.3b-r0",
            "1.2.3.1-r0",
            "1.2.10-r0",
            "1.10-r0",
        ];
        for pair in order.windows(2) {
            let [older, newer] = pair else { continue };
            assert_eq!(
                Order::Apk.compare(older, newer),
                Some(Ordering::Less),
                "{older} {newer}"
            );
        }
        assert_eq!(Order::Apk.compare("1.2.3_what-r0", "1.2"), None);
    }

    #[test]
    fn other_versions_are_semver_with_gaps() {
        let compare = |one, other| Order::of("npm").compare(one, other);
        assert_eq!(compare("1.2", "1.2.1"), Some(Ordering::Less));
        assert_eq!(compare("v2.0.0-rc.1", "2.0.0"), Some(Ordering::Less));
        assert_eq!(compare("1.2.3.4", "1.2.3"), None);
    }

    #[test]
    fn package_lists_are_read_by_source_package() {
        let status = "Package: libssl3\nStatus: install ok installed\nSource: openssl (3.0.11-1)\nVersion: 3.0.11-1+b1\n\n\
            Package: gone\nStatus: deinstall ok config-files\nVersion: 1\n\nPackage: zlib1g\nStatus: install ok installed\nSource: zlib\nVersion: 1:1.2.13\n";
        let found = dpkg(status, "Debian:12");
        let found: Vec<_> = found
            .iter()
            .map(|one| (one.name.as_str(), one.version.as_str()))
            .collect();
        assert_eq!(found, [("openssl", "3.0.11-1"), ("zlib", "1:1.2.13")]);
        let installed = "C:Q1\nP:libcrypto3\nV:3.1.4-r5\no:openssl\n\nP:busybox\nV:1.36.1-r15\n";
        let found = apk(installed, "Alpine:v3.19");
        let found: Vec<_> = found
            .iter()
            .map(|one| (one.name.as_str(), one.version.as_str()))
            .collect();
        assert_eq!(found, [("busybox", "1.36.1-r15"), ("openssl", "3.1.4-r5")]);
        let bill = r#"{"bomFormat": "CycloneDX", "components": [
            {"purl": "pkg:npm/%40babel/core@7.1.0?x=y"}, {"purl": "pkg:pypi/Flask_Login@0.6"}, {"name": "no purl"},
            {"purl": "pkg:maven/org.apache/log4j@2.14.1"}, {"purl": "pkg:deb/debian/curl@7"}]}"#;
        let found = cyclonedx(bill).unwrap();
        let found: Vec<_> = found
            .iter()
            .map(|one| format!("{} {}", one.ecosystem, one.name))
            .collect();
        assert_eq!(
            found,
            [
                "Maven org.apache:log4j",
                "PyPI flask-login",
                "npm @babel/core"
            ]
        );
        assert!(cyclonedx("[").is_err());
    }

    #[test]
    fn systems_are_named_as_osv_does() {
        for (text, name) in [
            ("ID=debian\nVERSION_ID=\"12\"\n", Some("Debian:12")),
            ("ID=alpine\nVERSION_ID=3.20.3\n", Some("Alpine:v3.20")),
            ("VERSION_ID=\"24.04\"\nID=ubuntu\n", Some("Ubuntu:24.04")),
            ("ID=wolfi\n", Some("Wolfi")),
            ("ID=plan9\n", None),
            ("", None),
        ] {
            assert_eq!(system(text).as_deref(), name, "{text}");
        }
    }

    proptest! {
        #[test]
        fn whatever_an_image_says_is_read_or_passed_over(text in "(Package|Version|Source|P|V|o)?: ?.{0,20}(\n|\n\n)?.{0,60}") {
            let _ = (dpkg(&text, "Debian:12"), apk(&text, "Alpine:v3.20"), cyclonedx(&text), system(&text));
            for order in [Order::Dpkg, Order::Apk, Order::Semver] {
                let _ = order.compare(&text, "1.0-r1");
            }
        }
    }
}
