//! From what was seen to what is asked for: targets and floors that the core's rule follows. Pure: time is an argument, and the same readings give the same plan.
//!
//! A path is what one kind of user waits for: the service they call, and all that it calls. Its parts
//! are sized together, as busy as the path's objective allows. Where the users' latency is over it all the
//! same, the busiest parts get more until it is not: giving more to the frontend does not help while
//! the store is the one that is full.

use std::collections::BTreeMap;

use ostler_core::{
    autoscale::{Floor, Tuning},
    time::{Span, Time},
};

use crate::{
    capacity::{Curve, Part, PathFit, Seen},
    mind::Mind,
    reading::{Doubt, Reading},
    size::{self, Sized},
    sizing::{Known, Sizing},
    why::Why,
};

/// A tuning that is not renewed ends after this long; the spec's own targets hold again.
pub(super) const HOLDS: Span = Span::minutes(15);
/// What an instance carried within this long is what it was seen to carry.
const LATELY: Span = Span::minutes(10);
/// Above this share of the objective the path gets more.
const CLOSE: f64 = 1.0;
/// By how much more at each look, how much less once it is well again, and how much at most.
const PRESS: (f64, f64, f64) = (1.15, 0.97, 1.6);
/// Parts this close to the busiest one are the bottleneck.
const AS_BUSY: f64 = 0.9;

/// How one looks at the fleet.
#[derive(Debug, Clone, Copy)]
pub struct Rhythm {
    /// Between two readings, and two plans.
    pub turn: Span,
    /// From a reading's moment until it can be used.
    pub delay: Span,
    /// From asking for an instance until it is of full use.
    pub start: Span,
}

/// A service as it stands, and what may be done with it.
#[derive(Debug, Clone)]
pub struct Standing {
    /// Its name.
    pub name: String,
    /// Instances that there should be.
    pub wanted: u32,
    /// Instances that take requests.
    pub ready: u32,
    /// Those of them that are younger than a minute: caches are cold.
    pub young: u32,
    /// CPUs of each.
    pub cores: f64,
    /// Fewest and most instances.
    pub bounds: (u32, u32),
}

/// What is asked for, for one service.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Which.
    pub name: String,
    /// Targets and floors for the core's rule.
    pub tuning: Tuning,
    /// Why.
    pub why: Why,
}

/// The scaler's thinking for one path. Bounded by what its parts keep.
#[derive(Debug, Clone)]
pub struct Brain {
    rhythm: Rhythm,
    objective_s: f64,
    /// Who users call.
    entry: String,
    minds: BTreeMap<String, Mind>,
    fit: PathFit,
    fitted: Option<Time>,
    press: BTreeMap<String, f64>,
}

impl Brain {
    /// For a path: who users call, and the bound of their 99th percentile.
    #[must_use]
    pub fn new(rhythm: Rhythm, entry: &str, objective_s: f64) -> Self {
        Self {
            rhythm,
            objective_s,
            entry: entry.to_owned(),
            minds: BTreeMap::new(),
            fit: PathFit::default(),
            fitted: None,
            press: BTreeMap::new(),
        }
    }

    /// Takes in what was seen of one service.
    ///
    /// # Errors
    /// [`Doubt`] where it cannot be true; nothing is learnt from it then.
    pub fn see(&mut self, name: &str, reading: Reading, now: Time) -> Result<(), Doubt> {
        let Rhythm { turn, delay, start } = self.rhythm;
        // A change made now is felt until the one after the next reading.
        let near = Span(delay.0 + turn.0);
        let far = Span(near.0 + start.0);
        let mind = self.minds.entry(name.to_owned());
        mind.or_insert_with(|| Mind::new(turn, near, far))
            .see(reading, now)
    }

    /// What to ask for, for each service that enough is known of; the others stay as they are.
    pub fn plan(&mut self, standings: &[Standing], now: Time) -> Vec<Plan> {
        self.learn(standings, now);
        let known: Vec<Known> = standings
            .iter()
            .filter_map(|one| self.known(one, now))
            .collect();
        self.press(&known, now);
        let curve = self.fit.curve();
        let path: Vec<Sized> = known
            .iter()
            .map(|one| one.sized(self.pressed(one)))
            .collect();
        let busy = size::busy(&curve, &path, self.objective_s);
        let sizing = Sizing {
            now,
            busy,
            p99_s: size::p99_s(&curve, &path, busy),
            rhythm: self.rhythm,
        };
        let minds = &self.minds;
        let plan = |(one, sized): (&Known, &Sized)| {
            let mind = minds.get(&one.standing.name)?;
            Some(sizing.plan(mind, one, sized))
        };
        let mut plans: Vec<Plan> = known.iter().zip(&path).filter_map(plan).collect();
        let blind = standings.iter().filter(|one| self.is_blind(&one.name, now));
        plans.extend(blind.map(|one| held(one, now, self.rhythm.turn)));
        plans
    }

    /// Whether a service was once seen, and what comes now cannot be believed, or nothing comes.
    fn is_blind(&self, name: &str, now: Time) -> bool {
        let mind = self.minds.get(name);
        mind.is_some_and(|mind| mind.readings.fresh(now).is_none())
    }

    /// Most requests per second that one instance of a service carried lately, as far as it is believed.
    #[must_use]
    pub fn most_each(&self, name: &str, now: Time) -> f64 {
        let mind = self.minds.get(name);
        let lately = mind
            .into_iter()
            .flat_map(|mind| mind.readings.recent(now, LATELY));
        let each = lately.map(|reading| reading.rate / f64::from(reading.reporting.max(1)));
        each.fold(0.0, f64::max)
    }

    fn pressed(&self, one: &Known) -> f64 {
        self.press.get(&one.standing.name).copied().unwrap_or(1.0)
    }

    /// The curve of the path as learnt so far.
    #[must_use]
    pub fn curve(&self) -> Curve {
        self.fit.curve()
    }

    /// What is known of a service, if it is enough and fresh.
    fn known<'a>(&self, standing: &'a Standing, now: Time) -> Option<Known<'a>> {
        let mind = self.minds.get(&standing.name)?;
        let (near, far) = mind.ahead()?;
        Some(Known {
            standing,
            near,
            far,
            reading: *mind.readings.fresh(now)?,
            part: self.part(standing, now)?,
        })
    }

    /// A service as a part of the path, as it is: only on what is fresh.
    fn part(&self, standing: &Standing, now: Time) -> Option<Part> {
        let mind = self.minds.get(&standing.name)?;
        let reading = mind.readings.fresh(now)?;
        Some(Part {
            visits: mind.visits(self.minds.get(&self.entry)?, now)?,
            work_s: mind.work_s()?,
            cores: reading.cores,
            utilisation: reading.utilisation(),
        })
    }

    /// Learns how the path's latency follows from how busy its parts are, once for each reading.
    fn learn(&mut self, standings: &[Standing], now: Time) {
        let parts: Option<Vec<Part>> = standings.iter().map(|one| self.part(one, now)).collect();
        let entry = self
            .minds
            .get(&self.entry)
            .and_then(|mind| mind.readings.fresh(now));
        if let (Some(parts), Some(entry)) = (parts, entry)
            && self.fitted != Some(entry.at)
        {
            self.fitted = Some(entry.at);
            self.fit.add(Seen {
                parts,
                mean_s: entry.mean_s,
                p99_s: entry.p99_s,
            });
        }
    }

    /// Whether users waited too long at each of the last two looks.
    fn is_late(&self, now: Time) -> bool {
        let span = Span(self.rhythm.turn.0 * 2 + self.rhythm.delay.0);
        let entry = self.minds.get(&self.entry);
        let last = entry
            .into_iter()
            .flat_map(|mind| mind.readings.recent(now, span).take(2));
        let p99s: Vec<f64> = last.map(|reading| reading.p99_s).collect();
        p99s.len() == 2 && p99s.iter().all(|p99_s| *p99_s > self.objective_s * CLOSE)
    }

    /// Where users wait too long, the busiest parts get more from look to look.
    fn press(&mut self, known: &[Known<'_>], now: Time) {
        let late = self.is_late(now);
        let busiest = known
            .iter()
            .fold(0.0, |most, one| f64::max(most, one.part.utilisation));
        for one in known {
            let press = self.press.entry(one.standing.name.clone()).or_insert(1.0);
            let (more, less, most) = PRESS;
            let guilty = late && one.part.utilisation >= busiest * AS_BUSY;
            *press = if guilty {
                (*press * more).min(most)
            } else {
                (*press * less).max(1.0)
            };
        }
    }
}

/// Nothing goes while nothing can be believed: a lie may look like no load at all to the rule.
fn held(standing: &Standing, now: Time, turn: Span) -> Plan {
    let floor = Floor {
        from: now,
        until: now + turn + turn,
        replicas: standing.wanted,
    };
    Plan {
        name: standing.name.clone(),
        tuning: Tuning {
            targets: Vec::new(),
            floors: vec![floor],
            until: now + HOLDS,
        },
        why: Why::Blind,
    }
}
