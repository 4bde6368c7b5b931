//! Made-up systems of services, with made-up trouble, as their metrics would show both.
//!
//! Written from how such systems work (queues, limits, time-outs, repeated calls, shared machines) and
//! from how they are measured, not from what the engine looks for. The same seed makes the same case.
//! Nobody's recordings are in it, and it replaces none.

mod dice;
pub mod fault;
mod load;
mod noise;
mod physics;
mod plan;
mod record;

use std::collections::BTreeMap;

use dice::Dice;
use fault::{Effect, Fault, Kind, NONE};
use ostler_diagnosis::picture::{self, Edge, How, Object, Picture};
use ostler_evals_import::case::{Case, Truth};
use physics::{State, borne, settle, step};
use plan::Plan;
use record::{Monitoring, Seen, Writer};

/// What happens in a town.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Happening {
    Fault(Kind),
    Quiet,
    Surge,
    Drop,
    Deploy,
    Climb,
}

pub const CALM: [Happening; 5] = [
    Happening::Quiet,
    Happening::Surge,
    Happening::Drop,
    Happening::Deploy,
    Happening::Climb,
];

/// Seconds a point, and points before and after trouble began, at least and at most.
const CLOCKS: [(f64, [usize; 2], [usize; 2]); 4] = [
    (1.0, [400, 700], [180, 400]),
    (5.0, [180, 400], [60, 120]),
    (15.0, [120, 240], [20, 80]),
    (60.0, [90, 240], [8, 30]),
];

/// A case, and what it was made from.
pub struct Incident {
    pub case: Case,
    pub happening: Happening,
    pub step_s: f64,
    pub severity: f64,
}

/// What happens in the town of a seed.
pub fn incident(happening: Happening, seed: u64) -> Incident {
    let mut dice = Dice::new(seed);
    let mut plan = Plan::draw(&mut dice);
    let pools: Vec<f64> = plan
        .services
        .iter()
        .map(|_| dice.scaled(5.0, 50.0))
        .collect();
    settle(&mut plan, &pools);
    let plan = plan;
    let monitoring = Monitoring::draw(&mut dice);
    let (step_s, before, after) = dice.one(&CLOCKS);
    let before = dice.count(before[0], before[1]);
    let steps = before + dice.count(after[0], after[1]);
    let (from_s, end_s) = (before as f64 * step_s, steps as f64 * step_s);
    let fault = match happening {
        Happening::Fault(kind) => Some(Fault::draw(&mut dice, kind, &plan, [from_s, end_s])),
        _ => None,
    };
    let shift = shift(&mut dice, happening, from_s, end_s).map(|shift| bearable(&plan, shift));
    let asked = load::shares(&mut dice, steps, step_s, shift);
    let deployed = (happening == Happening::Deploy).then(|| Deploy::draw(&mut dice, &plan, from_s));
    let town = Town {
        plan: &plan,
        fault: fault.as_ref(),
        deployed: deployed.as_ref(),
        step_s,
    };
    let picture = Picture {
        // Who started the trouble knows when; others notice a little later.
        noticed: Some(
            from_s
                + if dice.happens(0.5) {
                    0.0
                } else {
                    dice.between(0.0, step_s + 20.0)
                },
        ),
        signals: town.recorded(&mut dice, &monitoring, &asked),
        edges: edges(&plan),
        objects: objects(&plan),
        ..Picture::default()
    };
    let truth = fault
        .as_ref()
        .map_or(Truth::Healthy, |fault| Truth::Faulty {
            objects: vec![plan.services[fault.victim].name.clone()],
            cause: None,
        });
    Incident {
        case: Case {
            id: format!("town/{happening:?}/{seed}"),
            picture,
            truth,
        },
        happening,
        step_s,
        severity: fault.map_or(0.0, |fault| fault.severity),
    }
}

fn shift(dice: &mut Dice, happening: Happening, from_s: f64, end_s: f64) -> Option<load::Shift> {
    let (times, takes_s) = match happening {
        Happening::Surge => (
            dice.scaled(1.3, 2.5),
            dice.between(0.0, (end_s - from_s) / 3.0),
        ),
        Happening::Drop => (
            dice.between(0.2, 0.7),
            dice.between(0.0, (end_s - from_s) / 3.0),
        ),
        Happening::Climb => {
            return Some(load::Shift {
                at_s: 0.0,
                takes_s: end_s,
                times: dice.between(1.3, 2.5),
            });
        }
        _ => return None,
    };
    Some(load::Shift {
        at_s: from_s,
        takes_s,
        times,
    })
}

/// Load swings by itself, so a rise must leave so much room.
const SWINGS: f64 = 1.4;

/// So much of a rise that nobody suffers.
fn bearable(plan: &Plan, mut shift: load::Shift) -> load::Shift {
    while shift.times > 1.05 && !borne(plan, shift.times * SWINGS) {
        shift.times = 1.0 + (shift.times - 1.0) * 0.8;
    }
    shift
}

/// A harmless new version of one service.
struct Deploy {
    place: usize,
    at_s: f64,
    /// Each of its replicas starts for so long.
    starts_s: f64,
    memory_times: f64,
}

impl Deploy {
    fn draw(dice: &mut Dice, plan: &Plan, at_s: f64) -> Self {
        Self {
            place: dice.below(plan.services.len()),
            at_s,
            starts_s: dice.between(10.0, 40.0),
            memory_times: dice.between(0.75, 1.3),
        }
    }
}

struct Town<'a> {
    plan: &'a Plan,
    fault: Option<&'a Fault>,
    deployed: Option<&'a Deploy>,
    step_s: f64,
}

impl Town<'_> {
    fn recorded(
        &self,
        dice: &mut Dice,
        monitoring: &Monitoring,
        asked: &[f64],
    ) -> Vec<picture::Signal> {
        let count = self.plan.services.len();
        let mut writers: Vec<Writer> = (0..count)
            .map(|place| Writer::new(dice, monitoring, self.plan, place, asked.len()))
            .collect();
        let mut states = vec![State::default(); count];
        let mut restarts = vec![0.0; count];
        let mut down_before = false;
        for (at, asked) in asked.iter().enumerate() {
            let at_s = at as f64 * self.step_s;
            let effects = self.effects(at_s);
            states = step(self.plan, *asked, &effects, &states);
            let down = effects.iter().position(|effect| effect.down > 0.0);
            if let (Some(victim), false) = (down, down_before) {
                restarts[victim] += 1.0;
            }
            down_before = down.is_some();
            for (place, writer) in writers.iter_mut().enumerate() {
                let seen = Seen {
                    plan: self.plan,
                    place,
                    state: &states[place],
                    step_s: self.step_s,
                    flaky: writer.flaky,
                    starting: self.starting(place, at_s),
                    level: self.memory_level(place, at_s),
                    extra_bytes: effects[place].memory_bytes,
                    garbage_bytes: writer.garbage.bytes(at_s),
                    restarts: restarts[place],
                };
                writer.write(dice, monitoring, at, at_s, &seen);
            }
        }
        let series = writers.into_iter().flat_map(|writer| writer.series);
        series
            .map(|series| series.signal)
            .filter(|signal| !signal.points.is_empty())
            .collect()
    }

    /// A point stands for the whole of its step: what holds for a part of it counts for that part.
    fn effects(&self, at_s: f64) -> Vec<Effect> {
        let mut effects = vec![NONE; self.plan.services.len()];
        if let Some(fault) = self.fault {
            let victim = &self.plan.services[fault.victim];
            let parts = (self.step_s / 5.0).ceil();
            let mut effect = fault.effect(at_s, victim);
            let within =
                (0..parts as usize).map(|part| fault.effect(at_s + part as f64 * 5.0, victim).down);
            effect.down = within.sum::<f64>() / parts;
            effects[fault.victim] = effect;
        }
        if let Some(place) = (0..effects.len()).find(|place| self.starting(*place, at_s) > 0.0) {
            let alone = self.plan.services[place].replicas <= 1.0;
            effects[place].down = if alone {
                0.0
            } else {
                1.0 / self.plan.services[place].replicas * 0.1
            };
        }
        effects
    }

    fn starting(&self, place: usize, at_s: f64) -> f64 {
        let starts = self.deployed.is_some_and(|deploy| {
            let long = deploy.starts_s * self.plan.services[place].replicas;
            deploy.place == place && (deploy.at_s..deploy.at_s + long).contains(&at_s)
        });
        f64::from(u8::from(starts))
    }

    fn memory_level(&self, place: usize, at_s: f64) -> f64 {
        let deployed = self
            .deployed
            .filter(|deploy| deploy.place == place && at_s >= deploy.at_s);
        deployed.map_or(1.0, |deploy| deploy.memory_times)
    }
}

fn edges(plan: &Plan) -> Vec<Edge> {
    let edge = |from: &str, to: String, how| Edge {
        from: from.to_owned(),
        to,
        how,
    };
    let mut all = Vec::new();
    for service in &plan.services {
        let called = |to: usize| plan.services[to].name.clone();
        all.extend(
            service
                .calls
                .iter()
                .map(|call| edge(&service.name, called(call.to), How::Calls)),
        );
        all.push(edge(
            &service.name,
            format!("node/n{}", service.node),
            How::RunsOn,
        ));
    }
    all
}

fn objects(plan: &Plan) -> BTreeMap<String, Object> {
    let object = |kind| Object {
        kind,
        facts: BTreeMap::new(),
    };
    let services = plan
        .services
        .iter()
        .map(|service| (service.name.clone(), object(picture::Kind::Service)));
    let nodes =
        (0..plan.nodes.len()).map(|node| (format!("node/n{node}"), object(picture::Kind::Node)));
    services.chain(nodes).collect()
}
