//! What a change of load explains: who is asked twice as much uses twice as much, and whose callers
//! fail before they ask it uses less, and neither is at fault for that.
//!
//! Between the deviations of rates and those of everything that follows the load. It only ever
//! explains: nothing deviates because of what is said here.

use std::collections::BTreeMap;

use crate::picture::{How, Measure, Picture, Signal};

use super::deviation;
use super::stats::{median, quantile, sorted};

/// The share of points after the notice that lie below what stands for them, and above.
const STANDS_FOR: f64 = 0.75;
/// Fewer owners than this tell nothing of what all of them do.
const MANY: usize = 5;

/// How many times more and less than before is explained; one is always between both.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Explained {
    /// Up to so many times the level: one or more.
    pub most: f64,
    /// Down to so many times the level: one or less.
    pub least: f64,
}

/// Nothing is explained.
pub(crate) const UNCHANGED: Explained = Explained {
    most: 1.0,
    least: 1.0,
};

impl Explained {
    fn of(least: f64, most: f64) -> Self {
        Self {
            most: most.max(1.0),
            least: least.clamp(0.0, 1.0),
        }
    }

    fn or(self, other: Self) -> Self {
        Self::of(self.least.min(other.least), self.most.max(other.most))
    }

    fn and(self, other: Self) -> Self {
        Self::of(self.least * other.least, self.most * other.most)
    }
}

/// What is explained of each signal of a picture.
pub(crate) struct Asked<'a> {
    rates: BTreeMap<&'a str, Explained>,
    times: BTreeMap<&'a str, Explained>,
    common: BTreeMap<Measure, Explained>,
}

impl<'a> Asked<'a> {
    pub(crate) fn of(picture: &'a Picture, noticed: f64) -> Self {
        let moved: Vec<(&Signal, Explained)> = picture
            .signals
            .iter()
            .filter_map(|signal| Some((signal, ratio(signal, noticed)?)))
            .collect();
        let owned = |measure: Measure| {
            let of = moved.iter().filter(|(signal, _)| signal.measure == measure);
            let mut all: BTreeMap<&str, Explained> = BTreeMap::new();
            for (signal, explained) in of {
                let held = all.entry(&signal.object).or_insert(*explained);
                *held = held.or(*explained);
            }
            all
        };
        let follows = [Measure::Cpu, Measure::Disk, Measure::Network, Measure::Load];
        Self {
            rates: owned(Measure::Rate),
            times: owned(Measure::Latency),
            common: follows
                .into_iter()
                .filter_map(|measure| Some((measure, common(picture, &owned(measure))?)))
                .collect(),
        }
    }

    /// What is explained of a signal: by how much its owner was asked, and by what all do alike.
    pub(crate) fn explains(&self, signal: &Signal) -> Explained {
        let object = signal.object.as_str();
        let rate = self.rates.get(object).copied().unwrap_or(UNCHANGED);
        let common = self.common.get(&signal.measure).copied();
        match signal.measure {
            Measure::Cpu | Measure::Disk | Measure::Network => rate.or(common.unwrap_or(UNCHANGED)),
            // Little's law: what is under way is what comes times how long it stays.
            Measure::Load => {
                let time = self.times.get(object).copied().unwrap_or(UNCHANGED);
                rate.and(time).or(common.unwrap_or(UNCHANGED))
            }
            Measure::Errors if deviation::counted(signal) => rate,
            _ => UNCHANGED,
        }
    }
}

/// What most do alike is the load of all, not the fault of one. Instances of a service count as one: what all of them do
/// is what it does.
fn common(picture: &Picture, moved: &BTreeMap<&str, Explained>) -> Option<Explained> {
    let part_of = picture.edges.iter().filter(|edge| edge.how == How::PartOf);
    let owners: BTreeMap<&str, &str> = part_of
        .map(|edge| (edge.from.as_str(), edge.to.as_str()))
        .collect();
    let mut of_owner: BTreeMap<&str, Explained> = BTreeMap::new();
    for (object, explained) in moved {
        let owner = owners.get(object).unwrap_or(object);
        let held = of_owner.entry(owner).or_insert(*explained);
        *held = held.or(*explained);
    }
    if of_owner.len() < MANY {
        return None;
    }
    let middle = |end: fn(&Explained) -> f64| median(&sorted(of_owner.values().map(end)));
    Some(Explained::of(
        middle(|one| one.least)?,
        middle(|one| one.most)?,
    ))
}

/// Between which multiples of its level a signal was after the notice.
fn ratio(signal: &Signal, noticed: f64) -> Option<Explained> {
    let cut = signal.points.partition_point(|(at, _)| *at < noticed);
    let (before, after) = signal.points.split_at_checked(cut)?;
    let level = deviation::level(before, after)?;
    let now = sorted(after.iter().map(|(_, value)| *value));
    let [low, high] = [1.0 - STANDS_FOR, STANDS_FOR].map(|share| quantile(&now, share));
    (level > 0.0).then_some(Explained::of(low? / level, high? / level))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signal(object: &str, measure: Measure, before: f64, after: f64) -> Signal {
        let value = |at: u32| if at < 40 { before } else { after };
        Signal {
            object: object.to_owned(),
            measure,
            name: "m".to_owned(),
            points: (0..50).map(|at| (f64::from(at), value(at))).collect(),
        }
    }

    #[test]
    fn who_is_asked_more_may_use_as_much_more() {
        let picture = Picture {
            signals: vec![
                signal("web", Measure::Rate, 10.0, 20.0),
                signal("web", Measure::Latency, 5.0, 15.0),
                signal("db", Measure::Rate, 10.0, 5.0),
            ],
            ..Picture::default()
        };
        let asked = Asked::of(&picture, 40.0);
        let explains = |object, measure| asked.explains(&signal(object, measure, 1.0, 9.0));
        assert_eq!(explains("web", Measure::Cpu), Explained::of(1.0, 2.0));
        assert_eq!(explains("web", Measure::Load), Explained::of(1.0, 6.0));
        assert_eq!(explains("web", Measure::Memory), UNCHANGED);
        assert_eq!(explains("db", Measure::Network), Explained::of(0.5, 1.0));
        assert_eq!(explains("mail", Measure::Cpu), UNCHANGED);
    }

    #[test]
    fn what_all_do_alike_is_nobodys_fault() {
        let signals = (0..6).map(|i| signal(&format!("s{i}"), Measure::Cpu, 1.0, 2.0));
        let mut picture = Picture {
            signals: signals.collect(),
            ..Picture::default()
        };
        picture.signals.push(signal("odd", Measure::Cpu, 1.0, 9.0));
        let asked = Asked::of(&picture, 40.0);
        let odd = picture.signals.last().unwrap();
        assert_eq!(asked.explains(odd), Explained::of(1.0, 2.0));
    }
}
