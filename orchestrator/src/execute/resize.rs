//! Giving what runs other resources, and saying what came of it.

use std::sync::Arc;

use ostler_core::{
    event::Happening,
    id::{Generation, InstanceId, ServiceKey},
    intent::Intent,
    observed::{Resize, ResizeTrouble},
    spec::{Resources, ServiceSpec},
    units::MilliCpu,
};
use ostler_runtime::backend::{ResizeError, ResizeOrder};

use super::{Executor, spec_of};
use crate::clock;

/// One resize on its way.
struct Job {
    instance: InstanceId,
    service: ServiceKey,
    generation: Generation,
    spec: Arc<ServiceSpec>,
    /// What it gets: as the spec says, with the CPU that it has where that follows the load.
    resources: Resources,
    /// From what to what.
    words: String,
}

impl Executor {
    /// An instance that is about to be started gets the resources of that generation with it.
    pub(super) fn start_with(&self, intent: &Intent, instance: &InstanceId, to: Generation) {
        if let Some(job) = self.job(intent, instance, to) {
            self.fleet
                .write(|table| table.has_size(instance, to, &job.spec.resources, clock::now()));
        }
    }

    /// Begins a resize, unless one of this instance is under way: the next plan asks again.
    pub(super) fn resize(self: &Arc<Self>, intent: &Intent, instance: &InstanceId, to: Generation) {
        let Some(job) = self.job(intent, instance, to) else {
            return;
        };
        if !self
            .fleet
            .write(|table| table.resizing.insert(instance.clone()))
        {
            return;
        }
        let executor = self.clone();
        tokio::spawn(async move {
            let order = ResizeOrder {
                instance: job.instance.clone(),
                generation: job.generation,
                resources: job.resources,
            };
            let result = executor.fleet.backend.resize(&order).await;
            executor.conclude(&job, result);
            executor.fleet.wake.notify_one();
        });
    }

    fn job(&self, intent: &Intent, instance: &InstanceId, to: Generation) -> Option<Job> {
        let seen = self
            .fleet
            .read(|table| table.observed.instances.get(instance).cloned())?;
        let spec = spec_of(intent, &seen.service, to)?;
        let before = spec_of(intent, &seen.service, seen.generation)?;
        let resources = if spec.follows_cpu() {
            spec.resources.with_cpu(seen.cpu)
        } else {
            spec.resources
        };
        Some(Job {
            instance: instance.clone(),
            service: seen.service,
            generation: to,
            words: before.resources.difference(&spec.resources),
            spec,
            resources,
        })
    }

    /// Begins to give an instance other CPU, unless its resources are being changed already, or that failed a moment
    /// ago: a later plan asks again.
    pub(super) fn follow(self: &Arc<Self>, intent: &Intent, instance: &InstanceId, cpu: MilliCpu) {
        let seen = self
            .fleet
            .read(|table| table.observed.instances.get(instance).cloned());
        let Some(seen) = seen else { return };
        let Some(spec) = spec_of(intent, &seen.service, seen.generation) else {
            return;
        };
        if !self
            .fleet
            .write(|table| table.may_follow(instance, clock::now()))
        {
            return;
        }
        let order = ResizeOrder {
            instance: instance.clone(),
            generation: seen.generation,
            resources: spec.resources.with_cpu(cpu),
        };
        let executor = self.clone();
        tokio::spawn(async move {
            let result = executor.fleet.backend.resize(&order).await;
            let given = result.as_ref().ok().map(|()| (order.generation, cpu));
            executor
                .fleet
                .write(|table| table.followed(&order.instance, given, clock::now()));
            if let Err(error) = result {
                tracing::warn!(instance = %order.instance, %cpu, %error, "its CPU cannot follow the load");
            }
        });
    }

    fn conclude(&self, job: &Job, result: Result<(), ResizeError>) {
        let trouble = match &result {
            Ok(()) => None,
            Err(error) => match error.trouble() {
                Some(trouble) => Some((trouble, error.to_string())),
                // It ended meanwhile, and gets its resources with the next start.
                None => {
                    self.fleet
                        .write(|table| table.resizing.remove(&job.instance));
                    return;
                }
            },
        };
        let outcome = Resize {
            to: job.generation,
            at: clock::now(),
            trouble: trouble.as_ref().map(|(trouble, _)| *trouble),
        };
        let before = self.fleet.write(|table| {
            let before = table.resized(&job.instance, outcome);
            if trouble.is_none() {
                table.has_size(&job.instance, job.generation, &job.resources, outcome.at);
            }
            before
        });
        let what = match trouble {
            None => Happening::Resized {
                generation: job.generation,
                words: job.words.clone(),
            },
            // That it is refused is told once; a finding shows that it stays so.
            Some((why, _)) if told(before, outcome, why) => return,
            Some((why, detail)) => Happening::NotResized {
                generation: job.generation,
                why,
                detail,
            },
        };
        self.fleet
            .tell(Some(&job.service), Some(&job.instance), what);
    }
}

fn told(before: Option<Resize>, now: Resize, why: ResizeTrouble) -> bool {
    before.is_some_and(|before| before.to == now.to && before.trouble == Some(why))
}
