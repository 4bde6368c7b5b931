//! A seeded, pure world in virtual time that drives the shipped core: decide, check, carry out,
//! let time pass, again. Tests inject faults into it; a fork of a live fleet answers "what if".
//!
//! The seed fixes everything: a failing run is repeated by its seed alone.

mod dice;
mod execute;
mod fork;
mod life;
mod meddle;
mod meter;
mod part;
mod temper;
mod twin;
mod world;

pub use dice::Dice;
pub use meddle::{Asked, Ending};
pub use meter::Quality;
pub use temper::{Faults, Flaw, Temper};
pub use twin::{Forecast, ForecastStep, Unforeseen, foresee, what_if};
pub use world::{Accounts, World};

use crate::{
    change::{self, Change},
    check::{Violation, check},
    intent::Intent,
    observed::Observed,
    plan::{Plan, Request},
    reconcile::reconcile,
    time::{Span, Time},
};

/// While steps are carried out or lost, the world is looked at again after this long.
const HEARTBEAT: Span = Span::seconds(5);
/// Between carrying out a plan and the next decision.
const REACTION: Span = Span(10);

/// What becomes of a world.
#[derive(Debug, Clone)]
pub struct Run {
    /// The intent at the end.
    pub intent: Intent,
    /// The last plan.
    pub last: Plan,
    /// Whether nothing was left to do or to happen.
    pub quiet: bool,
    /// How many decisions were made.
    pub plans: u32,
    /// Invariants that plans broke; the run ends with the first such plan.
    pub violations: Vec<Violation>,
    /// When it ended.
    pub ended_at: Time,
}

/// What is looked at, before it is carried out.
pub struct Moment<'a> {
    /// What was wanted.
    pub intent: &'a Intent,
    /// What was seen.
    pub observed: &'a Observed,
    /// What was decided.
    pub plan: &'a Plan,
    /// When.
    pub now: Time,
}

/// Runs the world until it is quiet or `bound` has passed. `script` holds changes and when they
/// are made, in order; one that is refused is left out, as a user would have to. Every decision
/// is shown to `watch`.
pub fn run(
    world: &mut World,
    intent: Intent,
    script: &[(Time, Change)],
    bound: Span,
    watch: impl FnMut(&Moment),
) -> Run {
    run_within(world, intent, script, (bound, u32::MAX), watch)
}

/// As [`run`], with at most so many decisions.
pub fn run_within(
    world: &mut World,
    intent: Intent,
    script: &[(Time, Change)],
    (bound, decisions): (Span, u32),
    mut watch: impl FnMut(&Moment),
) -> Run {
    let end = world.now() + bound;
    let mut script = script.iter().peekable();
    let mut run = Run {
        intent,
        last: Plan::default(),
        quiet: false,
        plans: 0,
        violations: Vec::new(),
        ended_at: world.now(),
    };
    let over = |run: &Run| run.quiet || !run.violations.is_empty() || run.plans >= decisions;
    while world.now() <= end && !over(&run) {
        while let Some((_, change)) = script.next_if(|(at, _)| *at <= world.now()) {
            run.make(change, world.now());
        }
        let settled = run.decide(world, &mut watch);
        let scripted = script.peek().map(|(at, _)| *at);
        let due = [run.last.wake_at, world.next_event(), scripted]
            .into_iter()
            .flatten()
            .min();
        run.quiet = settled && due.is_none();
        let soonest = world.now() + REACTION;
        let heartbeat = world.now() + HEARTBEAT;
        // With nothing to do and nothing going wrong, only what the plan asked for wakes anyone.
        let latest = if settled && world.is_calm() {
            end
        } else {
            heartbeat
        };
        let next = due.unwrap_or(heartbeat).min(latest).max(soonest);
        world.advance(&run.intent, next);
    }
    run.ended_at = world.now();
    run
}

impl Run {
    fn make(&mut self, change: &Change, now: Time) {
        if let Ok(applied) = change::apply(&self.intent, change, now) {
            self.intent = applied.intent;
        }
    }

    /// One round; says whether there was nothing to do.
    fn decide(&mut self, world: &mut World, watch: &mut impl FnMut(&Moment)) -> bool {
        let (observed, now) = (world.observe(), world.now());
        let plan = reconcile(&self.intent, &observed, now);
        self.plans += 1;
        self.violations = check(&self.intent, &observed, &plan);
        watch(&Moment {
            intent: &self.intent,
            observed: &observed,
            plan: &plan,
            now,
        });
        if self.violations.is_empty() {
            world.execute(&self.intent, &plan.steps);
            for request in &plan.requests {
                self.make(&as_change(request), now);
            }
        }
        let settled = plan.steps.is_empty() && plan.requests.is_empty();
        self.last = plan;
        settled
    }
}

/// The change that a request of the core asks for.
#[must_use]
pub fn as_change(request: &Request) -> Change {
    match request {
        Request::Settle {
            service,
            generation,
        } => Change::SettleService {
            service: service.clone(),
            generation: *generation,
        },
        Request::Scale { service, to, .. } => Change::ScaleService {
            service: service.clone(),
            replicas: *to,
        },
        Request::Advance {
            service,
            generation,
            from,
            to,
            ..
        } => Change::AdvanceRollout {
            service: service.clone(),
            generation: *generation,
            from: *from,
            to: *to,
        },
        Request::Revert { service, to, .. } => Change::RollbackService {
            service: service.clone(),
            to: *to,
        },
    }
}
