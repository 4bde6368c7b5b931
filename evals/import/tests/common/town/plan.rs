//! Who is there: services, what each costs, whom each calls, and where it runs.

use super::dice::Dice;

/// A machine's processor, in cores, and what its disk moves, in bytes a second.
pub struct Node {
    pub cores: f64,
    pub disk_bytes: f64,
}

/// What a service is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Gateway,
    Worker,
    Store,
    Queue,
}

/// A way from a caller to a callee.
pub struct Call {
    pub to: usize,
    /// How many a request of the caller makes.
    pub times: f64,
    pub timeout_s: f64,
    pub retries: i32,
    /// The caller fails where this fails.
    pub needed: bool,
    /// The caller does not wait.
    pub posted: bool,
}

pub struct Service {
    pub name: String,
    pub role: Role,
    pub node: usize,
    pub replicas: f64,
    /// The limit of all replicas together.
    pub cores: f64,
    /// Processor that a request takes.
    pub demand_s: f64,
    /// What else a request waits for in it.
    pub wait_s: f64,
    pub disk_bytes: f64,
    pub wire_bytes: f64,
    pub memory_bytes: f64,
    pub held_bytes: f64,
    /// The most requests that are under way at once.
    pub pool: f64,
    /// How many usually are.
    pub usual_at_once: f64,
    pub calls: Vec<Call>,
}

pub struct Plan {
    pub nodes: Vec<Node>,
    /// Callers before callees.
    pub services: Vec<Service>,
    /// Requests a second from outside, by gateway.
    pub asked: Vec<f64>,
}

impl Plan {
    pub fn draw(dice: &mut Dice) -> Self {
        let count = dice.count(8, 40);
        let stores = (count / dice.count(3, 6)).max(1);
        let gateways = dice.count(1, 2);
        let nodes = dice.count(2, 3 + count / 6);
        let mut services: Vec<Service> = (0..count)
            .map(|place| {
                let role = match place {
                    _ if place < gateways => Role::Gateway,
                    _ if place >= count - stores => Role::Store,
                    _ if dice.happens(0.08) => Role::Queue,
                    _ => Role::Worker,
                };
                service(dice, place, role, nodes)
            })
            .collect();
        for place in 0..count {
            services[place].calls = calls(dice, &services, place);
        }
        everybody_is_called(dice, &mut services, gateways);
        let asked = (0..gateways).map(|_| dice.scaled(5.0, 400.0)).collect();
        let mut plan = Self {
            nodes: Vec::new(),
            services,
            asked,
        };
        plan.provision(dice, nodes);
        plan
    }

    /// Requests a second that reach each service when all is well.
    pub fn usual_rates(&self) -> Vec<f64> {
        let mut rates = vec![0.0; self.services.len()];
        rates[..self.asked.len()].copy_from_slice(&self.asked);
        for (place, service) in self.services.iter().enumerate() {
            for call in &service.calls {
                rates[call.to] += rates[place] * call.times;
            }
        }
        rates
    }

    /// Limits as people set them: from tight to wasteful over what is usual.
    fn provision(&mut self, dice: &mut Dice, nodes: usize) {
        let rates = self.usual_rates();
        let mut cores = vec![0.0; nodes];
        let mut disk = vec![0.0; nodes];
        for (service, rate) in self.services.iter_mut().zip(&rates) {
            let used = rate * service.demand_s;
            service.cores = (used / dice.between(0.08, 0.45)).max(0.1);
            cores[service.node] += used + 0.05;
            disk[service.node] += rate * service.disk_bytes;
        }
        self.nodes = cores
            .iter()
            .zip(&disk)
            .map(|(used, bytes)| Node {
                cores: (used / dice.between(0.15, 0.5)).ceil().max(2.0),
                disk_bytes: (bytes / dice.between(0.03, 0.35)).max(50e6),
            })
            .collect();
    }
}

fn service(dice: &mut Dice, place: usize, role: Role, nodes: usize) -> Service {
    let stores = role == Role::Store;
    Service {
        // Names say nothing.
        name: format!("s{:02}{:03}", place, dice.below(1000)),
        role,
        node: dice.below(nodes),
        replicas: if stores { 1.0 } else { dice.count(1, 4) as f64 },
        cores: 0.0,
        demand_s: dice.scaled(0.0003, 0.01),
        wait_s: if stores {
            dice.scaled(0.0005, 0.008)
        } else {
            dice.scaled(0.0001, 0.004)
        },
        disk_bytes: if stores {
            dice.scaled(500.0, 40_000.0)
        } else {
            dice.scaled(1.0, 400.0)
        },
        wire_bytes: dice.scaled(500.0, 30_000.0),
        memory_bytes: dice.scaled(30e6, 2e9),
        held_bytes: dice.scaled(1e4, 2e6),
        pool: f64::INFINITY,
        usual_at_once: f64::INFINITY,
        calls: Vec::new(),
    }
}

/// Some of those that come later: mostly near ones, stores shared by several.
fn calls(dice: &mut Dice, services: &[Service], place: usize) -> Vec<Call> {
    let role = services[place].role;
    let later = services.len() - place - 1;
    if role == Role::Store || later == 0 {
        return Vec::new();
    }
    let most = match role {
        Role::Gateway => 6,
        Role::Queue => 2,
        _ => 3,
    };
    let mut to: Vec<usize> = (0..dice.count(1, most))
        .map(|_| place + 1 + ((later as f64 * dice.share() * dice.share()) as usize))
        .collect();
    if dice.happens(0.5) {
        let stores = (place + 1..services.len()).filter(|to| services[*to].role == Role::Store);
        to.push(dice.one(&stores.collect::<Vec<_>>()));
    }
    to.sort_unstable();
    to.dedup();
    to.into_iter()
        .map(|to| call(dice, services, place, to))
        .collect()
}

fn call(dice: &mut Dice, services: &[Service], from: usize, to: usize) -> Call {
    let posted = services[to].role == Role::Queue || services[from].role == Role::Queue;
    Call {
        to,
        times: if services[to].role == Role::Store {
            dice.scaled(0.5, 4.0)
        } else {
            dice.scaled(0.2, 1.6)
        },
        timeout_s: dice.one(&[0.5, 1.0, 2.0, 5.0, 10.0, 30.0]),
        retries: dice.one(&[0, 0, 0, 1, 2]),
        needed: dice.happens(0.75),
        posted,
    }
}

fn everybody_is_called(dice: &mut Dice, services: &mut [Service], gateways: usize) {
    for place in gateways..services.len() {
        let called = |service: &Service| service.calls.iter().any(|call| call.to == place);
        if services.iter().any(called) {
            continue;
        }
        let from = dice.below(place);
        let from = (0..=from)
            .rev()
            .find(|from| services[*from].role != Role::Store)
            .unwrap_or(0);
        let added = call(dice, services, from, place);
        services[from].calls.push(added);
    }
}
