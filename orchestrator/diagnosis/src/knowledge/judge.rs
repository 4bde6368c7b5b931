//! Holds the tests of causes against the objects they could blame.

use regex::Regex;

use super::cause::{
    Cause, ChangeTest, EventTest, FactTest, HowMany, LogTest, NearTest, SignalTest, Test,
};
use super::compare::{found, same, short};
use super::derive::shift;
use super::load::Knowledge;
use super::view::View;
use crate::finding::Evidence;

/// A cause that speaks of an object.
#[derive(Debug, Clone)]
pub struct Candidate<'a> {
    /// The object.
    pub object: &'a str,
    /// The cause.
    pub cause: &'a Cause,
    /// From 0 to 1, before anything is explained by anything.
    pub strength: f64,
    /// What shows it.
    pub evidence: Vec<Evidence>,
}

/// How much each of a cause's `likelier` tests moves it towards certainty.
const LIKELIER_STEP: f64 = 0.25;

/// Every cause that speaks of an object, without those that another one makes moot there.
pub fn candidates<'a>(view: &View<'a>, knowledge: &'a Knowledge) -> Vec<Candidate<'a>> {
    let mut all = Vec::new();
    for cause in knowledge.causes() {
        for object in view.of_kind(cause.blames) {
            all.extend(candidate(view, knowledge, cause, object));
        }
    }
    let moot: Vec<(&str, &str)> = all
        .iter()
        .flat_map(|one: &Candidate| {
            one.cause
                .excludes
                .iter()
                .map(|id| (one.object, id.as_str()))
        })
        .collect();
    all.retain(|one| !moot.contains(&(one.object, one.cause.id.as_str())));
    all
}

fn candidate<'a>(
    view: &View<'a>,
    knowledge: &'a Knowledge,
    cause: &'a Cause,
    object: &'a str,
) -> Option<Candidate<'a>> {
    let judge = Judge { view, knowledge };
    let (mut strength, mut evidence) = judge.shown(cause, object)?;
    for test in &cause.likelier {
        if let Some(more) = judge.holds(test, object) {
            strength += (1.0 - strength) * LIKELIER_STEP;
            evidence.extend(more);
        }
    }
    evidence.dedup();
    Some(Candidate {
        object,
        cause,
        strength,
        evidence,
    })
}

struct Judge<'v, 'a> {
    view: &'v View<'a>,
    knowledge: &'a Knowledge,
}

type Shown = Option<Vec<Evidence>>;

impl<'a> Judge<'_, 'a> {
    /// How surely a cause speaks of an object, and what shows it: by its own test, else by the surest
    /// of its other traces.
    fn shown(&self, cause: &Cause, object: &'a str) -> Option<(f64, Vec<Evidence>)> {
        if let Some(shown) = self.holds(&cause.when, object) {
            return Some((cause.strength, shown));
        }
        let others = cause.less_surely.iter();
        others
            .filter_map(|way| Some((way.strength, self.holds(&way.when, object)?)))
            .max_by(|one, other| one.0.total_cmp(&other.0))
    }

    /// What shows that a test holds of an object; nothing where it does not hold.
    fn holds(&self, test: &Test, object: &'a str) -> Shown {
        match test {
            Test::All(tests) => {
                let shown: Option<Vec<_>> =
                    tests.iter().map(|test| self.holds(test, object)).collect();
                shown.map(|shown| shown.into_iter().flatten().collect())
            }
            Test::Any(tests) => {
                let shown: Vec<_> = tests
                    .iter()
                    .filter_map(|test| self.holds(test, object))
                    .collect();
                (!shown.is_empty()).then(|| shown.into_iter().flatten().collect())
            }
            Test::Not(test) => self.holds(test, object).is_none().then(Vec::new),
            Test::Fact(test) => self.fact(test, object),
            Test::Event(test) => self.event(test, object),
            Test::Log(test) => self.log(test, object),
            Test::Signal(test) => self.signal(test, object),
            Test::Change(test) => self.change(test, object),
            Test::Near(test) => self.near(test, object),
        }
    }

    fn fact(&self, test: &FactTest, object: &'a str) -> Shown {
        let objects = if test.own {
            vec![object]
        } else {
            self.view.with_parts(object)
        };
        objects
            .into_iter()
            .find_map(|object| self.fact_of(test, object))
    }

    fn fact_of(&self, test: &FactTest, object: &str) -> Shown {
        let (value, from) = self.view.fact(object, &test.name)?;
        let number = value.as_f64();
        let other = |name: &Option<String>| name.as_ref().map(|name| self.view.value(object, name));
        let demands = [
            test.equals.as_ref().map(|wanted| same(value, wanted)),
            test.differs.as_ref().map(|unwanted| !same(value, unwanted)),
            test.one_of
                .as_ref()
                .map(|list| list.iter().any(|one| same(value, one))),
            test.above
                .map(|limit| number.is_some_and(|number| number > limit)),
            test.below
                .map(|limit| number.is_some_and(|number| number < limit)),
            other(&test.above_fact).map(|limit| {
                number
                    .zip(limit.and_then(|limit| limit.as_f64()))
                    .is_some_and(|(a, b)| a > b)
            }),
            other(&test.same_as).map(|other| other.is_some_and(|other| same(value, other))),
            test.matches.as_deref().map(|text| {
                self.knowledge
                    .pattern(text)
                    .is_some_and(|pattern| found(pattern, value))
            }),
        ];
        demands
            .into_iter()
            .all(|demand| demand.unwrap_or(true))
            .then(|| {
                let shows = format!("`{}` of {object} is {}", test.name, short(value));
                vec![Evidence { from, shows }]
            })
    }

    fn event(&self, test: &EventTest, object: &'a str) -> Shown {
        let (reason, message) = (
            self.wanted(test.reason.as_deref())?,
            self.wanted(test.message.as_deref())?,
        );
        let mut times = 0;
        let mut shown = Vec::new();
        for object in self.view.with_parts(object) {
            for (place, event) in self.view.events(object) {
                if fits(reason, &event.reason) && fits(message, &event.message) {
                    times += event.count;
                    shown.push(Evidence {
                        from: format!("events/{place}"),
                        shows: format!("{} happened to {object}", event.reason),
                    });
                }
            }
        }
        enough(shown, times, test.times)
    }

    fn log(&self, test: &LogTest, object: &'a str) -> Shown {
        let line = self.wanted(Some(&test.line))?;
        let mut times = 0;
        let mut shown = Vec::new();
        for object in self.view.with_parts(object) {
            for (place, log) in self.view.logs(object) {
                if fits(line, &log.line) {
                    times += log.count;
                    shown.push(Evidence {
                        from: format!("logs/{place}"),
                        shows: format!("{object} wrote a line that speaks for it"),
                    });
                }
            }
        }
        enough(shown, times, test.times)
    }

    fn signal(&self, test: &SignalTest, object: &'a str) -> Shown {
        let name = self.wanted(test.name.as_deref())?;
        let picture = self.view.picture;
        let whose = self.view.with_parts(object);
        let mut own = picture.signals.iter().enumerate().filter(|(_, signal)| {
            whose.contains(&signal.object.as_str())
                && signal.measure == test.measure
                && fits(name, &signal.name)
        });
        own.find_map(|(place, signal)| {
            let moved = shift::of(signal, picture.noticed?)?;
            let holds = test.risen.is_none_or(|times| moved.risen(times))
                && test.fallen.is_none_or(|share| moved.fallen(share))
                && test.above.is_none_or(|level| moved.after_middle > level)
                && test
                    .stands_out
                    .is_none_or(|times| shift::stands_out(picture, signal, times));
            holds.then(|| {
                let (before, after) = (moved.before, moved.after);
                let shows = format!(
                    "{} of {} went from {before:.3} to {after:.3}",
                    signal.name, signal.object
                );
                vec![Evidence {
                    from: format!("signals/{place}"),
                    shows,
                }]
            })
        })
    }

    fn change(&self, test: &ChangeTest, object: &'a str) -> Shown {
        let what = self.wanted(test.what.as_deref())?;
        let objects = self.view.with_parts(object);
        let changes = self.view.picture.changes.iter().enumerate();
        let shown: Vec<Evidence> = changes
            .filter(|(_, change)| objects.contains(&change.object.as_str()))
            .filter(|(_, change)| fits(what, &change.what))
            .map(|(place, change)| Evidence {
                from: format!("changes/{place}"),
                shows: format!("{} was changed", change.object),
            })
            .collect();
        (!shown.is_empty()).then_some(shown)
    }

    fn near(&self, test: &NearTest, object: &'a str) -> Shown {
        let near = self.view.near(object, test.who);
        let shown: Vec<Vec<Evidence>> = near
            .iter()
            .filter_map(|object| match &test.test {
                Some(test) => self.holds(test, object),
                None => Some(Vec::new()),
            })
            .collect();
        let holds = match test.how_many {
            HowMany::Any => shown.len() >= test.at_least.max(1),
            HowMany::All => !near.is_empty() && shown.len() == near.len(),
            HowMany::None => shown.is_empty(),
        };
        holds.then(|| shown.into_iter().flatten().take(3).collect())
    }

    /// The compiled pattern of a text: nothing demanded, demanded, or unknown (which holds of nothing).
    #[expect(
        clippy::option_option,
        reason = "not demanded is not the same as not known"
    )]
    fn wanted(&self, text: Option<&str>) -> Option<Option<&'a Regex>> {
        match text {
            None => Some(None),
            Some(text) => self.knowledge.pattern(text).map(Some),
        }
    }
}

fn fits(pattern: Option<&Regex>, text: &str) -> bool {
    pattern.is_none_or(|pattern| pattern.is_match(text))
}

/// At most three entries are cited: more would say the same.
fn enough(mut shown: Vec<Evidence>, times: u64, wanted: u64) -> Shown {
    shown.truncate(3);
    (!shown.is_empty() && times >= wanted).then_some(shown)
}
