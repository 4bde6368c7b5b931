//! What was learnt: one mind for each path, from the service that promised something to its users to all that it
//! calls. Lost with the process, and learnt anew from the day that the daemon keeps.

use std::collections::{BTreeMap, BTreeSet};

use ostler_agents_kit::{load::Load, look::Glance};
use ostler_capacity::{
    plan::{Brain, Plan, Rhythm},
    reading::{Reading, STALE_AFTER},
    why::{Numbers, Why},
};
use ostler_core::{
    autoscale::Floor,
    id::{CallId, ServiceKey},
    time::{Span, Time},
};
use ostler_tools::answer::GraphEdge;

use super::{
    advice::Advice,
    sight::{GRID, readings, standing},
};

/// How the fleet is looked at: readings as they come, and an instance that is of full use after this long.
const RHYTHM: Rhythm = Rhythm {
    turn: GRID,
    delay: Span::seconds(5),
    start: Span::seconds(40),
};
/// As busy as this, a service is what holds its path up.
const FULL: f64 = 0.9;

/// Everything that was learnt.
#[derive(Debug, Default)]
pub struct Minds {
    paths: BTreeMap<ServiceKey, Path>,
    advised: BTreeMap<ServiceKey, Advised>,
}

/// Advice as it was given last.
#[derive(Debug, Clone)]
pub(super) struct Advised {
    /// The advice.
    pub advice: Advice,
    /// What is known of the service on its path.
    pub told: Option<Told>,
    /// The call that showed what the advice rests on: its last minutes, or its day.
    pub shown: CallId,
    /// When.
    pub at: Time,
}

/// What is known of one service now.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Told {
    /// Who promised, and what: the bound of the 99th percentile.
    pub entry: ServiceKey,
    /// In seconds.
    pub objective_s: f64,
    /// The plan's numbers.
    pub numbers: Numbers,
    /// Ahead of peaks that other days had.
    pub floors: Vec<Floor>,
    /// Most requests per second that one of its instances carried lately.
    pub most_each: f64,
    /// Who holds the path up, where somebody is full: more of the others does not help then.
    pub bottleneck: Option<ServiceKey>,
}

#[derive(Debug)]
struct Path {
    objective_s: f64,
    brain: Brain,
    fed: BTreeMap<ServiceKey, Time>,
    told: BTreeMap<ServiceKey, Told>,
}

impl Minds {
    /// Takes in what is new in a glance.
    pub(super) fn feed(&mut self, glance: &Glance) {
        let members = paths(&glance.loads, &glance.graph.value.needs);
        self.advised
            .retain(|service, _| glance.loads.contains_key(service));
        self.paths.retain(|entry, path| {
            let same = |(objective_s, _): &(f64, _)| (objective_s - path.objective_s).abs() < 1e-9;
            members.get(entry).is_some_and(same)
        });
        for (entry, (objective_s, members)) in members {
            let path = self.paths.entry(entry.clone());
            let path = path.or_insert_with(|| Path {
                objective_s,
                brain: Brain::new(RHYTHM, &entry.to_string(), objective_s),
                fed: BTreeMap::new(),
                told: BTreeMap::new(),
            });
            let loads: BTreeMap<&ServiceKey, &Load> = members
                .iter()
                .filter_map(|member| Some((member, glance.loads.get(member)?)))
                .collect();
            path.feed(&entry, &loads, glance.now);
        }
    }

    /// Remembers what was advised last, or that nothing is.
    pub(super) fn advise(&mut self, service: &ServiceKey, advised: Option<Advised>) {
        match advised {
            Some(advised) => {
                self.advised.insert(service.clone(), advised);
            }
            None => {
                self.advised.remove(service);
            }
        }
    }

    /// What was advised last.
    pub(super) fn advised(&self, service: &ServiceKey) -> Option<&Advised> {
        self.advised.get(service)
    }

    /// What is known of a service; nothing where it is on no path, or too little was seen.
    /// Of several paths the one that promised most counts.
    pub(super) fn told(&self, service: &ServiceKey) -> Option<&Told> {
        let told = self
            .paths
            .values()
            .filter_map(|path| path.told.get(service));
        told.min_by(|a, b| a.objective_s.total_cmp(&b.objective_s))
    }
}

impl Path {
    fn feed(&mut self, entry: &ServiceKey, loads: &BTreeMap<&ServiceKey, &Load>, now: Time) {
        let mut new: Vec<(Time, ServiceKey, Reading)> = Vec::new();
        for (service, load) in loads {
            let fed = self.fed.get(*service).copied();
            let mut unread = match fed {
                None => readings(&load.detail.value, &load.day.value, None),
                Some(_) => Vec::new(),
            };
            let after = unread.last().map(|one| one.at).or(fed);
            unread.extend(readings(&load.detail.value, &load.signals.value, after));
            let named = |one: Reading| (one.at, (*service).clone(), one);
            new.extend(unread.into_iter().map(named));
        }
        new.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
        let standings: Vec<_> = loads
            .values()
            .filter_map(|load| standing(load, now))
            .collect();
        // Nothing new: what was thought stays, and the same reading is not counted again.
        let seen = |at: &Time| now.since(*at) <= STALE_AFTER;
        if new.is_empty() && self.fed.get(entry).is_some_and(seen) {
            return;
        }
        for (at, service, reading) in new {
            // What cannot be true is passed over; what has no fresh reading is held.
            if let Err(doubt) = self.brain.see(&service.to_string(), reading, at) {
                tracing::debug!(%service, %doubt, "a reading is not believed");
            }
            if service == *entry {
                self.brain.plan(&standings, at);
            }
            self.fed.insert(service, at);
        }
        let plans = self.brain.plan(&standings, now);
        let bottleneck = self.bottleneck(loads);
        self.told = loads
            .keys()
            .filter_map(|service| {
                let plan = plans.iter().find(|plan| plan.name == service.to_string())?;
                let told = Told {
                    entry: entry.clone(),
                    objective_s: self.objective_s,
                    numbers: numbers(plan)?,
                    floors: later(plan, now),
                    most_each: self.brain.most_each(&plan.name, now),
                    bottleneck: bottleneck.clone(),
                };
                Some(((*service).clone(), told))
            })
            .collect();
    }

    /// The busiest member, where it is full.
    fn bottleneck(&self, loads: &BTreeMap<&ServiceKey, &Load>) -> Option<ServiceKey> {
        let busy = loads.iter().filter_map(|(service, load)| {
            let newest = readings(&load.detail.value, &load.signals.value, None).pop()?;
            Some((newest.utilisation(), *service))
        });
        let (share, service) = busy.max_by(|a, b| a.0.total_cmp(&b.0))?;
        (share >= FULL).then(|| service.clone())
    }
}

fn numbers(plan: &Plan) -> Option<Numbers> {
    match plan.why {
        Why::Numbers(numbers) => Some(numbers),
        Why::Blind => None,
    }
}

/// Floors that begin later: those of now are the core rule's.
fn later(plan: &Plan, now: Time) -> Vec<Floor> {
    let floors = plan.tuning.floors.iter();
    floors.filter(|floor| floor.from > now).copied().collect()
}

type Members = BTreeMap<ServiceKey, (f64, BTreeSet<ServiceKey>)>;

/// Every service that promised a latency and that no other such calls, with all that it calls.
fn paths(loads: &BTreeMap<ServiceKey, Load>, needs: &[GraphEdge]) -> Members {
    let promise = |load: &Load| {
        let objectives = load.detail.value.spec.objectives.as_ref()?;
        Some(objectives.latency?.under.as_secs_f64())
    };
    let mut all: Members = loads
        .iter()
        .filter_map(|(service, load)| {
            Some((
                service.clone(),
                (promise(load)?, reached_from(service, needs)),
            ))
        })
        .collect();
    let inner: Vec<ServiceKey> = all
        .keys()
        .filter(|service| {
            let mut others = all.iter().filter(|(entry, _)| entry != service);
            others.any(|(_, (_, members))| members.contains(*service))
        })
        .cloned()
        .collect();
    for service in inner {
        all.remove(&service);
    }
    all
}

fn reached_from(entry: &ServiceKey, needs: &[GraphEdge]) -> BTreeSet<ServiceKey> {
    let mut reached = BTreeSet::from([entry.clone()]);
    let mut open = vec![entry.clone()];
    while let Some(here) = open.pop() {
        for edge in needs.iter().filter(|edge| edge.service == here) {
            if reached.insert(edge.needs.clone()) {
                open.push(edge.needs.clone());
            }
        }
    }
    reached
}
