//! A backend under test, with the few workloads that checks are made of.

use std::{
    collections::BTreeMap,
    fmt::Display,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use futures::future::BoxFuture;
use ostler_core::{
    id::{Generation, InstanceId, SecretName, ServiceKey},
    observed::Phase,
    spec::{ServiceSpec, Stop, StopSignal},
    time::{Span, Time},
};

use crate::backend::{Backend, LogQuery, Order, SecretBytes, Seen, Started, StopCause};

/// What a check found: nothing wrong, or what it saw.
pub(super) type Outcome = Result<(), String>;

/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a backend says it does.
#[derive(Debug, Clone, Copy, Default)]
pub struct Claims {
    /// Memory limits are enforced and named.
    pub memory_limits: bool,
    /// Real commands run, and write output.
    pub commands: bool,
    /// Commands can be run inside.
    pub exec: bool,
    /// Images are looked up.
    pub images: bool,
    /// Volumes, configs and secrets are mounted.
    pub storage: bool,
    /// What runs outlives the backend.
    pub adoption: bool,
    /// Instances have addresses.
    pub addresses: bool,
}

/// What an instance does in a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// Runs until it is told to end, and then exits with code 0; says `ready` before.
    Serve,
    /// Runs and ignores SIGTERM; says `ready` once it does.
    Stubborn,
    /// Exits with this code at once.
    Exit(i32),
    /// Kills itself with SIGKILL.
    KilledBySignal,
    /// As `Serve`, and holds 16 MiB of memory that cannot be reclaimed before it says `ready`.
    Hold,
    /// Uses more and more memory, under a limit of 16 MiB.
    EatMemory,
    /// Writes `out 1` to `out 3` to one stream and `err 1` to the other, then serves.
    Print,
}

/// Closes the backend's object and opens another one over the same state.
pub type Reopen =
    Box<dyn Fn() -> BoxFuture<'static, Result<Arc<dyn Backend>, String>> + Send + Sync>;

/// A backend under test.
pub struct Subject {
    /// What it says it does.
    pub claims: Claims,
    /// A service that does such work.
    pub spec: Box<dyn Fn(Work) -> ServiceSpec + Send + Sync>,
    /// How another daemon would open it; needed for the claim of adoption.
    pub reopen: Option<Reopen>,
    backend: Mutex<Arc<dyn Backend>>,
    counter: AtomicU32,
}

impl Subject {
    /// A subject without further claims.
    pub fn new(
        backend: Arc<dyn Backend>,
        spec: impl Fn(Work) -> ServiceSpec + Send + Sync + 'static,
    ) -> Self {
        Self {
            claims: Claims::default(),
            spec: Box::new(spec),
            reopen: None,
            backend: Mutex::new(backend),
            counter: AtomicU32::new(0),
        }
    }

    /// The backend as it is open now.
    pub fn backend(&self) -> Arc<dyn Backend> {
        self.backend
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(super) async fn reopen(&self) -> Outcome {
        let reopen = self
            .reopen
            .as_ref()
            .ok_or("the subject cannot be reopened")?;
        let opened = reopen().await?;
        *self.backend.lock().unwrap_or_else(PoisonError::into_inner) = opened;
        Ok(())
    }

    /// An order for a new instance.
    pub(super) fn order(&self, work: Work) -> Result<Order, String> {
        self.order_of((self.spec)(work))
    }

    pub(super) fn order_of(&self, spec: ServiceSpec) -> Result<Order, String> {
        let number = self.counter.fetch_add(1, Ordering::Relaxed);
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let secrets = spec
            .secret_names()
            .map(|name| (name.clone(), SecretBytes(Arc::from(b"hush".as_slice()))));
        let secrets: BTreeMap<SecretName, SecretBytes> = secrets.collect();
        Ok(Order {
            instance: InstanceId::new(format!("check-{number}")).map_err(words)?,
            service: "conformance/check".parse::<ServiceKey>().map_err(words)?,
            generation: Generation(1),
            attempt: 1,
            created_at: Time(u64::try_from(now.as_millis()).unwrap_or(0)),
            spec: Arc::new(spec),
            secrets,
        })
    }

    pub(super) async fn start(&self, order: &Order) -> Result<Started, String> {
        self.backend()
            .start(order)
            .await
            .map_err(|problem| format!("start: {:?}: {}", problem.kind, problem.detail))
    }

    /// Starts, and waits until the workload said that it handles signals: `ready` in its output.
    pub(super) async fn start_ready(&self, order: &Order) -> Result<Started, String> {
        let started = self.start(order).await?;
        let query = LogQuery {
            after: None,
            since: None,
            tail: 10,
        };
        let deadline = tokio::time::Instant::now() + PATIENCE;
        if !self.claims.commands {
            return Ok(started);
        }
        loop {
            let page = self
                .backend()
                .logs(&order.instance, &query)
                .await
                .map_err(words)?;
            if page.lines.iter().any(|line| line.text == "ready") {
                return Ok(started);
            }
            ensure(tokio::time::Instant::now() < deadline, || {
                format!("never ready: {page:?}")
            })?;
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    pub(super) async fn seen(&self, instance: &InstanceId) -> Result<Option<Seen>, String> {
        let all = self.backend().list().await.map_err(words)?;
        Ok(all.into_iter().find(|seen| seen.instance == *instance))
    }

    /// Waits, by the backend's own hints, until the instance is as wanted.
    pub(super) async fn until(
        &self,
        instance: &InstanceId,
        what: &str,
        wanted: impl Fn(&Seen) -> bool,
    ) -> Result<Seen, String> {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        let mut last = None;
        while tokio::time::Instant::now() < deadline {
            last = self.seen(instance).await?;
            if let Some(seen) = last.take_if(|seen| wanted(seen)) {
                return Ok(seen);
            }
            let backend = self.backend();
            drop(tokio::time::timeout(Duration::from_secs(1), backend.changed()).await);
        }
        Err(format!(
            "not {what} within {} s: {last:?}",
            PATIENCE.as_secs()
        ))
    }

    pub(super) async fn until_ended(&self, instance: &InstanceId) -> Result<Seen, String> {
        self.until(instance, "ended", |seen| seen.phase == Phase::Ended)
            .await
    }

    pub(super) async fn stop(&self, instance: &InstanceId, grace: Span) -> Outcome {
        let stop = Stop {
            signal: Some(StopSignal::Term),
            grace,
        };
        self.backend()
            .stop(instance, &stop, StopCause::Asked)
            .await
            .map_err(words)
    }

    /// Kills and removes everything that is there.
    pub(super) async fn clean(&self) -> Outcome {
        let backend = self.backend();
        for seen in backend.list().await.map_err(words)? {
            let stop = Stop {
                signal: Some(StopSignal::Kill),
                grace: Span(0),
            };
            backend
                .stop(&seen.instance, &stop, StopCause::Asked)
                .await
                .map_err(words)?;
            backend.remove(&seen.instance).await.map_err(words)?;
        }
        Ok(())
    }
}

/// An error as text.
pub(super) fn words(error: impl Display) -> String {
    error.to_string()
}

/// Says what was seen when something does not hold.
pub(super) fn ensure(holds: bool, seen: impl FnOnce() -> String) -> Outcome {
    if holds { Ok(()) } else { Err(seen()) }
}
