//! How risky an upgrade is: points with a reason each, never a bare number.
//!
//! Points are no probability. They order upgrades and pick how carefully one comes in; that no distance
//! is without risk is what recorded breaking upgrades show (`docs/upgrades.md`), so none has zero points.

use ostler_core::{spec::Criticality, time::Time};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    version::Distance,
    words::{count, shown},
};

/// What is known of one upgrade.
#[derive(Debug, Clone, PartialEq)]
pub struct Facts {
    /// How far the new version is.
    pub distance: Distance,
    /// How many versions are passed over.
    pub skipped: usize,
    /// Whether the new one stands before a release.
    pub early: bool,
    /// What else is different, where both images are known.
    pub changed: Option<Changed>,
    /// How much hangs on the service.
    pub criticality: Criticality,
    /// How many other services would feel it.
    pub blast_radius: u32,
    /// Whether it keeps data.
    pub stateful: bool,
    /// Wanted instances.
    pub replicas: u32,
    /// Whether its traffic is measured by version.
    pub measured: bool,
    /// How its last rollouts ended.
    pub past: Past,
    /// Now.
    pub now: Time,
}

/// How a service's last rollouts ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Past {
    /// New versions that stayed.
    pub kept: u32,
    /// New versions that were left.
    pub left: u32,
}

/// What differs between two images beside their content. Said by the images themselves: untrusted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Changed {
    /// Settings that differ: `entrypoint`, `cmd`, `user`, `working_dir`, `stop_signal`.
    pub settings: Vec<String>,
    /// Variables that the new image no longer sets, 20 at most.
    pub unset: Vec<String>,
    /// Layers of the new image.
    pub layers: u32,
    /// How many of them the old one has too, counted from the bottom.
    pub shared: u32,
    /// Whether the words of the new image speak of a breaking change.
    pub breaking: bool,
}

/// A reason with its points.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Reason {
    /// Points, below zero where it speaks for the upgrade.
    pub points: i32,
    /// In words.
    pub words: String,
}

/// How risky an upgrade is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Risk {
    /// From 1 to 100.
    pub points: u32,
    /// What that comes to.
    pub level: Level,
    /// Why, the weightiest first.
    pub reasons: Vec<Reason>,
}

/// What points come to.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Below 25.
    Low,
    /// Below 45.
    Usual,
    /// Below 65.
    High,
    /// The rest: a person looks before it goes on.
    VeryHigh,
}

impl Level {
    const fn of(points: u32) -> Self {
        match points {
            0..25 => Self::Low,
            25..45 => Self::Usual,
            45..65 => Self::High,
            _ => Self::VeryHigh,
        }
    }

    /// In words.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Usual => "usual",
            Self::High => "high",
            Self::VeryHigh => "very high",
        }
    }
}

impl Risk {
    /// In one sentence, the weightiest reasons with their points.
    #[must_use]
    pub fn in_words(&self) -> String {
        let reasons = self.reasons.iter().take(5);
        let reasons: Vec<String> = reasons
            .map(|reason| format!("{} ({:+})", reason.words, reason.points))
            .collect();
        format!(
            "risk {} of 100, {}: {}",
            self.points,
            self.level.name(),
            reasons.join(", ")
        )
    }
}

/// Judges an upgrade.
#[must_use]
pub fn judge(facts: &Facts) -> Risk {
    let mut tally = Tally(vec![distance(facts.distance)]);
    let skipped = i32::try_from(facts.skipped.min(6)).unwrap_or(6);
    if skipped > 0 {
        let words = format!("{} passed over", count(facts.skipped, "version"));
        tally.add(skipped, words);
    }
    if facts.early {
        tally.add(10, "it stands before a release");
    }
    if let Some(changed) = &facts.changed {
        content(changed, facts.distance, &mut tally);
    }
    service(facts, &mut tally);
    if let Some(words) = quiet_hours(facts.now) {
        tally.add(4, words);
    }
    let Tally(mut reasons) = tally;
    reasons.retain(|reason| reason.points != 0);
    reasons.sort_by_key(|reason| std::cmp::Reverse(reason.points.abs()));
    let sum: i32 = reasons.iter().map(|reason| reason.points).sum();
    let points = u32::try_from(sum.clamp(1, 100)).unwrap_or(1);
    Risk {
        points,
        level: Level::of(points),
        reasons,
    }
}

struct Tally(Vec<Reason>);

impl Tally {
    fn add(&mut self, points: i32, words: impl Into<String>) {
        let words = words.into();
        self.0.push(Reason { points, words });
    }
}

/// Patches are not far below minor versions: of the releases on Maven Central that Raemaekers, van Deursen
/// and Visser looked at (SCAM 2014), about a quarter of patches and a third of minor and of major versions
/// broke their interface.
fn distance(distance: Distance) -> Reason {
    let points = match distance {
        Distance::Same => 8,
        Distance::Revision => 12,
        Distance::Patch => 20,
        Distance::Minor => 30,
        Distance::Months(0) => 20,
        Distance::Months(1..=3) => 28,
        Distance::Months(4..=12) => 34,
        Distance::Months(_) | Distance::Major => 42,
        Distance::Unknown | Distance::Downgrade => 42,
    };
    Reason {
        points,
        words: distance.to_string(),
    }
}

fn content(changed: &Changed, distance: Distance, tally: &mut Tally) {
    for setting in changed.settings.iter().take(8) {
        let points = match setting.as_str() {
            "entrypoint" | "cmd" => 8,
            "user" => 6,
            _ => 3,
        };
        tally.add(points, format!("another `{}`", shown(setting)));
    }
    if !changed.unset.is_empty() {
        let names: Vec<String> = changed
            .unset
            .iter()
            .take(3)
            .map(|name| shown(name))
            .collect();
        let words = format!("no longer sets `{}`", names.join("`, `"));
        tally.add(4, words);
    }
    if changed.layers > 1 && changed.shared == 0 {
        tally.add(4, "no layer in common: the base is another too");
    } else if changed.shared > 0 && distance != Distance::Same {
        let words = format!(
            "{} of {} in common",
            changed.shared,
            count(changed.layers as usize, "layer")
        );
        tally.add(-2, words);
    }
    if changed.breaking {
        tally.add(15, "its own words speak of a breaking change");
    }
}

fn service(facts: &Facts, tally: &mut Tally) {
    match facts.criticality {
        Criticality::Low => tally.add(-5, "little hangs on the service"),
        Criticality::Normal => {}
        Criticality::High => tally.add(10, "much hangs on the service"),
    }
    let radius = facts.blast_radius;
    let felt = match radius {
        0 => 0,
        1..=2 => 3,
        3..=10 => 7,
        _ => 12,
    };
    let others = count(radius as usize, "other service");
    tally.add(felt, format!("{others} would feel it"));
    if facts.stateful {
        tally.add(12, "it keeps data, which an old version may not read again");
    }
    if facts.replicas <= 1 {
        tally.add(4, "nobody beside it: one instance");
    }
    if !facts.measured {
        tally.add(6, "nothing measures its traffic by version");
    }
    let Past { kept, left } = facts.past;
    let points = i32::try_from(left.saturating_mul(8).min(24)).unwrap_or(24);
    let words = format!(
        "{left} of its last {} left",
        count(kept.saturating_add(left) as usize, "new version")
    );
    match (kept, left) {
        (3.., 0) => tally.add(-5, format!("its last {kept} new versions stayed")),
        _ => tally.add(points, words),
    }
}

/// Whether few people are there: from Friday noon to Monday morning, and at night. By UTC.
fn quiet_hours(now: Time) -> Option<&'static str> {
    let hours = now.0 / 3_600_000;
    // 1970-01-01 was a Thursday; Monday is 0.
    let (day, hour) = ((hours / 24 + 3) % 7, hours % 24);
    let weekend = day > 4 || (day == 4 && hour >= 12) || (day == 0 && hour < 6);
    let night = !(6..20).contains(&hour);
    match (weekend, night) {
        (true, _) => Some("from Friday noon to Monday morning (UTC) few people look"),
        (false, true) => Some("at night (UTC) few people look"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Thursday, 1 January 1970, ten in the morning.
    const MORNING: Time = Time(10 * 3_600_000);

    fn facts(distance: Distance) -> Facts {
        Facts {
            distance,
            skipped: 0,
            early: false,
            changed: None,
            criticality: Criticality::Normal,
            blast_radius: 0,
            stateful: false,
            replicas: 4,
            measured: true,
            past: Past::default(),
            now: MORNING,
        }
    }

    #[test]
    fn no_distance_is_without_risk_and_more_of_it_is_more() {
        use Distance::{Major, Minor, Months, Patch, Revision, Same};
        let points = |distance| judge(&facts(distance)).points;
        let order = [Same, Revision, Patch, Minor, Major].map(points);
        assert_eq!(order, [8, 12, 20, 30, 42]);
        assert!(
            [0, 2, 9, 40]
                .map(|months| points(Months(months)))
                .is_sorted()
        );
        let levels = [Same, Patch, Minor, Major].map(|far| judge(&facts(far)).level);
        assert_eq!(levels, [Level::Low, Level::Low, Level::Usual, Level::Usual]);
    }

    #[test]
    fn reasons_name_figures_and_add_up() {
        let risky = Facts {
            skipped: 3,
            changed: Some(Changed {
                settings: vec!["entrypoint".into(), "user".into()],
                unset: vec!["DATA_DIR".into()],
                layers: 5,
                shared: 0,
                breaking: true,
            }),
            criticality: Criticality::High,
            blast_radius: 4,
            past: Past { kept: 2, left: 1 },
            now: MORNING + ostler_core::time::Span::minutes(60 * 48),
            ..facts(Distance::Minor)
        };
        let risk = judge(&risky);
        assert_eq!(risk.points, 99);
        assert_eq!(risk.level, Level::VeryHigh);
        assert_eq!(
            risk.in_words(),
            "risk 99 of 100, very high: a minor version (+30), its own words speak of a breaking change (+15), \
             much hangs on the service (+10), another `entrypoint` (+8), 1 of its last 3 new versions left (+8)"
        );
        let all: String = risk
            .reasons
            .iter()
            .map(|one| one.words.clone() + "; ")
            .collect();
        for words in [
            "3 versions passed over",
            "4 other services would feel it",
            "no longer sets `DATA_DIR`",
            "Friday noon",
        ] {
            assert!(all.contains(words), "{words}: {all}");
        }
    }

    proptest! {
        /// What an image says of itself never makes an upgrade look safer.
        #[test]
        fn an_image_cannot_talk_its_risk_down(
            settings in prop::collection::vec("[a-z_]{1,12}", 0..5),
            unset in prop::collection::vec("[A-Z]{1,8}", 0..5),
            breaking: bool,
        ) {
            let said = Changed { settings, unset, breaking, ..Changed::default() };
            let with = judge(&Facts { changed: Some(said), ..facts(Distance::Patch) });
            prop_assert!(with.points >= judge(&facts(Distance::Patch)).points);
        }
    }
}
