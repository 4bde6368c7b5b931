//! Where a new instance goes: onto the ready node with the most room, spread by service. Pure and
//! quick: a placement looks at a few nodes with the least load, not at all of them.

use std::collections::{BTreeSet, HashMap};

use crate::{
    id::NodeName,
    intent::Intent,
    observed::{NodeSeen, Observed},
    units::{Bytes, MilliCpu},
};

/// How many nodes with room are compared for one placement.
const COMPARED: usize = 16;

/// What one instance reserves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reserve {
    /// CPU.
    pub cpu: MilliCpu,
    /// Memory.
    pub memory: Bytes,
}

/// The room that is left on nodes.
#[derive(Debug)]
pub struct Room<'a> {
    nodes: Vec<Node<'a>>,
    by_name: HashMap<&'a NodeName, usize>,
    /// Load and index of nodes that take new instances, least load first.
    by_load: BTreeSet<(u64, usize)>,
}

#[derive(Debug)]
struct Node<'a> {
    name: &'a NodeName,
    seen: &'a NodeSeen,
    /// Takes new instances.
    open: bool,
    cpu: u64,
    memory: u64,
    instances: u32,
}

impl Node<'_> {
    fn fits(&self, reserve: Reserve) -> bool {
        self.cpu.saturating_add(reserve.cpu.0) <= self.seen.cpu.0
            && self.memory.saturating_add(reserve.memory.0) <= self.seen.memory.0
            && self.instances < self.seen.max_instances
    }

    /// The fullest of its three measures, in millionths.
    fn load(&self) -> u64 {
        let share = |used: u64, all: u64| {
            let millionths = u128::from(used) * 1_000_000 / u128::from(all.max(1));
            u64::try_from(millionths).unwrap_or(u64::MAX)
        };
        share(self.cpu, self.seen.cpu.0)
            .max(share(self.memory, self.seen.memory.0))
            .max(share(self.instances.into(), self.seen.max_instances.into()))
    }

    fn add(&mut self, reserve: Reserve) {
        self.cpu = self.cpu.saturating_add(reserve.cpu.0);
        self.memory = self.memory.saturating_add(reserve.memory.0);
        self.instances = self.instances.saturating_add(1);
    }

    fn subtract(&mut self, reserve: Reserve) {
        self.cpu = self.cpu.saturating_sub(reserve.cpu.0);
        self.memory = self.memory.saturating_sub(reserve.memory.0);
        self.instances = self.instances.saturating_sub(1);
    }
}

/// Whether a node takes new instances.
#[must_use]
pub fn takes_instances(intent: &Intent, name: &NodeName, seen: &NodeSeen) -> bool {
    seen.ready && !intent.cordoned.contains(name) && !intent.draining.contains(name)
}

impl<'a> Room<'a> {
    /// Reads the room out of what was seen: every existing instance holds what it reserves.
    #[must_use]
    pub fn of(intent: &Intent, observed: &'a Observed) -> Self {
        let nodes: Vec<Node> = observed
            .nodes
            .iter()
            .map(|(name, seen)| Node {
                name,
                seen,
                open: takes_instances(intent, name, seen),
                cpu: 0,
                memory: 0,
                instances: 0,
            })
            .collect();
        let by_name = nodes
            .iter()
            .enumerate()
            .map(|(index, node)| (node.name, index))
            .collect();
        let mut room = Self {
            nodes,
            by_name,
            by_load: BTreeSet::new(),
        };
        for seen in observed.instances.values() {
            let index = room.by_name.get(&seen.node).copied();
            if let Some(node) = index.and_then(|index| room.nodes.get_mut(index)) {
                node.add(Reserve {
                    cpu: seen.cpu,
                    memory: seen.memory,
                });
            }
        }
        for (name, taken) in &observed.taken {
            let index = room.by_name.get(name).copied();
            if let Some(node) = index.and_then(|index| room.nodes.get_mut(index)) {
                node.cpu = node.cpu.saturating_add(taken.cpu.0);
                node.memory = node.memory.saturating_add(taken.memory.0);
                node.instances = node.instances.saturating_add(taken.instances);
            }
        }
        room.by_load = room
            .nodes
            .iter()
            .enumerate()
            .filter(|(_, node)| node.open)
            .map(|(i, node)| (node.load(), i))
            .collect();
        room
    }

    /// Takes room for one instance, if any node has it. `siblings` counts the service's instances
    /// by node; among nodes with room the one with the fewest of them is taken, then the emptiest.
    pub fn take(
        &mut self,
        reserve: Reserve,
        siblings: &HashMap<&'a NodeName, u32>,
    ) -> Option<&'a NodeName> {
        let nodes = &self.nodes;
        let (_, _, index) = self
            .by_load
            .iter()
            .filter_map(|(load, index)| Some((*load, *index, nodes.get(*index)?)))
            .filter(|(_, _, node)| node.fits(reserve))
            .take(COMPARED)
            .map(|(load, index, node)| (siblings.get(node.name).copied().unwrap_or(0), load, index))
            .min()?;
        self.change(index, |node| node.add(reserve))
    }

    /// Gives back the room of an instance that is taken away.
    pub fn release(&mut self, name: &NodeName, reserve: Reserve) {
        if let Some(index) = self.by_name.get(name).copied() {
            self.change(index, |node| node.subtract(reserve));
        }
    }

    /// Takes the room by which an instance grows where it is; what shrinks gives its room back when
    /// it was seen to have shrunk. Says whether the node has it, also one that takes nothing new.
    pub fn grow(&mut self, name: &NodeName, from: Reserve, to: Reserve) -> bool {
        let more = Reserve {
            cpu: MilliCpu(to.cpu.0.saturating_sub(from.cpu.0)),
            memory: Bytes(to.memory.0.saturating_sub(from.memory.0)),
        };
        if more == Reserve::default() {
            return true;
        }
        let index = self.by_name.get(name).copied();
        let Some((index, node)) = index.and_then(|index| Some((index, self.nodes.get(index)?)))
        else {
            return false;
        };
        let fits = node.cpu.saturating_add(more.cpu.0) <= node.seen.cpu.0
            && node.memory.saturating_add(more.memory.0) <= node.seen.memory.0
            && node.instances <= node.seen.max_instances;
        if fits {
            self.change(index, |node| {
                node.cpu = node.cpu.saturating_add(more.cpu.0);
                node.memory = node.memory.saturating_add(more.memory.0);
            });
        }
        fits
    }

    /// CPU that nobody reserves on a node.
    #[must_use]
    pub fn spare_cpu(&self, name: &NodeName) -> MilliCpu {
        let index = self.by_name.get(name);
        let node = index.and_then(|index| self.nodes.get(*index));
        node.map_or(MilliCpu(0), |node| {
            MilliCpu(node.seen.cpu.0.saturating_sub(node.cpu))
        })
    }

    /// Whether some node that takes new instances has room for one.
    #[must_use]
    pub fn has(&self, reserve: Reserve) -> bool {
        let mut open = self
            .by_load
            .iter()
            .filter_map(|(_, index)| self.nodes.get(*index));
        open.any(|node| node.fits(reserve))
    }

    fn change(&mut self, index: usize, change: impl FnOnce(&mut Node<'a>)) -> Option<&'a NodeName> {
        let node = self.nodes.get_mut(index)?;
        self.by_load.remove(&(node.load(), index));
        change(node);
        if node.open {
            self.by_load.insert((node.load(), index));
        }
        Some(node.name)
    }
}
