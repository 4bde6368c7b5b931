//! A service's rule and what a registry has: which version is right now, and why not another.

use std::collections::BTreeSet;

use ostler_core::{
    spec::{Track, Upgrades},
    time::{Span, Time},
};

use crate::{
    version::{Distance, Version},
    words::{count, shown},
};

/// Most newer versions that are looked at more closely.
pub const CLOSER: usize = 5;

/// Newer tags that a rule lets through.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Newer {
    /// The newest first, [`CLOSER`] at most.
    pub tags: Vec<String>,
    /// All that are newer and like the one that runs, whether wanted or not.
    pub newer: usize,
    /// Why some are not wanted, a sentence each.
    pub not: Vec<String>,
}

/// Sorts the tags of a registry by a rule.
///
/// # Errors
/// In words, where the tag that runs is no version: then only its content can be followed.
pub fn newer(current: &str, tags: &[String], rule: &Upgrades) -> Result<Newer, String> {
    let Some(runs) = Version::read(current, rule.scheme) else {
        let tag = shown(current);
        return Err(format!(
            "`{tag}` is no version, so only its content is followed"
        ));
    };
    let range = rule.range.as_deref().map(semver::VersionReq::parse);
    let range = range.and_then(Result::ok);
    let mut found: Vec<Version> = tags
        .iter()
        .filter_map(|tag| Version::read(tag, rule.scheme))
        .filter(|one| runs.against(one).is_some_and(|order| order.is_lt()))
        .collect();
    found.sort_by(|one, other| other.order(one).then_with(|| one.tag.cmp(&other.tag)));
    found.dedup_by(|one, other| one.tag == other.tag);
    let mut sorted = Newer {
        newer: found.len(),
        ..Newer::default()
    };
    let mut left_out = [0_usize; REASONS.len()];
    for one in found {
        match unwanted(&runs, &one, rule, range.as_ref()) {
            Some(why) => {
                if let Some(left) = left_out.get_mut(why) {
                    *left += 1;
                }
            }
            None if sorted.tags.len() < CLOSER => sorted.tags.push(one.tag),
            None => {}
        }
    }
    let reasons = left_out.iter().zip(REASONS).filter(|(left, _)| **left > 0);
    sorted.not = reasons
        .map(|(left, why)| format!("{} newer: {why}", count(*left, "version")))
        .collect();
    Ok(sorted)
}

const REASONS: [&str; 5] = [
    "`pin` holds the service where it is",
    "beyond `track`",
    "outside `range`",
    "in `ignore`",
    "before a release",
];

/// The index of the reason why a newer version is not wanted.
fn unwanted(
    runs: &Version,
    one: &Version,
    rule: &Upgrades,
    range: Option<&semver::VersionReq>,
) -> Option<usize> {
    if rule.pin.as_deref().is_some_and(|pin| pin != one.tag) {
        return Some(0);
    }
    if rule.pin.is_none() && !tracked(rule.track, runs, one) {
        return Some(1);
    }
    if range.is_some_and(|range| one.is_calendar() || !within(range, one)) {
        return Some(2);
    }
    if rule.ignore.iter().any(|entry| ignores(entry, &one.tag)) {
        return Some(3);
    }
    (one.is_early() && !runs.is_early() && !rule.pre_releases).then_some(4)
}

/// A range speaks of releases; whether earlier ones are wanted is said elsewhere.
fn within(range: &semver::VersionReq, one: &Version) -> bool {
    let mut version = one.semver();
    version.pre = semver::Prerelease::EMPTY;
    range.matches(&version)
}

fn ignores(entry: &str, tag: &str) -> bool {
    match entry.strip_suffix('*') {
        Some(beginning) => tag.starts_with(beginning),
        None => entry == tag,
    }
}

fn tracked(track: Track, runs: &Version, one: &Version) -> bool {
    let far = runs.distance(one);
    let reaches = match far {
        Distance::Same | Distance::Revision | Distance::Patch => Track::Patch,
        Distance::Months(0) => Track::Patch,
        Distance::Minor => Track::Minor,
        Distance::Months(_) if runs.semver().major == one.semver().major => Track::Minor,
        Distance::Major | Distance::Months(_) => Track::Major,
        Distance::Unknown | Distance::Downgrade => return false,
    };
    reaches <= track
}

/// A version that could be taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// Its tag.
    pub tag: String,
    /// The digest of what would run.
    pub digest: String,
    /// The digest to name it by: of the list it is in, where it is one of several, which is what is signed.
    pub pin: String,
    /// When it was first seen.
    pub seen_at: Time,
}

/// What runs, what is offered, what was tried.
#[derive(Debug, Clone, Copy)]
pub struct Choice<'a> {
    /// The tag that runs.
    pub tag: &'a str,
    /// Its content, where that is known.
    pub digest: Option<&'a str>,
    /// Wanted newer versions, the newest first, and the tag that runs if its content may have changed.
    pub offers: &'a [Offer],
    /// Digests, and tags where no digest is known, that were tried and left, or that a person said no to.
    pub left: &'a BTreeSet<String>,
    /// The rule.
    pub rule: &'a Upgrades,
    /// Now.
    pub now: Time,
}

/// What is right now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Chosen {
    /// Nothing to do.
    Stay(String),
    /// Something is there, but must be there for longer.
    Later {
        /// When.
        at: Time,
        /// Which, and why.
        words: String,
    },
    /// This one.
    Take {
        /// The offer.
        offer: Offer,
        /// How far it is.
        distance: Distance,
        /// How many wanted versions lie between.
        skipped: usize,
    },
}

/// Chooses: the newest that is old enough and was not left before.
#[must_use]
pub fn choose(choice: &Choice<'_>) -> Chosen {
    let (mut waits, mut left) = (None, 0_usize);
    for (index, offer) in choice.offers.iter().enumerate() {
        let same = offer.tag == choice.tag;
        if choice.digest == Some(offer.digest.as_str()) || (same && choice.digest.is_none()) {
            continue;
        }
        if choice.left.contains(&offer.pin) || choice.left.contains(&offer.tag) {
            left += 1;
            continue;
        }
        let old_enough = offer.seen_at + choice.rule.min_age;
        if choice.now < old_enough {
            let sooner = |(at, _): &(Time, String)| *at <= old_enough;
            if !waits.as_ref().is_some_and(sooner) {
                waits = Some((old_enough, offer.tag.clone()));
            }
            continue;
        }
        let read = |tag: &str| Version::read(tag, choice.rule.scheme);
        let distance = match (read(choice.tag), read(&offer.tag)) {
            _ if same => Distance::Same,
            (Some(runs), Some(one)) => runs.distance(&one),
            _ => Distance::Unknown,
        };
        let between = choice.offers.iter().skip(index + 1);
        let skipped = between.filter(|other| other.tag != choice.tag).count();
        return Chosen::Take {
            offer: offer.clone(),
            distance,
            skipped,
        };
    }
    match waits {
        Some((at, tag)) => Chosen::Later {
            at,
            words: format!(
                "`{}` must have been there for {} (`minAge`)",
                shown(&tag),
                choice.rule.min_age
            ),
        },
        None if left > 0 => Chosen::Stay(format!(
            "what is newer was tried and left, or a person said no ({})",
            count(left, "version")
        )),
        None => Chosen::Stay("it is the newest that is wanted".to_owned()),
    }
}

/// For how long something newer has been there beyond what the rule accepts.
#[must_use]
pub fn overdue(since: Option<Time>, rule: &Upgrades, now: Time) -> Option<Span> {
    let behind = now.since(since?);
    (behind > rule.max_age).then(|| Span(behind.0.saturating_sub(rule.max_age.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(tags: &[&str]) -> Vec<String> {
        tags.iter().map(|tag| (*tag).to_owned()).collect()
    }

    fn rule(text: &str) -> Upgrades {
        serde_json::from_str(text).unwrap()
    }

    const THERE: [&str; 12] = [
        "latest",
        "1.4.1",
        "1.4.2",
        "1.4.3",
        "1.5.0",
        "1.5.0-alpine",
        "1.6.0-rc1",
        "2.0.0",
        "2.1.0",
        "1.5",
        "v9.0.0",
        "1.4.4",
    ];

    #[test]
    fn a_rule_lets_through_what_it_says() {
        for (text, wanted) in [
            ("{}", vec!["1.5.0", "1.4.4", "1.4.3"]),
            (r#"{"track": "patch"}"#, vec!["1.4.4", "1.4.3"]),
            (
                r#"{"track": "major"}"#,
                vec!["2.1.0", "2.0.0", "1.5.0", "1.4.4", "1.4.3"],
            ),
            (
                r#"{"track": "major", "range": ">=1.4, <2.1"}"#,
                vec!["2.0.0", "1.5.0", "1.4.4", "1.4.3"],
            ),
            (r#"{"ignore": ["1.5.*"]}"#, vec!["1.4.4", "1.4.3"]),
            (
                r#"{"preReleases": true}"#,
                vec!["1.6.0-rc1", "1.5.0", "1.4.4", "1.4.3"],
            ),
            (r#"{"pin": "1.4.3"}"#, vec!["1.4.3"]),
            (r#"{"track": "digest"}"#, vec![]),
        ] {
            let sorted = newer("1.4.2", &tags(&THERE), &rule(text)).unwrap();
            assert_eq!(sorted.tags, wanted, "{text}");
            assert_eq!(sorted.newer, 6, "{text}");
        }
        let sorted = newer("1.4.2", &tags(&THERE), &Upgrades::default()).unwrap();
        assert_eq!(
            sorted.not,
            [
                "2 versions newer: beyond `track`",
                "1 version newer: before a release"
            ]
        );
        let no_version = newer("latest", &tags(&THERE), &Upgrades::default());
        assert!(no_version.unwrap_err().contains("only its content"));
    }

    fn offer(tag: &str, seen: u64) -> Offer {
        Offer {
            tag: tag.to_owned(),
            digest: format!("sha256:{tag}"),
            pin: format!("sha256:{tag}"),
            seen_at: Time(seen),
        }
    }

    fn choice<'a>(
        offers: &'a [Offer],
        left: &'a BTreeSet<String>,
        rule: &'a Upgrades,
    ) -> Choice<'a> {
        Choice {
            tag: "1.4.2",
            digest: Some("sha256:1.4.2"),
            offers,
            left,
            rule,
            now: Time(100_000),
        }
    }

    #[test]
    fn the_newest_that_is_old_enough_and_was_not_left_is_taken() {
        let offers = [
            offer("1.5.0", 95_000),
            offer("1.4.4", 20_000),
            offer("1.4.2", 0),
        ];
        let (none, rule) = (BTreeSet::new(), rule(r#"{"minAge": "30s"}"#));
        let Chosen::Take {
            offer: one,
            distance,
            skipped,
        } = choose(&choice(&offers, &none, &rule))
        else {
            panic!("nothing was taken");
        };
        assert_eq!(
            (one.tag.as_str(), distance, skipped),
            ("1.4.4", Distance::Patch, 0)
        );
        let left = BTreeSet::from([one.digest]);
        let Chosen::Later { at, words } = choose(&choice(&offers, &left, &rule)) else {
            panic!("it does not wait");
        };
        assert_eq!(at, Time(125_000));
        assert!(
            words.contains("`1.5.0` must have been there for 30s"),
            "{words}"
        );
        let now = Upgrades::default();
        let Chosen::Take {
            offer: one,
            skipped,
            ..
        } = choose(&choice(&offers, &none, &now))
        else {
            panic!("nothing was taken");
        };
        assert_eq!((one.tag.as_str(), skipped), ("1.5.0", 1));
        let all: BTreeSet<String> = offers.iter().map(|offer| offer.digest.clone()).collect();
        let Chosen::Stay(words) = choose(&choice(&offers, &all, &now)) else {
            panic!("it does not stay");
        };
        assert!(
            words.contains("tried and left") && words.contains("2 versions"),
            "{words}"
        );
    }

    #[test]
    fn the_same_tag_with_other_content_is_a_change_of_its_own() {
        let (none, rule) = (BTreeSet::new(), Upgrades::default());
        let rebuilt = [Offer {
            digest: "sha256:other".to_owned(),
            ..offer("1.4.2", 0)
        }];
        let taken = choose(&choice(&rebuilt, &none, &rule));
        assert!(
            matches!(
                taken,
                Chosen::Take {
                    distance: Distance::Same,
                    ..
                }
            ),
            "{taken:?}"
        );
        let unknown = Choice {
            digest: None,
            ..choice(&rebuilt, &none, &rule)
        };
        assert!(
            matches!(choose(&unknown), Chosen::Stay(_)),
            "what runs is not known"
        );
    }

    #[test]
    fn overdue_is_what_is_behind_for_longer_than_accepted() {
        let rule = rule(r#"{"maxAge": "10s"}"#);
        assert_eq!(overdue(Some(Time(0)), &rule, Time(9_000)), None);
        assert_eq!(
            overdue(Some(Time(0)), &rule, Time(12_000)),
            Some(Span(2_000))
        );
        assert_eq!(overdue(None, &rule, Time(12_000)), None);
    }
}
