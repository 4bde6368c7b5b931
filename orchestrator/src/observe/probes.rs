//! One task per probe of each running attempt. Answers go into the table and wake the driver.

use std::{
    collections::BTreeMap,
    net::Ipv4Addr,
    sync::Arc,
    time::{Duration, Instant},
};

use ostler_core::{
    event::Happening,
    id::{InstanceId, ServiceKey},
    intent::Intent,
    observed::{Answer, Observed, Phase},
    signal::{SignalKind, Subject},
    spec::{Probe, ProbeAction, Probes as ProbeSpecs},
};
use ostler_runtime::backend::ExecOrder;
use ostler_signals::probe::{self, Count, Tried};
use tokio::{sync::watch, task::JoinSet};

use crate::{
    clock,
    fleet::{Fleet, ProbeName},
};

/// The probes of everything that runs.
pub struct Probes {
    fleet: Arc<Fleet>,
    running: BTreeMap<InstanceId, (u32, JoinSet<()>)>,
}

impl Probes {
    /// No probes yet.
    #[must_use]
    pub fn new(fleet: Arc<Fleet>) -> Self {
        Self {
            fleet,
            running: BTreeMap::new(),
        }
    }

    /// Starts probes of attempts that run and ends those of attempts that do not.
    pub fn follow(&mut self, intent: &Intent, observed: &Observed) {
        self.running.retain(|instance, (attempt, _)| {
            observed
                .instances
                .get(instance)
                .is_some_and(|seen| seen.phase == Phase::Running && seen.attempt == *attempt)
        });
        for (instance, seen) in &observed.instances {
            if seen.phase != Phase::Running || self.running.contains_key(instance) {
                continue;
            }
            let Some(service) = intent.services.get(&seen.service) else {
                continue;
            };
            let specs = if service.generation == seen.generation {
                service.spec.probes.clone()
            } else {
                let past = service
                    .stable
                    .iter()
                    .chain(&service.history)
                    .find(|past| past.generation == seen.generation);
                past.map(|past| past.spec.probes.clone())
                    .unwrap_or_default()
            };
            let target = Target {
                fleet: self.fleet.clone(),
                instance: instance.clone(),
                service: seen.service.clone(),
                attempt: seen.attempt,
                address: seen.address.unwrap_or(Ipv4Addr::LOCALHOST),
            };
            self.running
                .insert(instance.clone(), (seen.attempt, target.begin(specs)));
        }
    }
}

/// One attempt of one instance, as probes see it.
#[derive(Clone)]
struct Target {
    fleet: Arc<Fleet>,
    instance: InstanceId,
    service: ServiceKey,
    attempt: u32,
    address: Ipv4Addr,
}

impl Target {
    /// Liveness and readiness wait until the startup probe said yes.
    fn begin(self, specs: ProbeSpecs) -> JoinSet<()> {
        let mut tasks = JoinSet::new();
        let (open, opened) = watch::channel(specs.startup.is_none());
        if let Some(startup) = specs.startup {
            tasks.spawn(self.clone().ask_until_yes(startup, open));
        }
        let rest = [
            (ProbeName::Liveness, specs.liveness),
            (ProbeName::Readiness, specs.readiness),
        ];
        for (name, probe) in rest
            .into_iter()
            .filter_map(|(name, probe)| Some((name, probe?)))
        {
            let (target, mut opened) = (self.clone(), opened.clone());
            tasks.spawn(async move {
                if opened.wait_for(|open| *open).await.is_ok() {
                    target.ask_forever(name, probe).await;
                }
            });
        }
        tasks
    }

    async fn ask_until_yes(self, probe: Probe, open: watch::Sender<bool>) {
        tokio::time::sleep(probe.initial_delay.to_std()).await;
        let (mut count, mut pace) = (Count::default(), Pace::new(&probe));
        loop {
            self.ask(ProbeName::Startup, &probe, &mut count, &mut pace)
                .await;
            if matches!(count.answer(), Answer::Yes { .. }) {
                open.send_replace(true);
                return;
            }
            pace.wait().await;
        }
    }

    async fn ask_forever(self, name: ProbeName, probe: Probe) {
        tokio::time::sleep(probe.initial_delay.to_std()).await;
        let (mut count, mut pace) = (Count::default(), Pace::new(&probe));
        loop {
            self.ask(name, &probe, &mut count, &mut pace).await;
            pace.wait().await;
        }
    }

    async fn ask(&self, name: ProbeName, probe: &Probe, count: &mut Count, pace: &mut Pace) {
        let started = Instant::now();
        let tried = self.try_once(probe).await;
        let now = clock::now();
        if name == ProbeName::Readiness {
            let subject = Subject::Instance(self.instance.clone());
            let history = self.fleet.history();
            history.record(
                &subject,
                SignalKind::ProbeSeconds,
                now,
                started.elapsed().as_secs_f64(),
            );
            history.record(
                &subject,
                SignalKind::ProbePassed,
                now,
                if tried.passed { 1.0 } else { 0.0 },
            );
        }
        if !pace.counts(&tried) {
            return;
        }
        let answer = count.tried(probe, &tried, now).clone();
        self.answer(name, answer, &tried);
    }

    fn answer(&self, name: ProbeName, answer: Answer, tried: &Tried) {
        if answer == Answer::Unknown {
            return;
        }
        let passes = matches!(answer, Answer::Yes { .. });
        let changed = self
            .fleet
            .write(|table| table.answered(&self.instance, self.attempt, name, answer));
        if changed.is_some() {
            let probe = name.as_str().to_owned();
            let what = Happening::Probed {
                probe,
                passes,
                detail: tried.detail.clone(),
            };
            self.fleet
                .tell(Some(&self.service), Some(&self.instance), what);
            self.fleet.wake.notify_one();
        }
    }

    async fn try_once(&self, probe: &Probe) -> Tried {
        if let ProbeAction::Exec { command } = &probe.action {
            return self.try_exec(command, probe.timeout.to_std()).await;
        }
        let tried = probe::try_network(probe, self.address).await;
        tried.unwrap_or_else(|| Tried::no("this probe cannot be asked over the network"))
    }

    async fn try_exec(&self, command: &[String], timeout: Duration) -> Tried {
        let order = ExecOrder {
            command: command.to_vec(),
            input: Vec::new(),
            timeout,
            output_limit: 200,
        };
        match self.fleet.backend.exec(&self.instance, &order).await {
            Ok(outcome) if outcome.code == 0 => Tried::yes("exit code 0"),
            Ok(outcome) => {
                let said = String::from_utf8_lossy(&outcome.stderr).into_owned();
                Tried::no(format!("exit code {}: {said}", outcome.code))
            }
            Err(error) => Tried::no(error.to_string()),
        }
    }
}

/// How often to ask: quickly until the first yes, then once a period. Quick tries that fail do not
/// count as failures more often than once a period, so thresholds mean what they say.
struct Pace {
    period: Duration,
    next: Duration,
    answered: bool,
    counted: Option<Instant>,
}

const FIRST_WAIT: Duration = Duration::from_millis(50);

impl Pace {
    fn new(probe: &Probe) -> Self {
        let period = probe.period.to_std().max(Duration::from_millis(100));
        Self {
            period,
            next: FIRST_WAIT.min(period),
            answered: false,
            counted: None,
        }
    }

    fn counts(&mut self, tried: &Tried) -> bool {
        if tried.passed {
            self.answered = true;
            return true;
        }
        // The first wait is not a failure yet: a process that starts is given one period.
        let last = *self.counted.get_or_insert_with(Instant::now);
        let due = self.answered || last.elapsed() >= self.period;
        if due {
            self.counted = Some(Instant::now());
        }
        due
    }

    async fn wait(&mut self) {
        if self.answered {
            self.next = self.period;
        }
        tokio::time::sleep(self.next).await;
        self.next = (self.next * 2).min(self.period);
    }
}
