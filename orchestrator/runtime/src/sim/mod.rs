//! Instances that exist only here: no process, no image, no network. For tests of what stands on a
//! backend, at any scale and in virtual time: every wait is tokio's, which a test may pause.
//!
//! The seed decides how long things take; the images' names decide what instances do (see `life`).

mod life;

use std::{
    collections::BTreeMap,
    net::Ipv4Addr,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use async_trait::async_trait;
use ostler_core::{
    id::InstanceId,
    observed::{Problem, ProblemKind},
    sim::Dice,
    spec::{Stop, StopSignal},
    time::{Span, Time},
    units::{Bytes, MilliCpu},
};
use tokio::{sync::Notify, time::Instant};

use self::life::{End, Habit, Life};
use crate::backend::{
    Backend, BackendError, ExecOrder, ExecOutcome, Freed, ImageInfo, LogPage, LogQuery, Machine,
    Order, ResizeError, ResizeOrder, RouteTable, Seen, Started, StopCause, Usage,
};

const NAME: &str = "sim";
/// Addresses for benchmarks, which lead nowhere (RFC 2544).
const FIRST_ADDRESS: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 1);

/// Simulates instances. Clones share one world, as daemons of one machine do one after the other.
#[derive(Clone)]
pub struct SimBackend {
    world: Arc<World>,
    /// Each daemon hears of changes by itself.
    changed: Arc<Notify>,
}

struct World {
    state: Mutex<State>,
    /// The clock: when it began, by the calendar and by tokio.
    began: (Time, Instant),
    listeners: Mutex<Vec<Arc<Notify>>>,
}

struct State {
    dice: Dice,
    lives: BTreeMap<InstanceId, Life>,
    placed: u32,
    routes: RouteTable,
}

impl SimBackend {
    /// An empty world. Must be called where tokio runs.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let now = Time(u64::try_from(since.as_millis()).unwrap_or(u64::MAX));
        let world = World {
            state: Mutex::new(State {
                dice: Dice::new(seed),
                lives: BTreeMap::new(),
                placed: 0,
                routes: RouteTable::default(),
            }),
            began: (now, Instant::now()),
            listeners: Mutex::default(),
        };
        Self::over(Arc::new(world))
    }

    fn over(world: Arc<World>) -> Self {
        let changed = Arc::new(Notify::new());
        lock(&world.listeners).push(changed.clone());
        Self { world, changed }
    }

    /// What the next daemon of this machine opens: the same instances, a memory of its own.
    #[must_use]
    pub fn reopened(&self) -> Self {
        Self::over(self.world.clone())
    }

    /// The routes that were set last.
    #[must_use]
    pub fn routes(&self) -> RouteTable {
        self.world.state().routes.clone()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl World {
    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    fn now(&self) -> Time {
        let (at, since) = self.began;
        at + Span(u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    fn tell(&self) {
        lock(&self.listeners)
            .iter()
            .for_each(|listener| listener.notify_one());
    }

    fn end(&self, instance: &InstanceId, attempt: u32, end: End) {
        if let Some(life) = self.state().lives.get_mut(instance) {
            life.end(attempt, end, self.now());
        }
        self.tell();
    }

    /// Begins an attempt, or says that it runs; with how long it lasts if it ends by itself.
    fn begin(&self, order: &Order, habit: Habit) -> Result<(Started, Option<Span>), Problem> {
        let (mut state, now) = (self.state(), self.now());
        let State {
            dice,
            lives,
            placed,
            ..
        } = &mut *state;
        let life = lives.entry(order.instance.clone()).or_insert_with(|| {
            let address = Ipv4Addr::from(u32::from(FIRST_ADDRESS).wrapping_add(*placed % 0x1_fffe));
            *placed = placed.wrapping_add(1);
            Life::new(order, habit, address)
        });
        let lasts = match (life.runs(), life.seen.attempt) {
            (true, attempt) if attempt >= order.attempt => None,
            (false, attempt) if attempt < order.attempt => {
                let newer = order.generation > life.seen.generation;
                if newer && life.take_size(order.generation, &order.spec.resources) {
                    life.seen.resized_at = Some(now);
                }
                life.begin(order.attempt, now);
                life.habit.lasts(dice)
            }
            (true, attempt) => return Err(refused(format!("attempt {attempt} still runs"))),
            (false, _) => {
                return Err(refused(format!(
                    "attempt {} has ended already",
                    order.attempt
                )));
            }
        };
        let started = Started {
            pid: None,
            address: life.seen.address,
            at: life.seen.started_at.unwrap_or(now),
        };
        Ok((started, lasts))
    }
}

fn refused(detail: String) -> Problem {
    Problem {
        kind: ProblemKind::Backend,
        detail,
    }
}

fn unsupported(operation: &'static str) -> BackendError {
    BackendError::Unsupported {
        backend: NAME,
        operation,
    }
}

async fn pass(span: Span) {
    tokio::time::sleep(span.to_std()).await;
}

#[async_trait]
impl Backend for SimBackend {
    fn name(&self) -> &'static str {
        NAME
    }

    async fn start(&self, order: &Order) -> Result<Started, Problem> {
        let habit = Habit::of(&order.spec).ok_or_else(|| Problem {
            kind: ProblemKind::ImageNotFound,
            detail: format!(
                "image `{}` is not simulated; write {}",
                order.spec.image,
                Habit::ACCEPTED
            ),
        })?;
        let takes = Span(self.world.state().dice.between(1, 20));
        pass(takes).await;
        let (started, lasts) = self.world.begin(order, habit)?;
        if let Some(lasts) = lasts {
            let (world, instance, attempt) =
                (self.world.clone(), order.instance.clone(), order.attempt);
            tokio::spawn(async move {
                pass(lasts).await;
                world.end(&instance, attempt, End::ByItself);
            });
        }
        self.world.tell();
        Ok(started)
    }

    async fn stop(
        &self,
        instance: &InstanceId,
        stop: &Stop,
        why: StopCause,
    ) -> Result<(), BackendError> {
        let (attempt, takes, killed) = {
            let mut state = self.world.state();
            let State { dice, lives, .. } = &mut *state;
            let Some(life) = lives.get_mut(instance).filter(|life| life.runs()) else {
                return Ok(());
            };
            life.ask(why);
            let at_once = stop.signal == Some(StopSignal::Kill);
            let grace = if at_once { Span(0) } else { stop.grace };
            let killed = at_once || life.habit == Habit::Stubborn;
            (life.seen.attempt, life.habit.obeys(grace, dice), killed)
        };
        self.world.tell();
        pass(takes).await;
        self.world.end(instance, attempt, End::Asked { killed });
        Ok(())
    }

    async fn resize(&self, order: &ResizeOrder) -> Result<(), ResizeError> {
        let instance = &order.instance;
        let (mut state, now) = (self.world.state(), self.world.now());
        let life = state
            .lives
            .get_mut(instance)
            .ok_or_else(|| BackendError::NoInstance(instance.clone()))?;
        if !life.runs() {
            return Err(BackendError::NotRunning(instance.clone()).into());
        }
        let used = life.memory_used();
        if let Some(limit) = order.resources.limits.memory.filter(|limit| *limit < used) {
            let instance = instance.clone();
            return Err(ResizeError::MemoryInUse {
                instance,
                used,
                limit,
            });
        }
        if life.take_size(order.generation, &order.resources) {
            life.seen.resized_at = Some(now);
        }
        Ok(())
    }

    async fn remove(&self, instance: &InstanceId) -> Result<(), BackendError> {
        {
            let mut state = self.world.state();
            if state.lives.get(instance).is_some_and(Life::runs) {
                return Err(BackendError::Failed {
                    operation: "remove the instance",
                    detail: format!("`{instance}` still runs: stop it first"),
                });
            }
            state.lives.remove(instance);
        }
        self.world.tell();
        Ok(())
    }

    async fn list(&self) -> Result<Vec<Seen>, BackendError> {
        let state = self.world.state();
        Ok(state.lives.values().map(|life| life.seen.clone()).collect())
    }

    async fn changed(&self) {
        self.changed.notified().await;
    }

    async fn logs(&self, instance: &InstanceId, _: &LogQuery) -> Result<LogPage, BackendError> {
        match self.world.state().lives.contains_key(instance) {
            true => Ok(LogPage::default()),
            false => Err(BackendError::NoInstance(instance.clone())),
        }
    }

    async fn exec(&self, _: &InstanceId, _: &ExecOrder) -> Result<ExecOutcome, BackendError> {
        Err(unsupported("run commands"))
    }

    async fn usage(&self, instance: &InstanceId) -> Result<Usage, BackendError> {
        let state = self.world.state();
        let life = state
            .lives
            .get(instance)
            .ok_or_else(|| BackendError::NoInstance(instance.clone()))?;
        let Some(since) = life.seen.started_at.filter(|_| life.runs()) else {
            return Err(BackendError::NotRunning(instance.clone()));
        };
        // A hundredth of a CPU.
        Ok(Usage {
            cpu_us: self.world.now().since(since).0.saturating_mul(10),
            memory: life.memory_used(),
            memory_limit: life.memory_limit,
            pids: Some(1),
            ..Usage::default()
        })
    }

    async fn machine(&self) -> Result<Machine, BackendError> {
        Ok(Machine {
            cpu: MilliCpu(64_000),
            memory: Bytes::mib(262_144),
            memory_available: Bytes::mib(131_072),
            disk_share: 0.5,
            pressure: None,
        })
    }

    async fn route(&self, table: &RouteTable) -> Result<(), BackendError> {
        self.world.state().routes = table.clone();
        Ok(())
    }

    async fn import_image(
        &self,
        _: &Path,
        _: Option<&str>,
    ) -> Result<Vec<ImageInfo>, BackendError> {
        Err(unsupported("import images"))
    }

    async fn images(&self) -> Result<Vec<ImageInfo>, BackendError> {
        Ok(Vec::new())
    }

    async fn collect_garbage(&self, _: &[String]) -> Result<Freed, BackendError> {
        Ok(Freed::default())
    }
}
