//! What nodes would hold after a plan (invariant 6). What is taken away gives its room back; what is to
//! shrink in place does not yet.

use std::collections::BTreeMap;

use super::{Check, Parted, is_down};
use crate::{
    id::{InstanceId, NodeName},
    plan::Plan,
    step::Step,
    units::{Bytes, MilliCpu},
};

impl Check<'_> {
    /// What instances would reserve beyond what they reserve now: CPU and memory. What shrinks counts
    /// in full until it was seen smaller.
    fn growth<'p>(&self, plan: &'p Plan) -> BTreeMap<&'p InstanceId, (u64, u64)> {
        let grown = plan.steps.iter().filter_map(|step| {
            let (id, (cpu, memory)) = self.wants(step)?;
            let seen = self.observed.instances.get(id)?;
            let more = (
                cpu.0.saturating_sub(seen.cpu.0),
                memory.0.saturating_sub(seen.memory.0),
            );
            Some((id, more))
        });
        grown.collect()
    }

    /// What an instance reserves once a step was done that changes that.
    fn wants<'p>(&self, step: &'p Step) -> Option<(&'p InstanceId, (MilliCpu, Bytes))> {
        let id = step.instance()?;
        let seen = self.observed.instances.get(id)?;
        let spec = &self.intent.services.get(&seen.service)?.spec;
        let (cpu, memory) = spec.reserved();
        let wants = match step {
            Step::Follow { cpu, .. } => (*cpu, seen.memory),
            // What follows keeps its CPU when its other resources change.
            Step::Resize { .. } if spec.follows_cpu() => (seen.cpu, memory),
            Step::Resize { .. }
            | Step::Restart {
                generation: Some(_),
                ..
            } => (cpu, memory),
            _ => return None,
        };
        Some((id, wants))
    }

    /// Nodes as a whole (6).
    pub(super) fn capacity(&mut self, plan: &Plan, parted: &Parted) {
        let mut loads: BTreeMap<&NodeName, Load> = BTreeMap::new();
        let grown = self.growth(plan);
        for step in &plan.steps {
            let Step::Place { node, service, .. } = step else {
                continue;
            };
            let Some(wanted) = self.intent.services.get(service) else {
                continue;
            };
            let (cpu, memory) = wanted.spec.reserved();
            loads.entry(node).or_default().add(cpu.0, memory.0);
        }
        for (id, seen) in &self.observed.instances {
            let growth = grown.get(id).copied().unwrap_or_default();
            if growth != (0, 0) {
                loads.entry(&seen.node).or_default().grow(growth);
            }
        }
        for (id, seen) in &self.observed.instances {
            let gone = parted.contains_key(id) && is_down(seen);
            if let Some(load) = loads.get_mut(&seen.node).filter(|_| !gone) {
                load.add(seen.cpu.0, seen.memory.0);
            }
        }
        for (name, taken) in &self.observed.taken {
            if let Some(load) = loads.get_mut(name) {
                load.cpu = load.cpu.saturating_add(taken.cpu.0);
                load.memory = load.memory.saturating_add(taken.memory.0);
                load.instances = load.instances.saturating_add(taken.instances);
            }
        }
        for (name, load) in loads {
            let fine = self.observed.nodes.get(name).is_some_and(|node| {
                load.cpu <= node.cpu.0
                    && load.memory <= node.memory.0
                    && load.instances <= node.max_instances
            });
            self.demand(fine, 6, || format!("`{name}` would hold more than it has"));
        }
    }
}

/// What a node would hold.
#[derive(Default)]
struct Load {
    cpu: u64,
    memory: u64,
    instances: u32,
}

impl Load {
    fn add(&mut self, cpu: u64, memory: u64) {
        self.cpu = self.cpu.saturating_add(cpu);
        self.memory = self.memory.saturating_add(memory);
        self.instances = self.instances.saturating_add(1);
    }

    fn grow(&mut self, (cpu, memory): (u64, u64)) {
        self.cpu = self.cpu.saturating_add(cpu);
        self.memory = self.memory.saturating_add(memory);
    }
}
