//! Carries out steps against the backend, each in its own task. It chooses nothing.

mod resize;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use ostler_core::{
    event::Happening,
    id::{Generation, InstanceId, SecretName, ServiceKey},
    intent::{Intent, SecretKey},
    observed::{Health, InstanceSeen, Phase, Problem, ProblemKind},
    spec::{ServiceSpec, Stop},
    step::{Reason, Step},
    time::Time,
};
use ostler_gate::Gate;
use ostler_runtime::backend::{Order, SecretBytes, StopCause};
use tokio::sync::Semaphore;

use crate::{
    clock,
    fleet::{Busy, Fleet},
    front::Fronts,
    routes::Routes,
};

/// Most instances started at once; more only wait for each other.
const STARTS_AT_ONCE: usize = 16;
/// Wait before something that failed is tried again.
const AGAIN: Duration = Duration::from_secs(1);

/// Carries out steps.
pub struct Executor {
    /// Where traffic goes.
    pub routes: Arc<Routes>,
    fleet: Arc<Fleet>,
    gate: Arc<Gate>,
    starts: Arc<Semaphore>,
}

impl Executor {
    /// An executor over the fleet; the gate reveals secrets to it.
    #[must_use]
    pub fn new(fleet: Arc<Fleet>, gate: Arc<Gate>, fronts: Arc<Fronts>) -> Arc<Self> {
        Arc::new(Self {
            routes: Routes::new(fleet.clone(), fronts),
            fleet,
            gate,
            starts: Arc::new(Semaphore::new(STARTS_AT_ONCE)),
        })
    }

    /// Begins every step; returns at once. Results arrive in the table.
    pub fn execute(self: &Arc<Self>, intent: &Arc<Intent>, steps: &[Step]) {
        for step in steps {
            self.begin(intent, step);
        }
    }

    fn begin(self: &Arc<Self>, intent: &Arc<Intent>, step: &Step) {
        match step {
            Step::Place {
                instance,
                service,
                generation,
                ..
            } => {
                self.fleet.metrics.stepped("place");
                let Some(spec) = spec_of(intent, service, *generation) else {
                    return;
                };
                self.place(instance, service, *generation, &spec);
                self.spawn_start(instance.clone(), service.clone(), *generation, 1, spec);
            }
            Step::Restart {
                instance,
                attempt,
                generation,
                reason,
            } => {
                self.fleet.metrics.stepped("restart");
                if let Some(generation) = generation {
                    self.start_with(intent, instance, *generation);
                }
                self.restart(intent, instance, *attempt, *reason);
            }
            Step::Resize {
                instance,
                generation,
                ..
            } => {
                self.fleet.metrics.stepped("resize");
                self.resize(intent, instance, *generation);
            }
            Step::Follow { instance, cpu } => {
                self.fleet.metrics.stepped("follow");
                self.follow(intent, instance, *cpu);
            }
            Step::Stop { instance, reason } => {
                self.fleet.metrics.stepped("stop");
                self.stop(intent, instance, *reason);
            }
            Step::Remove { instance, .. } => {
                self.fleet.metrics.stepped("remove");
                self.remove(instance);
            }
            Step::Route { service, instances } => {
                self.fleet.metrics.stepped("route");
                self.fleet.write(|table| {
                    table
                        .observed
                        .routes
                        .insert(service.clone(), instances.clone())
                });
            }
        }
    }

    fn place(
        &self,
        instance: &InstanceId,
        service: &ServiceKey,
        generation: Generation,
        spec: &ServiceSpec,
    ) {
        let now = clock::now();
        let seen = InstanceSeen {
            service: service.clone(),
            node: self.fleet.node.clone(),
            generation,
            cpu: spec.resources.requests.cpu.unwrap_or_default(),
            memory: spec.resources.requests.memory.unwrap_or_default(),
            phase: Phase::Starting,
            since: now,
            attempt: 1,
            started_at: None,
            created_at: now,
            exits: Vec::new(),
            health: Health::default(),
            address: None,
            pid: None,
            resize: None,
        };
        self.fleet
            .write(|table| table.observed.instances.insert(instance.clone(), seen));
        self.fleet.tell(
            Some(service),
            Some(instance),
            Happening::Placed { generation },
        );
    }

    fn restart(
        self: &Arc<Self>,
        intent: &Arc<Intent>,
        instance: &InstanceId,
        attempt: u32,
        reason: Reason,
    ) {
        let known = self
            .fleet
            .read(|table| table.observed.instances.get(instance).cloned());
        let Some(seen) = known else { return };
        self.fleet.tell(
            Some(&seen.service),
            Some(instance),
            Happening::Restarting { attempt, reason },
        );
        match spec_of(intent, &seen.service, seen.generation) {
            Some(spec) => self.spawn_start(
                instance.clone(),
                seen.service,
                seen.generation,
                attempt,
                spec,
            ),
            None => {
                let detail = format!(
                    "generation {} of `{}` is no longer remembered",
                    seen.generation, seen.service
                );
                let problem = Problem {
                    kind: ProblemKind::Backend,
                    detail,
                };
                self.fleet
                    .write(|table| table.failed(instance, problem, clock::now()));
            }
        }
    }

    fn spawn_start(
        self: &Arc<Self>,
        instance: InstanceId,
        service: ServiceKey,
        generation: Generation,
        attempt: u32,
        spec: Arc<ServiceSpec>,
    ) {
        let asked_at = clock::now();
        let created_at = self.fleet.write(|table| {
            table.starting(&instance, attempt, asked_at);
            table
                .observed
                .instances
                .get(&instance)
                .map_or(asked_at, |seen| seen.created_at)
        });
        let executor = self.clone();
        tokio::spawn(async move {
            // Only new instances wait for each other: a slow image must not hold up a restart.
            let _turn = if attempt == 1 {
                Some(executor.starts.acquire().await)
            } else {
                None
            };
            let order = Order {
                instance,
                service,
                generation,
                attempt,
                created_at,
                secrets: BTreeMap::new(),
                spec,
            };
            executor.start(order, asked_at).await;
            executor.fleet.wake.notify_one();
        });
    }

    async fn start(&self, mut order: Order, asked_at: Time) {
        let result = match self.secrets(&order) {
            Ok(secrets) => {
                order.secrets = secrets;
                self.fleet.backend.start(&order).await
            }
            Err(problem) => Err(problem),
        };
        let (service, instance) = (Some(&order.service), Some(&order.instance));
        match result {
            Ok(started) => {
                self.fleet
                    .write(|table| table.started(&order.instance, &started));
                let took = clock::now().since(asked_at);
                self.fleet.tell(
                    service,
                    instance,
                    Happening::Started {
                        attempt: order.attempt,
                        took,
                    },
                );
            }
            Err(problem) => {
                self.fleet
                    .write(|table| table.failed(&order.instance, problem.clone(), clock::now()));
                self.fleet
                    .tell(service, instance, Happening::StartFailed { problem });
            }
        }
    }

    fn secrets(&self, order: &Order) -> Result<BTreeMap<SecretName, SecretBytes>, Problem> {
        let mut secrets = BTreeMap::new();
        for name in order.spec.secret_names() {
            let key = SecretKey {
                namespace: order.service.namespace.clone(),
                name: name.clone(),
            };
            let value = self.gate.reveal(&key).map_err(|error| Problem {
                kind: ProblemKind::SecretMissing,
                detail: format!("secret `{key}`: {error}"),
            })?;
            secrets.insert(name.clone(), SecretBytes(Arc::from(&value[..])));
        }
        Ok(secrets)
    }

    fn stop(self: &Arc<Self>, intent: &Intent, instance: &InstanceId, reason: Reason) {
        let known = self.fleet.write(|table| {
            table.stopping(instance, clock::now());
            table
                .observed
                .instances
                .get(instance)
                .map(|seen| (seen.service.clone(), seen.generation))
        });
        let Some((service, generation)) = known else {
            return;
        };
        self.fleet.tell(
            Some(&service),
            Some(instance),
            Happening::Stopping { reason },
        );
        let stop = spec_of(intent, &service, generation)
            .map_or_else(Stop::default, |spec| spec.stop.clone());
        let cause = if reason == Reason::NotLive {
            StopCause::NotLive
        } else {
            StopCause::Asked
        };
        let (executor, instance) = (self.clone(), instance.clone());
        tokio::spawn(async move {
            // One that does not live answers nothing that were worth waiting for.
            if cause == StopCause::Asked {
                executor.routes.let_go(&instance, stop.grace.to_std()).await;
            }
            while let Err(error) = executor.fleet.backend.stop(&instance, &stop, cause).await {
                tracing::error!(%instance, %error, "cannot stop; trying again");
                tokio::time::sleep(AGAIN).await;
            }
            executor.fleet.write(|table| table.idle(&instance));
            executor.fleet.wake.notify_one();
        });
    }

    fn remove(self: &Arc<Self>, instance: &InstanceId) {
        if self
            .fleet
            .write(|table| table.busy.insert(instance.clone(), Busy::Removing))
            == Some(Busy::Removing)
        {
            return;
        }
        let (executor, instance) = (self.clone(), instance.clone());
        tokio::spawn(async move {
            match executor.fleet.backend.remove(&instance).await {
                Ok(()) => {
                    let gone = executor.fleet.write(|table| table.gone(&instance));
                    let service = gone.map(|seen| seen.service);
                    executor
                        .fleet
                        .tell(service.as_ref(), Some(&instance), Happening::Removed);
                }
                Err(error) => {
                    tracing::error!(%instance, %error, "cannot remove; it will be tried again");
                    executor.fleet.write(|table| table.idle(&instance));
                    tokio::time::sleep(AGAIN).await;
                }
            }
            executor.fleet.wake.notify_one();
        });
    }
}

/// The spec of a generation: the current one or one that is remembered.
fn spec_of(
    intent: &Intent,
    service: &ServiceKey,
    generation: Generation,
) -> Option<Arc<ServiceSpec>> {
    let service = intent.services.get(service)?;
    if service.generation == generation {
        return Some(service.spec.clone());
    }
    let past = service
        .stable
        .iter()
        .chain(&service.history)
        .find(|past| past.generation == generation)?;
    Some(past.spec.clone())
}
