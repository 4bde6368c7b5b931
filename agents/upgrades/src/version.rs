//! Tags of images as versions: SemVer where they are, dates where they are, and how far two are apart.
//!
//! A tag is read as prefix, numbers, what comes before a release, a revision and a variant:
//! `v1.4.2-rc1-alpine` or `5.1.2-3`. Tags with another prefix, another variant or another count of numbers
//! are never compared: `1.4-alpine` is no newer `1.4.2`.

use std::{cmp::Ordering, fmt};

use ostler_core::spec::Scheme;
use schemars::JsonSchema;
use semver::Prerelease;
use serde::{Deserialize, Serialize};

/// Longest tag that is looked at; registries accept no longer ones.
pub const TAG_LIMIT: usize = 128;
/// Most numbers of a version.
const NUMBERS: usize = 4;
/// Longest prefix, such as `release-`.
const PREFIX: usize = 20;
/// Words that stand before a release.
const EARLY: [&str; 14] = [
    "alpha", "beta", "rc", "pre", "preview", "dev", "m", "snapshot", "nightly", "canary", "next",
    "a", "b", "cr",
];
/// Words that say nothing.
const FINAL: [&str; 3] = ["final", "release", "ga"];

/// A tag that was read as a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// As it was written.
    pub tag: String,
    /// Letters before the numbers.
    prefix: String,
    /// One to four numbers; of a date written in one, its parts.
    numbers: Vec<u64>,
    /// What comes before a release; empty for releases.
    early: Prerelease,
    /// A number after all that, as distributions and packagers count.
    revision: u64,
    /// What sort of image it is, such as `alpine3.20`.
    variant: String,
    /// Whether the numbers are a date.
    calendar: bool,
}

impl Version {
    /// Reads a tag; nothing where it is no version.
    #[must_use]
    pub fn read(tag: &str, scheme: Scheme) -> Option<Self> {
        if tag.len() > TAG_LIMIT || !tag.is_ascii() {
            return None;
        }
        let start = tag.find(|c: char| c.is_ascii_digit())?;
        let (prefix, rest) = tag.split_at_checked(start)?;
        let lettered = |c: char| c.is_ascii_alphabetic() || c == '-' || c == '_';
        if prefix.len() > PREFIX || !prefix.chars().all(lettered) {
            return None;
        }
        let (numbers, padded, rest) = numbers(rest)?;
        let dated = match scheme {
            Scheme::Semver => None,
            _ => date(&numbers, padded, scheme, rest),
        };
        let (calendar, numbers, rest) = match dated {
            Some((numbers, rest)) => (true, numbers, rest),
            None if scheme == Scheme::Calendar => return None,
            None => (false, numbers, rest),
        };
        let rest = rest.split('+').next().unwrap_or_default();
        let (early, revision, variant) = qualifiers(rest);
        let mut read = Self {
            tag: tag.to_owned(),
            prefix: prefix.to_owned(),
            numbers,
            early,
            revision,
            variant,
            calendar,
        };
        read.numbers.truncate(NUMBERS);
        Some(read)
    }

    /// Whether both are of the same sort, so that it means something which is newer.
    #[must_use]
    pub fn is_like(&self, other: &Self) -> bool {
        self.prefix == other.prefix
            && self.variant == other.variant
            && self.calendar == other.calendar
            && self.numbers.len() == other.numbers.len()
    }

    /// Which of two of the same sort is newer; nothing where they are not.
    #[must_use]
    pub fn against(&self, other: &Self) -> Option<Ordering> {
        self.is_like(other).then(|| self.order(other))
    }

    /// The order among those of the same sort.
    #[must_use]
    pub fn order(&self, other: &Self) -> Ordering {
        self.numbers
            .cmp(&other.numbers)
            .then_with(|| self.early.cmp(&other.early))
            .then_with(|| self.revision.cmp(&other.revision))
    }

    /// Whether it stands before a release.
    #[must_use]
    pub fn is_early(&self) -> bool {
        !self.early.is_empty()
    }

    /// Whether its numbers are a date.
    #[must_use]
    pub const fn is_calendar(&self) -> bool {
        self.calendar
    }

    /// As SemVer knows it: three numbers, missing ones zero.
    #[must_use]
    pub fn semver(&self) -> semver::Version {
        let mut version = semver::Version::new(self.number(0), self.number(1), self.number(2));
        version.pre = self.early.clone();
        version
    }

    fn number(&self, index: usize) -> u64 {
        self.numbers.get(index).copied().unwrap_or(0)
    }

    /// How far a newer one is from this one.
    #[must_use]
    pub fn distance(&self, newer: &Self) -> Distance {
        match self.against(newer) {
            None => return Distance::Unknown,
            Some(Ordering::Greater) => return Distance::Downgrade,
            Some(Ordering::Equal) => return Distance::Same,
            Some(Ordering::Less) => {}
        }
        let differs = (0..NUMBERS).find(|index| self.number(*index) != newer.number(*index));
        match differs {
            Some(0) if !self.calendar => Distance::Major,
            _ if self.calendar => self.months(newer),
            Some(1) if self.number(0) == 0 => Distance::Major,
            Some(1) => Distance::Minor,
            Some(2) if self.number(0) == 0 && self.number(1) == 0 => Distance::Minor,
            Some(2) => Distance::Patch,
            None if self.early != newer.early => Distance::Patch,
            _ => Distance::Revision,
        }
    }

    fn months(&self, newer: &Self) -> Distance {
        let of = |one: &Self| {
            one.number(0)
                .saturating_mul(12)
                .saturating_add(one.number(1))
        };
        let months = of(newer).saturating_sub(of(self));
        Distance::Months(u32::try_from(months).unwrap_or(u32::MAX))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.tag)
    }
}

/// How far a version is from another, by what its numbers promise. In versions that begin with 0 the second
/// number counts as the first.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Distance {
    /// The same version with other content.
    Same,
    /// The same version, packaged anew.
    Revision,
    /// Bug fixes.
    Patch,
    /// New features.
    Minor,
    /// Another main version.
    Major,
    /// So many months, where versions are dates.
    Months(u32),
    /// It cannot be told.
    Unknown,
    /// It is older.
    Downgrade,
}

impl fmt::Display for Distance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Same => f.write_str("the same version with other content"),
            Self::Revision => f.write_str("the same version packaged anew"),
            Self::Patch => f.write_str("a patch"),
            Self::Minor => f.write_str("a minor version"),
            Self::Major => f.write_str("a major version"),
            Self::Months(0) => f.write_str("a version of the same month"),
            Self::Months(months) => {
                write!(f, "{}", crate::words::count(*months as usize, "month"))
            }
            Self::Unknown => f.write_str("a version of unknown distance"),
            Self::Downgrade => f.write_str("an older version"),
        }
    }
}

/// One to four numbers joined by dots, whether one of them has a leading zero, and what follows.
fn numbers(text: &str) -> Option<(Vec<u64>, bool, &str)> {
    let (mut found, mut padded, mut rest) = (Vec::new(), false, text);
    loop {
        let end = rest.find(|c: char| !c.is_ascii_digit());
        let (digits, after) = rest.split_at_checked(end.unwrap_or(rest.len()))?;
        found.push(digits.parse().ok()?);
        padded |= digits.len() > 1 && digits.starts_with('0');
        let next = after
            .strip_prefix('.')
            .filter(|next| found.len() < NUMBERS && next.starts_with(|c: char| c.is_ascii_digit()));
        match next {
            Some(next) => rest = next,
            None => return Some((found, padded, after)),
        }
    }
}

/// The numbers as a date, and what follows it: `2026.11`, `26.04`, `2026-11-25`, `20261125`.
fn date<'t>(
    numbers: &[u64],
    padded: bool,
    scheme: Scheme,
    rest: &'t str,
) -> Option<(Vec<u64>, &'t str)> {
    let year = |number: u64| (1990..=2100).contains(&number);
    let month = |number: u64| (1..=12).contains(&number);
    match numbers {
        [whole] if (19_900_101..=21_001_231).contains(whole) => {
            let parts = vec![whole / 10_000, whole / 100 % 100, whole % 100];
            month(whole / 100 % 100).then_some((parts, rest))
        }
        [first] if year(*first) && rest.starts_with('-') => {
            let mut parts = vec![*first];
            let mut left = rest;
            while let Some(after) = left.strip_prefix('-') {
                let end = after.find(|c: char| !c.is_ascii_digit());
                let (digits, next) = after.split_at_checked(end.unwrap_or(after.len()))?;
                if digits.len() != 2 || parts.len() == 3 {
                    break;
                }
                parts.push(digits.parse().ok()?);
                left = next;
            }
            let fine = parts.get(1).is_some_and(|number| month(*number));
            fine.then_some((parts, left))
        }
        [first, second, ..] if year(*first) && month(*second) => Some((numbers.to_vec(), rest)),
        [first, second, ..]
            if (10..100).contains(first)
                && month(*second)
                && (padded || scheme == Scheme::Calendar) =>
        {
            let mut parts = numbers.to_vec();
            if let Some(year) = parts.first_mut() {
                *year = first.saturating_add(2_000);
            }
            Some((parts, rest))
        }
        _ => None,
    }
}

/// What stands before a release, a revision, and the rest as a variant.
fn qualifiers(rest: &str) -> (Prerelease, u64, String) {
    let (mut early, mut revision, mut variant) = (Prerelease::EMPTY, 0, Vec::new());
    let rest = rest.trim_start_matches(['-', '.', '_']);
    if is_hash(rest) {
        return (early, revision, String::new());
    }
    for part in rest.split(['-', '_']).filter(|part| !part.is_empty()) {
        let word: String = (part.chars())
            .take_while(char::is_ascii_alphabetic)
            .collect::<String>()
            .to_ascii_lowercase();
        let after = part.get(word.len()..).unwrap_or_default();
        let counted = after.trim_start_matches('.');
        let numeric = counted.chars().all(|c| c.is_ascii_digit() || c == '.');
        if variant.is_empty() && FINAL.contains(&word.as_str()) && after.is_empty() {
            continue;
        }
        if variant.is_empty() && EARLY.contains(&word.as_str()) && numeric {
            let count: u64 = counted
                .split('.')
                .next()
                .unwrap_or("0")
                .parse()
                .unwrap_or(0);
            early = Prerelease::new(&format!("{word}.{count}")).unwrap_or(Prerelease::EMPTY);
            continue;
        }
        match part.parse() {
            Ok(number) if variant.is_empty() && revision == 0 => revision = number,
            _ => variant.push(part.to_ascii_lowercase()),
        }
    }
    (early, revision, variant.join("-"))
}

/// A hash or a day of what it was built from, after a `v`: every version has another.
fn is_hash(rest: &str) -> bool {
    let of_hash = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b) || b == b'_';
    rest.strip_prefix('v')
        .is_some_and(|hash| hash.len() >= 5 && hash.bytes().all(of_hash))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(tag: &str) -> Version {
        Version::read(tag, Scheme::Auto).unwrap()
    }

    #[test]
    fn distances_are_by_what_numbers_promise() {
        use Distance::{Downgrade, Major, Minor, Months, Patch, Revision, Same, Unknown};
        for (from, to, far) in [
            ("1.4.2", "1.4.3", Patch),
            ("v1.4.2", "v1.5.0", Minor),
            ("1.4.2", "2.0.0", Major),
            ("1.4", "1.5", Minor),
            ("3", "4", Major),
            ("0.4.2", "0.5.0", Major),
            ("0.4.2", "0.4.3", Patch),
            ("0.0.2", "0.0.3", Minor),
            ("1.4.2", "1.4.2", Same),
            ("5.1.2-3", "5.1.2-4", Revision),
            ("2.9.10.7", "2.9.10.8", Revision),
            ("1.4.3", "1.4.2", Downgrade),
            ("2.0.0-rc1", "2.0.0", Patch),
            ("2026.11", "2026.11", Same),
            ("2026.10.1", "2026.11.0", Months(1)),
            ("2025-11-25", "2026-11-25", Months(12)),
            ("20261101", "20261125", Months(0)),
            ("24.04", "26.04", Months(24)),
            ("1.4.2", "1.5.0-alpine", Unknown),
            ("1.4", "1.4.2", Unknown),
            ("v1.4.2", "1.4.3", Unknown),
        ] {
            assert_eq!(read(from).distance(&read(to)), far, "{from} to {to}");
        }
    }

    #[test]
    fn releases_follow_what_comes_before_them_and_ten_follows_nine() {
        let order = [
            "2.0.0-alpha1",
            "2.0.0-beta.2",
            "2.0.0-rc9",
            "2.0.0-rc10",
            "2.0.0",
            "2.0.1",
            "2.0.9",
            "2.0.10",
        ];
        for pair in order.windows(2) {
            let [older, newer] = pair else { continue };
            assert_eq!(
                read(older).against(&read(newer)),
                Some(Ordering::Less),
                "{older} {newer}"
            );
        }
        assert!(read("3.0.0-M5").is_early() && !read("1.4.2.Final").is_early());
    }

    #[test]
    fn variants_and_prefixes_are_kept_apart() {
        for (one, other, like) in [
            ("1.4-alpine", "1.5-alpine", true),
            ("1.4-alpine3.19", "1.5-alpine3.20", false),
            ("1.4-rc1-alpine", "1.4-alpine", true),
            ("release-1.4", "release-1.5", true),
            ("1466.v85a_616ea", "1742.vb_70478c", true),
        ] {
            assert_eq!(read(one).is_like(&read(other)), like, "{one} {other}");
        }
    }

    #[test]
    fn what_is_no_version_is_none() {
        for tag in [
            "latest",
            "stable",
            "",
            "ä1",
            "1.2.3.4.5.6.7.8.9.99999999999999999999",
        ] {
            let _ = Version::read(tag, Scheme::Auto);
        }
        assert_eq!(Version::read("latest", Scheme::Auto), None);
        assert_eq!(Version::read("1.4.2", Scheme::Calendar), None);
        assert!(
            !Version::read("2026.11.1", Scheme::Semver)
                .unwrap()
                .is_calendar()
        );
        assert!(
            Version::read("26.4", Scheme::Calendar)
                .unwrap()
                .is_calendar()
        );
        assert!(
            !read("26.4").is_calendar(),
            "nothing says that this is a date"
        );
    }

    proptest! {
        #[test]
        fn any_tag_is_read_or_not_and_orders_turn_round(one in "[ -~]{0,40}", other in "v?[0-9]{1,3}(\\.[0-9]{1,3}){0,3}(-rc[0-9])?") {
            let (one, other) = (Version::read(&one, Scheme::Auto), Version::read(&other, Scheme::Auto));
            if let (Some(one), Some(other)) = (one, other) {
                prop_assert_eq!(one.against(&other), other.against(&one).map(Ordering::reverse));
            }
        }
    }
}
