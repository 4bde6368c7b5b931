//! One decision at a time: what was wanted and seen, and the steps that follow.

use std::collections::BTreeMap;

use ostler_core::{
    change::Change,
    id::{Generation, InstanceId, NodeName},
    intent::Intent,
    observed::{
        Answer, Exit, Health, InstanceSeen, NodeSeen, Observed, Phase, Problem, ProblemKind,
    },
    plan::{Finding, Plan, Request, ServiceState},
    reconcile::reconcile,
    time::{Span, Time},
    units::{Bytes, MilliCpu},
};

use crate::common::{applying, generation, intent, key, next, settle};

pub const NOW: Time = Time(1_000_000);
const PROBED: &str =
    "image: a:1\nreplicas: {min: 1, max: 9}\nprobes: {readiness: {tcp: {port: 1}}}";

/// A fleet under construction.
pub struct Fleet {
    pub intent: Intent,
    pub observed: Observed,
}

impl Fleet {
    pub fn new(intent: Intent) -> Self {
        let mut observed = Observed::default();
        observed.nodes.insert(node("n1"), machine());
        Self { intent, observed }
    }

    pub fn with_node(mut self, name: &str) -> Self {
        self.observed.nodes.insert(node(name), machine());
        self
    }

    /// Adds an instance that runs and is ready since long ago.
    pub fn ready(mut self, service: &str, id: &str, generation: u64) -> Self {
        self.observed
            .instances
            .insert(instance(id), running(service, generation));
        self
    }

    pub fn edit(mut self, id: &str, edit: impl FnOnce(&mut InstanceSeen)) -> Self {
        edit(self.observed.instances.get_mut(&instance(id)).unwrap());
        self
    }

    pub fn routed(mut self, service: &str, ids: &[&str]) -> Self {
        self.observed
            .routes
            .insert(key(service), ids.iter().map(|id| instance(id)).collect());
        self
    }

    pub fn change(mut self, change: &Change) -> Self {
        self.intent = next(&self.intent, change);
        self
    }

    pub fn plan(&self) -> Plan {
        reconcile(&self.intent, &self.observed, NOW)
    }

    /// Steps in words without routes.
    pub fn steps(&self) -> Vec<String> {
        let words = self.plan().steps.into_iter().map(|step| step.in_words());
        words.filter(|words| !words.starts_with("route")).collect()
    }
}

pub fn node(name: &str) -> NodeName {
    NodeName::new(name).unwrap()
}

pub fn instance(id: &str) -> InstanceId {
    InstanceId::new(id).unwrap()
}

pub fn machine() -> NodeSeen {
    NodeSeen {
        ready: true,
        cpu: MilliCpu(4_000),
        memory: Bytes::mib(4_096),
        max_instances: 10,
        seen_at: NOW,
    }
}

pub fn running(service: &str, generation: u64) -> InstanceSeen {
    let long_ago = Time(100_000);
    InstanceSeen {
        service: key(service),
        node: node("n1"),
        generation: Generation(generation),
        cpu: MilliCpu(0),
        memory: Bytes(0),
        phase: Phase::Running,
        since: long_ago,
        attempt: 1,
        started_at: Some(long_ago),
        created_at: long_ago,
        exits: vec![],
        health: Health {
            readiness: Answer::Yes { since: long_ago },
            ..Health::default()
        },
        address: None,
        pid: None,
        resize: None,
    }
}

pub fn exit(seconds_ago: u64, code: i32) -> Exit {
    Exit {
        attempt: 1,
        at: NOW - Span::seconds(seconds_ago),
        ran: Span::seconds(1),
        code: Some(code),
        signal: None,
        out_of_memory: false,
        asked: false,
        liveness: false,
    }
}

pub fn ended(exits: Vec<Exit>) -> impl FnOnce(&mut InstanceSeen) {
    move |seen| {
        seen.phase = Phase::Ended;
        seen.attempt = u32::try_from(exits.len()).unwrap();
        seen.exits = exits;
    }
}

fn unready(seen: &mut InstanceSeen) {
    seen.health.readiness = Answer::No {
        since: NOW - Span::seconds(60),
        reason: "refused".into(),
    };
}

fn one(yaml: &str) -> Fleet {
    Fleet::new(intent(&[("cart", yaml)]))
}

#[test]
fn what_is_missing_is_placed_and_what_is_as_wanted_is_left_alone() {
    let fleet = one("image: a:1\nreplicas: {min: 2, max: 2}");
    let steps = fleet.steps();
    assert_eq!(steps.len(), 2);
    assert!(
        steps[0].starts_with("place cart-")
            && steps[0].ends_with("of default/cart (generation 1) on n1: too few")
    );
    let fleet = fleet
        .ready("cart", "cart-a", 1)
        .ready("cart", "cart-b", 1)
        .routed("cart", &["cart-a", "cart-b"]);
    let plan = fleet.plan();
    assert_eq!(
        (plan.steps.len(), plan.requests.len(), plan.wake_at),
        (0, 0, None)
    );
    assert_eq!(plan.report[&key("cart")].state, ServiceState::Healthy);
    assert!(plan.report[&key("cart")].findings.is_empty());
}

/// Restart policy, ends so far, and what follows.
fn ends() -> Vec<(&'static str, Vec<Exit>, &'static str)> {
    let asked = Exit {
        asked: true,
        ..exit(0, 0)
    };
    let not_live = Exit {
        liveness: true,
        asked: true,
        ..exit(0, 143)
    };
    let long = Exit {
        ran: Span::minutes(5),
        ..exit(0, 1)
    };
    let killed = Exit {
        code: None,
        signal: Some(9),
        ..exit(0, 0)
    };
    vec![
        ("always", vec![exit(0, 1)], "2: it ended"),
        ("always", vec![exit(0, 0)], "2: it ended"),
        ("always", vec![exit(9, 1), exit(0, 1)], "wait 1s"),
        ("always", vec![exit(9, 1), exit(1, 1)], "3: it ended"),
        (
            "always",
            vec![exit(9, 1), exit(8, 1), exit(0, 1)],
            "wait 2s",
        ),
        ("always", vec![exit(9, 1), long.clone()], "3: it ended"),
        ("always", vec![asked.clone()], "2: someone asked"),
        (
            "always",
            vec![not_live.clone()],
            "2: its liveness probe fails",
        ),
        ("always", vec![exit(5, 1), not_live], "wait 1s"),
        ("onFailure", vec![exit(0, 1)], "2: it ended"),
        ("onFailure", vec![killed], "2: it ended"),
        ("onFailure", vec![exit(0, 0)], "finished"),
        ("never", vec![exit(0, 1)], "finished"),
        ("never", vec![asked], "2: someone asked"),
    ]
}

#[test]
fn an_ended_instance_is_restarted_by_policy_and_patience() {
    for (policy, exits, expected) in ends() {
        let yaml = format!("image: a:1\nrestart: {{policy: {policy}}}");
        let fleet = one(&yaml)
            .ready("cart", "cart-a", 1)
            .edit("cart-a", ended(exits.clone()));
        let found = match fleet.steps().first() {
            Some(step) => step
                .replace("restart cart-a (attempt ", "")
                .replace(')', ""),
            None => fleet
                .plan()
                .wake_at
                .map_or("finished".into(), |at| format!("wait {}", at.since(NOW))),
        };
        assert_eq!(found, expected, "{policy} {exits:?}");
    }
}

#[test]
fn the_third_failure_in_a_row_is_called_a_crash_loop() {
    let fleet = one("image: a:1").ready("cart", "cart-a", 1);
    let fleet = fleet.edit("cart-a", ended(vec![exit(9, 1), exit(8, 1), exit(0, 1)]));
    let status = fleet.plan().report[&key("cart")].clone();
    assert_eq!(status.state, ServiceState::Down);
    let retry_at = NOW + Span::seconds(2);
    assert_eq!(
        status.findings,
        [Finding::CrashLoop {
            instance: instance("cart-a"),
            failures: 3,
            retry_at
        }]
    );
}

#[test]
fn a_failed_start_is_tried_again_with_patience_and_reported() {
    let failed = |attempt, ago| {
        move |seen: &mut InstanceSeen| {
            let problem = Problem {
                kind: ProblemKind::ImageNotFound,
                detail: String::new(),
            };
            seen.phase = Phase::Failed { problem };
            seen.attempt = attempt;
            seen.since = NOW - Span::seconds(ago);
        }
    };
    let fleet = one("image: a:1")
        .ready("cart", "cart-a", 1)
        .edit("cart-a", failed(1, 0));
    assert_eq!(
        fleet.steps(),
        ["restart cart-a (attempt 2): the start failed"]
    );
    let fleet = fleet.edit("cart-a", failed(4, 1));
    assert!(fleet.steps().is_empty());
    assert_eq!(fleet.plan().wake_at, Some(NOW + Span::seconds(3)));
    let status = &fleet.plan().report[&key("cart")];
    assert_eq!(status.state, ServiceState::Down);
    assert!(matches!(
        status.findings[..],
        [Finding::CannotStart {
            problem: ProblemKind::ImageNotFound,
            ..
        }]
    ));
}

#[test]
fn what_does_not_live_is_stopped_and_an_answer_from_before_the_start_is_not_believed() {
    let no = |since| {
        move |seen: &mut InstanceSeen| {
            seen.health.liveness = Answer::No {
                since,
                reason: String::new(),
            };
        }
    };
    let fleet = one("image: a:1")
        .ready("cart", "cart-a", 1)
        .edit("cart-a", no(NOW));
    assert_eq!(fleet.steps(), ["stop cart-a: its liveness probe fails"]);
    assert!(fleet.edit("cart-a", no(Time(5))).steps().is_empty());
}

#[test]
fn too_many_means_the_youngest_goes_and_traffic_leaves_first() {
    let fleet = one(PROBED)
        .ready("cart", "cart-a", 1)
        .ready("cart", "cart-b", 1);
    let fleet = fleet
        .edit("cart-b", |seen| seen.created_at = NOW)
        .routed("cart", &["cart-a", "cart-b"]);
    let words: Vec<String> = fleet
        .plan()
        .steps
        .iter()
        .map(|step| step.in_words())
        .collect();
    assert_eq!(
        words,
        ["route default/cart to cart-a", "stop cart-b: too many"]
    );
    let fleet = fleet.edit("cart-a", unready);
    assert_eq!(
        fleet.steps(),
        ["stop cart-a: too many"],
        "the one that does not serve goes first"
    );
}

#[test]
fn a_deleted_service_stops_then_goes_and_its_traffic_ends() {
    let fleet = one(PROBED)
        .ready("cart", "cart-a", 1)
        .ready("cart", "cart-b", 1)
        .routed("cart", &["cart-a"]);
    let fleet = fleet
        .edit("cart-b", ended(vec![exit(1, 0)]))
        .change(&Change::DeleteService {
            service: key("cart"),
        });
    let words: Vec<String> = fleet
        .plan()
        .steps
        .iter()
        .map(|step| step.in_words())
        .collect();
    assert_eq!(
        words,
        [
            "route default/cart to nobody",
            "stop cart-a: the service was deleted",
            "remove cart-b: the service was deleted",
        ]
    );
}

#[test]
fn a_rollout_surges_first_and_never_goes_below_what_must_be_ready() {
    let yaml = |tag| {
        format!(
            "image: a:{tag}\nreplicas: {{min: 2, max: 9}}\nprobes: {{readiness: {{tcp: {{port: 1}}}}}}"
        )
    };
    let fleet = one(&yaml(1))
        .ready("cart", "cart-a", 1)
        .ready("cart", "cart-b", 1)
        .change(&applying("cart", &yaml(2)));
    let steps = fleet.steps();
    assert_eq!(steps.len(), 1, "one above the wanted count");
    assert!(
        steps[0].contains("(generation 2)") && steps[0].ends_with("a newer generation replaces it")
    );
    let fleet = fleet.ready("cart", "cart-c", 2).edit("cart-c", unready);
    assert!(
        fleet.steps().is_empty(),
        "nothing old goes while the new one is not ready"
    );
    let fleet = fleet.edit("cart-c", |seen| {
        seen.health.readiness = Answer::Yes { since: NOW }
    });
    assert_eq!(
        fleet.steps(),
        ["stop cart-a: a newer generation replaces it"]
    );
    let fleet = fleet.edit(
        "cart-a",
        ended(vec![Exit {
            asked: true,
            ..exit(0, 0)
        }]),
    );
    let steps = fleet.steps();
    assert_eq!(steps[0], "remove cart-a: a newer generation replaces it");
    assert!(steps[1].starts_with("place"));
}

#[test]
fn a_crash_looping_generation_leaves_the_old_one_serving_and_reverts_at_the_deadline() {
    let fleet = one(PROBED)
        .ready("cart", "cart-a", 1)
        .change(&applying("cart", &PROBED.replace("a:1", "a:2")));
    let fleet = fleet
        .ready("cart", "cart-b", 2)
        .edit("cart-b", ended(vec![exit(99, 1), exit(50, 1), exit(2, 1)]));
    let fleet = fleet.edit("cart-b", |seen| seen.created_at = NOW - Span::seconds(100));
    assert_eq!(fleet.steps(), ["restart cart-b (attempt 4): it ended"]);
    assert_eq!(
        fleet.plan().report[&key("cart")].state,
        ServiceState::Degraded
    );
    assert!(fleet.plan().requests.is_empty());
    let late = reconcile(&fleet.intent, &fleet.observed, NOW + Span::minutes(5));
    assert_eq!(
        late.requests,
        [Request::Revert {
            service: key("cart"),
            from: Generation(2),
            to: Generation(1),
            why: "it missed its deadline".to_owned()
        }]
    );
    let fleet = fleet.change(&Change::RollbackService {
        service: key("cart"),
        to: Generation(1),
    });
    assert_eq!(
        fleet.steps(),
        ["remove cart-b: the rollout goes back"],
        "what is made alike stays"
    );
}

#[test]
fn a_fix_replaces_a_crash_looping_generation_at_once() {
    let fleet = one(PROBED)
        .ready("cart", "cart-a", 1)
        .edit("cart-a", ended(vec![exit(9, 1), exit(8, 1), exit(1, 1)]));
    let fleet = fleet.change(&applying("cart", &PROBED.replace("a:1", "a:2")));
    let steps = fleet.steps();
    assert_eq!(steps[0], "remove cart-a: a newer generation replaces it");
    assert!(steps[1].starts_with("place cart-"));
}

#[test]
fn a_rollout_settles_once_all_is_as_wanted_for_a_while() {
    let fleet = one(PROBED)
        .change(&applying("cart", &PROBED.replace("a:1", "a:2")))
        .ready("cart", "cart-b", 2);
    assert_eq!(
        fleet.plan().requests,
        [Request::Settle {
            service: key("cart"),
            generation: Generation(2)
        }]
    );
    let young = fleet.edit("cart-b", |seen| {
        seen.started_at = Some(NOW - Span::seconds(6))
    });
    assert_eq!(
        (young.plan().requests.len(), young.plan().wake_at),
        (0, Some(NOW + Span::seconds(4)))
    );
    let settled = Fleet {
        intent: settle(&young.intent, "cart"),
        ..young
    };
    assert!(settled.plan().requests.is_empty());
}

#[test]
fn needs_gate_placing_and_nothing_else() {
    let services = [("web", "image: a\nneeds: [{service: db}]"), ("db", PROBED)];
    let fleet = Fleet::new(intent(&services));
    let steps = fleet.steps();
    assert!(
        steps.len() == 1 && steps[0].contains("default/db"),
        "{steps:?}"
    );
    let waits = vec![Finding::WaitsFor {
        needs: vec![key("db")],
    }];
    assert_eq!(fleet.plan().report[&key("web")].findings, waits);
    let fleet = fleet.ready("db", "db-a", 1).edit("db-a", unready);
    assert!(fleet.steps().is_empty(), "healthy means ready");
    let fleet = fleet.edit("db-a", |seen| {
        seen.health.readiness = Answer::Yes { since: NOW }
    });
    assert!(fleet.steps()[0].contains("default/web"));
    let fleet = fleet.ready("web", "web-a", 1).edit("db-a", unready);
    assert!(
        fleet.steps().is_empty(),
        "losing a need later stops nothing"
    );
}

#[test]
fn asked_restarts_come_one_at_a_time_and_stuck_ones_at_once() {
    let yaml = PROBED.replace("min: 1", "min: 3");
    let ids = ["cart-a", "cart-b", "cart-c"];
    let restart = Change::RestartInstances {
        service: key("cart"),
        instances: ids.map(instance).to_vec(),
        at: NOW,
    };
    let fleet = ids
        .iter()
        .fold(one(&yaml), |fleet, id| fleet.ready("cart", id, 1))
        .change(&restart);
    assert_eq!(fleet.steps(), ["stop cart-a: someone asked"]);
    let fleet = fleet.edit("cart-a", |seen| seen.phase = Phase::Stopping);
    assert!(fleet.steps().is_empty());
    let fleet = fleet.edit("cart-a", |seen| {
        *seen = running("cart", 1);
        seen.started_at = Some(NOW);
    });
    assert_eq!(fleet.steps(), ["stop cart-b: someone asked"]);
    let fleet = fleet.edit("cart-c", unready);
    assert_eq!(
        fleet.steps(),
        ["stop cart-c: someone asked"],
        "the one that serves nobody goes first"
    );
}

#[test]
fn a_silent_node_is_waited_for_then_its_instances_are_replaced() {
    let silent = |ago| {
        move |seen: &mut InstanceSeen| {
            (seen.phase, seen.since) = (Phase::Unknown, NOW - Span::seconds(ago));
        }
    };
    let fleet = one(PROBED)
        .with_node("n2")
        .ready("cart", "cart-a", 1)
        .edit("cart-a", silent(20));
    assert_eq!(
        (fleet.steps().len(), fleet.plan().wake_at),
        (0, Some(NOW + Span::seconds(40)))
    );
    let fleet = fleet.edit("cart-a", silent(60));
    assert_eq!(fleet.steps().len(), 1);
    assert_eq!(fleet.plan().report[&key("cart")].state, ServiceState::Down);
}

#[test]
fn a_drain_moves_dependents_first_and_surges_before_stopping() {
    let services = [("web", "image: a\nneeds: [{service: db}]"), ("db", PROBED)];
    let fleet = Fleet::new(intent(&services))
        .ready("web", "web-a", 1)
        .ready("db", "db-a", 1);
    let fleet = fleet.change(&Change::DrainNode { node: node("n1") });
    assert!(
        fleet.steps().is_empty(),
        "nowhere to go: nothing is stopped"
    );
    assert_eq!(
        fleet.plan().report[&key("web")].findings,
        [Finding::NoRoom { missing: 1 }]
    );
    let fleet = fleet.with_node("n2");
    let steps = fleet.steps();
    assert!(
        steps.len() == 1 && steps[0].contains("default/web") && steps[0].contains("on n2"),
        "{steps:?}"
    );
    let fleet = fleet
        .ready("web", "web-b", 1)
        .edit("web-b", |seen| seen.node = node("n2"));
    assert_eq!(fleet.steps(), ["stop web-a: its node is being emptied"]);
}

#[test]
fn no_room_is_reported_and_spreading_uses_every_node() {
    let big = "image: a\nreplicas: {min: 3, max: 3}\nresources: {requests: {memory: 3000Mi}}";
    let fleet = one(big).with_node("n2");
    let nodes: BTreeMap<bool, usize> =
        fleet
            .steps()
            .iter()
            .fold(BTreeMap::new(), |mut counts, step| {
                *counts.entry(step.contains("on n1")).or_default() += 1;
                counts
            });
    assert_eq!(nodes, BTreeMap::from([(true, 1), (false, 1)]));
    let status = &fleet.plan().report[&key("cart")];
    assert_eq!(
        (status.state, &status.findings[..]),
        (ServiceState::Down, &[Finding::NoRoom { missing: 1 }][..])
    );
    assert_eq!(generation(&fleet.intent, "cart"), Generation(1));
}

#[test]
fn the_same_question_has_the_same_answer() {
    let fleet = one("image: a:1\nreplicas: {min: 5, max: 5}").with_node("n2");
    assert_eq!(fleet.plan(), fleet.plan());
}
