//! Who needs whom: start and stop order, blast radius, and cycles by name. Pure, built on demand.

use std::collections::{BTreeSet, HashMap, VecDeque};

use petgraph::{Direction, algo, graphmap::DiGraphMap};

use crate::{
    id::ServiceKey,
    intent::{Intent, Service},
    spec::ServiceSpec,
};

/// The dependency graph of an intent's services. An edge leads from a service to one it needs.
/// Needs that name no existing service have no edge.
#[derive(Debug, Clone)]
pub struct Graph<'a> {
    intent: &'a Intent,
    edges: DiGraphMap<&'a ServiceKey, ()>,
}

/// The services need each other in a circle; the names along it, the first again at the end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", words(.0))]
pub struct Cycle(pub Vec<ServiceKey>);

fn words(names: &[ServiceKey]) -> String {
    names
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(" → ")
}

/// The full names of the services that a spec in `key`'s namespace needs.
pub fn needs<'a>(
    key: &'a ServiceKey,
    spec: &'a ServiceSpec,
) -> impl Iterator<Item = ServiceKey> + 'a {
    spec.needs
        .iter()
        .map(|need| ServiceKey::new(key.namespace.clone(), need.service.clone()))
}

impl<'a> Graph<'a> {
    /// Reads the graph out of an intent.
    #[must_use]
    pub fn of(intent: &'a Intent) -> Self {
        let mut edges = DiGraphMap::with_capacity(intent.services.len(), intent.services.len());
        for (key, service) in &intent.services {
            edges.add_node(key);
            for need in Self::known_needs(intent, key, service) {
                edges.add_edge(key, need, ());
            }
        }
        Self { intent, edges }
    }

    fn known_needs(
        intent: &'a Intent,
        key: &'a ServiceKey,
        service: &'a Service,
    ) -> impl Iterator<Item = &'a ServiceKey> {
        needs(key, &service.spec)
            .filter_map(|need| intent.services.get_key_value(&need).map(|(known, _)| known))
    }

    /// The first cycle by name order, if there is one.
    ///
    /// # Errors
    /// [`Cycle`] with the names along it.
    pub fn acyclic(&self) -> Result<(), Cycle> {
        self.sorted().map(|_| ()).map_err(|()| self.find_cycle())
    }

    fn sorted(&self) -> Result<Vec<&'a ServiceKey>, ()> {
        algo::toposort(&self.edges, None).map_err(|_| ())
    }

    /// Walks needs inside the first strongly connected part until a name comes back.
    fn find_cycle(&self) -> Cycle {
        let parts = algo::tarjan_scc(&self.edges);
        let in_cycle = |part: &&Vec<&ServiceKey>| {
            part.len() > 1
                || part
                    .first()
                    .is_some_and(|node| self.edges.contains_edge(node, node))
        };
        let part: BTreeSet<&ServiceKey> = parts
            .iter()
            .filter(in_cycle)
            .map(|part| part.iter().copied().collect::<BTreeSet<_>>())
            .min()
            .unwrap_or_default();
        let mut path: Vec<&ServiceKey> = Vec::new();
        let mut next = part.first().copied();
        while let Some(node) = next {
            let seen = path.iter().position(|earlier| *earlier == node);
            path.push(node);
            if let Some(start) = seen {
                path.drain(..start);
                break;
            }
            next = self
                .edges
                .neighbors(node)
                .filter(|need| part.contains(need))
                .min();
        }
        Cycle(path.into_iter().cloned().collect())
    }

    /// Needed services first; by name where the graph does not say. In a cycle, plainly by name.
    #[must_use]
    pub fn start_order(&self) -> Vec<&'a ServiceKey> {
        let mut waiting: HashMap<&ServiceKey, usize> =
            HashMap::with_capacity(self.edges.node_count());
        let mut free: BTreeSet<&'a ServiceKey> = BTreeSet::new();
        for node in self.edges.nodes() {
            let needs = self.edges.neighbors(node).count();
            waiting.insert(node, needs);
            if needs == 0 {
                free.insert(node);
            }
        }
        let mut order = Vec::with_capacity(waiting.len());
        while let Some(node) = free.pop_first() {
            order.push(node);
            for dependent in self.edges.neighbors_directed(node, Direction::Incoming) {
                if let Some(count) = waiting.get_mut(dependent) {
                    *count = count.saturating_sub(1);
                    if *count == 0 {
                        free.insert(dependent);
                    }
                }
            }
        }
        if order.len() < waiting.len() {
            order = self.edges.nodes().collect();
            order.sort_unstable();
        }
        order
    }

    /// Dependents first: the start order backwards.
    #[must_use]
    pub fn stop_order(&self) -> Vec<&'a ServiceKey> {
        let mut order = self.start_order();
        order.reverse();
        order
    }

    /// The services that this one needs itself, sorted.
    #[must_use]
    pub fn needs_of(&self, key: &ServiceKey) -> Vec<&'a ServiceKey> {
        self.neighbours(key, Direction::Outgoing)
    }

    /// The services that need this one themselves, sorted.
    #[must_use]
    pub fn needed_by(&self, key: &ServiceKey) -> Vec<&'a ServiceKey> {
        self.neighbours(key, Direction::Incoming)
    }

    fn neighbours(&self, key: &ServiceKey, way: Direction) -> Vec<&'a ServiceKey> {
        let mut found: Vec<_> = self
            .own(key)
            .into_iter()
            .flat_map(|node| self.edges.neighbors_directed(node, way))
            .collect();
        found.sort_unstable();
        found
    }

    /// The graph's own copy of a name, whose lifetime it can hand out.
    fn own(&self, key: &ServiceKey) -> Option<&'a ServiceKey> {
        self.intent.services.get_key_value(key).map(|(own, _)| own)
    }

    /// Everything this service needs, directly or through others, without itself.
    #[must_use]
    pub fn dependencies(&self, key: &ServiceKey) -> BTreeSet<&'a ServiceKey> {
        self.reach(key, Direction::Outgoing)
    }

    /// Everything that needs this service, directly or through others, without itself.
    #[must_use]
    pub fn dependents(&self, key: &ServiceKey) -> BTreeSet<&'a ServiceKey> {
        self.reach(key, Direction::Incoming)
    }

    /// The given services and everything that needs any of them: who feels it when they fail.
    #[must_use]
    pub fn blast_radius<'k>(
        &self,
        keys: impl IntoIterator<Item = &'k ServiceKey>,
    ) -> BTreeSet<&'a ServiceKey> {
        let mut felt = BTreeSet::new();
        for key in keys {
            felt.extend(self.own(key));
            felt.extend(self.dependents(key));
        }
        felt
    }

    fn reach(&self, key: &ServiceKey, way: Direction) -> BTreeSet<&'a ServiceKey> {
        let mut found = BTreeSet::new();
        let mut queue: VecDeque<&'a ServiceKey> = self.own(key).into_iter().collect();
        while let Some(node) = queue.pop_front() {
            for next in self.edges.neighbors_directed(node, way) {
                if next != key && found.insert(next) {
                    queue.push_back(next);
                }
            }
        }
        found
    }
}
