//! One scenario, everyone: the rows of the table.

use crate::{
    control::{Pace, behaviour::Rules, hpa::Settings, ostler::Ostler},
    measure::Result,
    run::runs,
    scenario::Scenario,
    tune::{self, Grid, Tuned},
};

/// One autoscaler's row.
#[derive(Debug, Clone)]
pub struct Row {
    /// Who.
    pub who: Who,
    /// How it was set up, where that is of interest.
    pub setup: String,
    /// What it came to.
    pub result: Result,
}

/// Who takes part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// Kubernetes' HPA, the fewest minutes out.
    Hpa,
    /// The cheapest HPA that is out for no more minutes than Ostler.
    HpaNoWorse,
    /// The request-rate scaler.
    Keda,
    /// The same capacity all the time.
    Fixed,
    /// Ostler as it ships.
    Ostler,
    /// Ostler with metrics as late and rare as those of Kubernetes.
    OstlerSlow,
    /// Ostler that may only change the number of instances, tuned by the scaler's thinking.
    OstlerInstances,
    /// The bound.
    Bound,
}

impl Who {
    /// As the table calls it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hpa => "HPA, tuned",
            Self::HpaNoWorse => "HPA, cheapest that is out no longer than Ostler",
            Self::Keda => "request-rate scaler (KEDA), tuned",
            Self::Fixed => "fixed, tuned",
            Self::Ostler => "**Ostler**",
            Self::OstlerSlow => "Ostler, at the HPA's pace",
            Self::OstlerInstances => "Ostler, instances only, tuned by its scaler",
            Self::Bound => "bound: knows the future",
        }
    }
}

/// One scenario's outcome.
#[derive(Debug, Clone)]
pub struct Contest {
    /// Its name.
    pub name: String,
    /// What it is.
    pub about: String,
    /// CPUs that a request from outside keeps busy for a second.
    pub work_s: f64,
    /// Everyone.
    pub rows: Vec<Row>,
}

impl Contest {
    /// One row, if there is one.
    #[must_use]
    pub fn row(&self, who: Who) -> Option<&Row> {
        self.rows.iter().find(|row| row.who == who)
    }

    /// Core-hours that Ostler saves against another, as a share; negative where it needs more.
    #[must_use]
    pub fn saves(&self, against: Who) -> Option<f64> {
        let ours = self.row(Who::Ostler)?.result.core_hours;
        Some(1.0 - ours / self.row(against)?.result.core_hours)
    }
}

/// Ostler under a scenario.
#[must_use]
pub fn ostler(scenario: &Scenario, cores: f64, resizes: bool, pace: Pace, seed: u64) -> Result {
    runs(scenario, seed, &|| {
        Ostler::new(scenario, cores, resizes, pace)
    })
}

/// Everyone under one scenario.
#[must_use]
pub fn play(scenario: &Scenario, grid: &Grid, seed: u64) -> Contest {
    let ours = ostler(scenario, 1.0, true, Pace::OSTLER, seed);
    let hpas = tune::hpas(grid, scenario, seed, ours.out);
    let tuned = tune::best(hpas.clone());
    // Where CPU stays, it is what served the HPA best.
    let cores = tuned.as_ref().map_or(1.0, |tuned| tuned.settings.cores);
    let no_worse = tune::no_worse(&hpas, ours.out);
    let hpa = |who, tuned: Option<Tuned<Settings>>| {
        tuned.map(|tuned| Row {
            who,
            setup: setup(&tuned.settings),
            result: tuned.result,
        })
    };
    let plain = |who, result| Row {
        who,
        setup: String::new(),
        result,
    };
    let mut rows: Vec<Row> = hpa(Who::Hpa, tuned)
        .into_iter()
        .chain(hpa(Who::HpaNoWorse, no_worse))
        .collect();
    rows.extend(tune::keda(grid, scenario, seed).map(|tuned| Row {
        who: Who::Keda,
        setup: keda(
            &tuned.settings.thresholds,
            tuned.settings.cores,
            &tuned.settings.rules,
        ),
        result: tuned.result,
    }));
    rows.extend(tune::fixed(grid, scenario, seed).map(|tuned| plain(Who::Fixed, tuned.result)));
    rows.push(plain(Who::Ostler, ours));
    rows.push(plain(
        Who::OstlerSlow,
        ostler(scenario, 1.0, true, Pace::KUBERNETES, seed),
    ));
    rows.push(plain(
        Who::OstlerInstances,
        ostler(scenario, cores, false, Pace::OSTLER, seed),
    ));
    rows.push(plain(Who::Bound, tune::oracle(scenario, seed)));
    Contest {
        name: scenario.name.clone(),
        about: scenario.about.clone(),
        work_s: scenario.shop.work_s(),
        rows,
    }
}

fn list(values: &[f64], unit: impl Fn(f64) -> String) -> String {
    let all: Vec<String> = values.iter().map(|value| unit(*value)).collect();
    all.join("/")
}

fn setup(settings: &Settings) -> String {
    let targets = list(&settings.targets, |target| format!("{:.0}", target * 100.0));
    format!("{targets} % of {}", size(settings.cores, &settings.rules))
}

fn keda(thresholds: &[f64], cores: f64, rules: &Rules) -> String {
    let thresholds = list(thresholds, |threshold| format!("{threshold:.0}"));
    format!("{thresholds}/s each of {}", size(cores, rules))
}

fn size(cores: f64, rules: &Rules) -> String {
    format!(
        "{cores} CPU, down after {} s, up {:.0} % or {}",
        rules.down_window_s, rules.up_percent, rules.up_pods
    )
}
