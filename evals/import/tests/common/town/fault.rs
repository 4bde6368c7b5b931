//! What may go wrong in a service, and what each does to it: causes only, no symptoms.

use super::dice::Dice;
use super::plan::{Plan, Role, Service};

/// What is asked less often, a second, is nobody's incident.
const USED: f64 = 0.5;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    CpuHog,
    MemoryLeak,
    MemoryJump,
    DiskStress,
    NetworkDelay,
    PacketLoss,
    CrashLoop,
    Connections,
    SlowStore,
    ErrorsOfCode,
    SlowCode,
    WrongAddress,
}

pub const KINDS: [Kind; 12] = [
    Kind::CpuHog,
    Kind::MemoryLeak,
    Kind::MemoryJump,
    Kind::DiskStress,
    Kind::NetworkDelay,
    Kind::PacketLoss,
    Kind::CrashLoop,
    Kind::Connections,
    Kind::SlowStore,
    Kind::ErrorsOfCode,
    Kind::SlowCode,
    Kind::WrongAddress,
];

/// What is other than usual in one service at one moment.
#[derive(Debug, Clone, Copy)]
pub struct Effect {
    /// Processor that something else in its containers wants.
    pub hog_cores: f64,
    pub memory_bytes: f64,
    pub disk_bytes: f64,
    pub delay_s: f64,
    /// Of its packets.
    pub loss: f64,
    /// Share of its replicas that do not run.
    pub down: f64,
    /// So much of its pool is taken that it can answer this share of what is usually asked at once.
    pub room: f64,
    pub demand_times: f64,
    pub wait_times: f64,
    /// Share of requests that it fails itself.
    pub errors: f64,
    /// A call that fails always.
    pub broken_call: Option<usize>,
}

pub const NONE: Effect = Effect {
    hog_cores: 0.0,
    memory_bytes: 0.0,
    disk_bytes: 0.0,
    delay_s: 0.0,
    loss: 0.0,
    down: 0.0,
    room: f64::INFINITY,
    demand_times: 1.0,
    wait_times: 1.0,
    errors: 0.0,
    broken_call: None,
};

pub struct Fault {
    pub kind: Kind,
    pub victim: usize,
    /// From subtle, 0, to plain, 1.
    pub severity: f64,
    pub from_s: f64,
    pub until_s: f64,
    /// Something between 0 and 1 that each kind reads in its own way.
    pub turn: f64,
}

impl Fault {
    /// Somebody whom this can happen to.
    pub fn draw(dice: &mut Dice, kind: Kind, plan: &Plan, [from_s, end_s]: [f64; 2]) -> Self {
        let (services, rates) = (&plan.services, plan.usual_rates());
        let can = |service: &Service| match kind {
            Kind::SlowStore => service.role == Role::Store,
            Kind::WrongAddress => service.calls.iter().any(|call| call.needed && !call.posted),
            _ => true,
        };
        let able: Vec<usize> = (0..services.len())
            .filter(|at| can(&services[*at]) && rates[*at] > USED)
            .collect();
        let lasts = if dice.happens(0.7) {
            1.0
        } else {
            dice.between(0.5, 0.9)
        };
        Self {
            kind,
            victim: if able.is_empty() { 0 } else { dice.one(&able) },
            severity: dice.share(),
            from_s,
            until_s: from_s + (end_s - from_s) * lasts,
            turn: dice.share(),
        }
    }

    /// From `low` to `high` by severity, the same factor for every step of it.
    fn grade(&self, low: f64, high: f64) -> f64 {
        low * (high / low).powf(self.severity)
    }

    pub fn effect(&self, at_s: f64, victim: &Service) -> Effect {
        if at_s < self.from_s || at_s >= self.until_s {
            return NONE;
        }
        let since = at_s - self.from_s;
        let part = since / (self.until_s - self.from_s);
        let mut effect = NONE;
        match self.kind {
            Kind::CpuHog => effect.hog_cores = victim.cores * self.grade(0.25, 2.0),
            Kind::MemoryLeak => {
                let whole = victim.memory_bytes.max(100e6) * self.grade(0.3, 4.0);
                effect.memory_bytes = whole * part;
            }
            Kind::MemoryJump => {
                effect.memory_bytes = victim.memory_bytes.max(100e6) * self.grade(0.3, 4.0);
                effect.hog_cores = victim.cores * self.turn * 0.3;
            }
            Kind::DiskStress => effect.disk_bytes = self.grade(20e6, 400e6),
            Kind::NetworkDelay => effect.delay_s = self.grade(0.01, 0.6),
            Kind::PacketLoss => effect.loss = self.grade(0.02, 0.4),
            Kind::CrashLoop => effect.down = self.crashed(since, victim),
            Kind::Connections => effect.room = self.grade(1.5, 0.25),
            Kind::SlowStore => effect.wait_times = self.grade(2.5, 60.0),
            Kind::ErrorsOfCode => effect.errors = self.grade(0.03, 0.7),
            Kind::SlowCode => effect.demand_times = self.grade(1.5, 5.0),
            Kind::WrongAddress => effect.broken_call = self.broken(victim),
        }
        effect
    }

    /// Up for a while, down for a while that grows as a back-off does.
    fn crashed(&self, since: f64, victim: &Service) -> f64 {
        let (up, mut down, mut at) = (10.0 + 50.0 * self.turn, 5.0, 0.0);
        let share = if self.severity > 0.5 {
            1.0
        } else {
            1.0 / victim.replicas
        };
        loop {
            if since < at + down {
                return share;
            }
            at += down;
            if since < at + up {
                return 0.0;
            }
            at += up;
            down = f64::min(down * 2.0, 300.0);
        }
    }

    fn broken(&self, victim: &Service) -> Option<usize> {
        let calls = victim.calls.iter().enumerate();
        let needed: Vec<usize> = calls
            .filter(|(_, call)| call.needed && !call.posted)
            .map(|(place, _)| place)
            .collect();
        let drawn = (self.turn * needed.len() as f64) as usize;
        needed.get(drawn).copied()
    }
}
