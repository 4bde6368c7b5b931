//! Baselines at their best: every setting of a grid is played on the very scenario it is judged on.
//!
//! Fewest minutes out of the objective first; of those within a small slack, the fewest core-hours. What
//! wins is refined service by service. Nobody could tune like that, who does not know what is to come.

use std::sync::{
    Mutex,
    atomic::{AtomicUsize, Ordering},
};

use crate::{
    control::{
        Autoscaler, Order,
        behaviour::Rules,
        ceil,
        fixed::Fixed,
        hpa::{self, Hpa},
        keda::{self, Keda},
        oracle::Oracle,
    },
    measure::Result,
    run::{run, runs_while},
    scenario::Scenario,
};

/// Minutes out of the objective that count as none: one in a thousand, rounded down.
#[must_use]
pub fn slack(minutes: u32) -> u32 {
    minutes / 1_000
}

/// Settings of the grid.
#[derive(Debug, Clone)]
pub struct Grid {
    /// Utilisations to hold.
    pub targets: Vec<f64>,
    /// Seconds before going down.
    pub windows: Vec<u64>,
    /// Percent and instances within fifteen seconds.
    pub ups: Vec<(f64, u32)>,
    /// CPUs of an instance.
    pub cores: Vec<f64>,
}

impl Grid {
    /// All that is tried for the tables: 450 settings.
    #[must_use]
    pub fn whole() -> Self {
        Self {
            targets: (4..19).map(|step| f64::from(step) * 0.05).collect(),
            windows: vec![60, 300, 600],
            ups: vec![(100.0, 4), (900.0, 20)],
            cores: vec![0.5, 1.0, 2.0, 4.0, 8.0],
        }
    }

    /// A coarser one for tests: 40 settings.
    #[must_use]
    pub fn coarse() -> Self {
        Self {
            targets: (2..10).map(|step| f64::from(step) * 0.1).collect(),
            windows: vec![300],
            ups: vec![(900.0, 20)],
            cores: vec![0.5, 1.0, 2.0, 4.0, 8.0],
        }
    }

    fn settings(&self, scenario: &Scenario) -> Vec<hpa::Settings> {
        let shop = &scenario.shop;
        let mut all = Vec::new();
        for cores in &self.cores {
            for (up_percent, up_pods) in &self.ups {
                for down_window_s in &self.windows {
                    let rules = Rules {
                        down_window_s: *down_window_s,
                        up_percent: *up_percent,
                        up_pods: *up_pods,
                        ..Rules::kubernetes(shop.min, shop.max)
                    };
                    all.extend(self.targets.iter().map(|target| hpa::Settings {
                        targets: vec![*target; shop.programs.len()],
                        cores: *cores,
                        rules,
                    }));
                }
            }
        }
        // What is likely good first: then the rest ends early.
        let off = |one: &hpa::Settings| {
            one.targets
                .first()
                .map_or(0.0, |target| (target - 0.6).abs())
        };
        all.sort_by(|a, b| off(a).total_cmp(&off(b)));
        all
    }
}

/// The winner.
#[derive(Debug, Clone)]
pub struct Tuned<S> {
    /// Its settings.
    pub settings: S,
    /// What it came to.
    pub result: Result,
}

/// The best of several, by the rule above; nothing of nothing.
#[must_use]
pub fn best<S>(all: Vec<Tuned<S>>) -> Option<Tuned<S>> {
    let fewest = all.iter().map(|one| one.result.out).min()?;
    let near = |one: &Tuned<S>| one.result.out <= fewest + slack(one.result.minutes);
    all.into_iter()
        .filter(near)
        .min_by(|a, b| a.result.core_hours.total_cmp(&b.result.core_hours))
}

/// What is known while settings are tried: it ends those early that cannot win.
struct Known {
    /// Fewest minutes out.
    fewest: u32,
    /// Fewest core-hours of those that were never out.
    cheapest: f64,
}

/// Plays all of `settings` on two threads. Left out are those that can be no answer: with more minutes
/// out than `out` and than the best and its slack, or dearer than one that was never out.
fn all<S: Clone + Send + Sync, A: Autoscaler>(
    settings: &[S],
    scenario: &Scenario,
    seed: u64,
    out: u32,
    make: fn(S) -> A,
) -> Vec<Tuned<S>> {
    let known = Mutex::new(Known {
        fewest: u32::MAX,
        cheapest: f64::MAX,
    });
    let next = AtomicUsize::new(0);
    let one = |settings: &S| {
        let may_win = |so_far: u32, hours: f64| {
            known.lock().is_ok_and(|known| {
                let most = known.fewest.saturating_add(slack(scenario.minutes()));
                so_far <= most.max(out) && hours <= known.cheapest
            })
        };
        let result = runs_while(scenario, seed, &|| make(settings.clone()), &may_win)?;
        if let Ok(mut known) = known.lock() {
            known.fewest = known.fewest.min(result.out);
            if result.out == 0 {
                known.cheapest = known.cheapest.min(result.core_hours);
            }
        }
        let settings = settings.clone();
        Some(Tuned { settings, result })
    };
    let play = || {
        let places = std::iter::from_fn(|| settings.get(next.fetch_add(1, Ordering::Relaxed)));
        places.filter_map(one).collect::<Vec<_>>()
    };
    std::thread::scope(|scope| {
        let threads = [scope.spawn(play), scope.spawn(play)];
        let parts = threads.into_iter().filter_map(|thread| thread.join().ok());
        parts.flatten().collect()
    })
}

/// Every HPA that may be an answer, of the grid and near the best of it service by service: those with the
/// fewest minutes out and its slack, and those that are out for no more than `out`.
#[must_use]
pub fn hpas(grid: &Grid, scenario: &Scenario, seed: u64, out: u32) -> Vec<Tuned<hpa::Settings>> {
    let mut tried = all(&grid.settings(scenario), scenario, seed, out, Hpa::new);
    for service in 0..scenario.shop.programs.len() {
        let Some(winner) = best(tried.clone()) else {
            return tried;
        };
        let moved = |by: f64| {
            let mut settings = winner.settings.clone();
            if let Some(target) = settings.targets.get_mut(service) {
                *target = (*target + by).clamp(0.05, 0.95);
            }
            settings
        };
        let near: Vec<hpa::Settings> = [-0.1, -0.05, 0.05, 0.1].map(moved).to_vec();
        tried.extend(all(&near, scenario, seed, out, Hpa::new));
    }
    tried
}

/// The best HPA for this scenario.
#[must_use]
pub fn hpa(grid: &Grid, scenario: &Scenario, seed: u64) -> Option<Tuned<hpa::Settings>> {
    best(hpas(grid, scenario, seed, 0))
}

/// The cheapest of those that are out for no more minutes than `out`.
#[must_use]
pub fn no_worse<S: Clone>(all: &[Tuned<S>], out: u32) -> Option<Tuned<S>> {
    let good = all.iter().filter(|one| one.result.out <= out);
    good.min_by(|a, b| a.result.core_hours.total_cmp(&b.result.core_hours))
        .cloned()
}

/// The best request-rate scaler: its thresholds are those utilisations in requests per second.
#[must_use]
pub fn keda(grid: &Grid, scenario: &Scenario, seed: u64) -> Option<Tuned<keda::Settings>> {
    let from = |settings: hpa::Settings| {
        let programs = scenario.shop.programs.iter().zip(&settings.targets);
        keda::Settings {
            thresholds: programs
                .map(|(program, target)| target * settings.cores / program.work_s)
                .collect(),
            cores: settings.cores,
            rules: settings.rules,
        }
    };
    let settings: Vec<keda::Settings> = grid.settings(scenario).into_iter().map(from).collect();
    best(all(&settings, scenario, seed, 0, Keda::new))
}

/// The best fixed capacity: for the highest load there will be, at each utilisation of the grid.
#[must_use]
pub fn fixed(grid: &Grid, scenario: &Scenario, seed: u64) -> Option<Tuned<Vec<Order>>> {
    let shop = &scenario.shop;
    let peak = scenario
        .rates
        .iter()
        .fold(0.0, |most, rate| f64::max(most, *rate));
    let mut settings = Vec::new();
    for cores in &grid.cores {
        for target in &grid.targets {
            let programs = shop.programs.iter().zip(shop.visits());
            let order = |work: f64| Order {
                replicas: ceil(peak * work / (target * cores)).clamp(shop.min, shop.max),
                cores: *cores,
                shared: None,
            };
            settings.push(
                programs
                    .map(|(program, visits)| order(visits * program.work_s))
                    .collect(),
            );
        }
    }
    best(all(&settings, scenario, seed, 0, |orders| Fixed { orders }))
}

/// The bound.
#[must_use]
pub fn oracle(scenario: &Scenario, seed: u64) -> Result {
    let seeds = seed..seed + scenario.runs.max(1);
    let all = seeds.map(|seed| {
        let mut oracle = Oracle::new(&scenario.shop, scenario.arrivals(seed));
        run(scenario, &mut oracle, seed)
    });
    all.reduce(Result::and).unwrap_or_default()
}
