//! What every change does to an intent, what it refuses, and that it can be taken back.

use std::collections::BTreeMap;

use crate::common::{applying, generation, intent, key, next, put, settle};
use ostler_core::{
    autonomy::{Autonomy, Certificate, Make, Scores},
    change::{Change, Refused, apply},
    facts::facts,
    id::Generation,
    intent::{Intent, Sealed, SecretKey},
    law::{Freeze, Glass, Policies},
    spec::Amounts,
    time::Time,
    units::Bytes,
};

const SMALL: &str = "image: shop/cart:1\nreplicas: {min: 1, max: 5}";

fn scale(name: &str, replicas: u32) -> Change {
    Change::ScaleService {
        service: key(name),
        replicas,
    }
}

fn refusal(intent: &Intent, change: &Change) -> String {
    apply(intent, change, Time(5)).unwrap_err().to_string()
}

#[test]
fn a_new_service_starts_with_its_least_replicas() {
    let intent = next(&Intent::default(), &applying("cart", SMALL));
    let service = &intent.services[&key("cart")];
    assert_eq!(
        (service.replicas, service.generation, service.settled),
        (1, Generation(1), false)
    );
    assert_eq!(intent.revision.0, 1);
}

#[test]
fn bounds_and_objectives_change_in_place_all_else_makes_a_generation() {
    let before = next(&intent(&[("cart", SMALL)]), &scale("cart", 4));
    let narrower =
        "image: shop/cart:1\nreplicas: {min: 1, max: 3}\nobjectives: {availability: 99.9}";
    let after = next(&before, &applying("cart", narrower));
    let service = &after.services[&key("cart")];
    assert_eq!(
        (service.generation, service.replicas, service.settled),
        (Generation(1), 3, true)
    );

    let other = "image: shop/cart:2\nreplicas: {min: 1, max: 3}";
    let after = next(&after, &applying("cart", other));
    let service = &after.services[&key("cart")];
    assert_eq!(
        (service.generation, service.settled),
        (Generation(2), false)
    );
    assert_eq!(service.stable.as_ref().unwrap().generation, Generation(1));
    assert_eq!(service.history.len(), 1);

    let after = next(
        &after,
        &applying("cart", "image: shop/cart:3\nreplicas: {min: 1, max: 3}"),
    );
    assert_eq!(
        after.services[&key("cart")]
            .stable
            .as_ref()
            .unwrap()
            .generation,
        Generation(1)
    );
    assert!(
        settle(&after, "cart").services[&key("cart")]
            .stable
            .is_none()
    );
}

#[test]
fn the_same_spec_again_changes_nothing_but_the_revision() {
    let before = intent(&[("cart", SMALL)]);
    let after = next(&before, &applying("cart", SMALL));
    assert_eq!(after.services, before.services);
    assert_eq!(after.revision.0, before.revision.0 + 1);
}

#[test]
fn history_keeps_ten_generations() {
    let mut now = intent(&[("cart", SMALL)]);
    for tag in 0..15 {
        now = next(&now, &applying("cart", &format!("image: shop/cart:t{tag}")));
    }
    let service = &now.services[&key("cart")];
    assert_eq!(service.history.len(), 10);
    assert_eq!(
        service.stable.as_ref().unwrap().generation,
        Generation(1),
        "outlives history"
    );
}

#[test]
fn a_name_used_again_never_repeats_a_generation() {
    let mut now = intent(&[("cart", SMALL)]);
    now = next(&now, &applying("cart", "image: shop/cart:2"));
    let last = generation(&now, "cart");
    now = next(
        &now,
        &Change::DeleteService {
            service: key("cart"),
        },
    );
    now = next(&now, &applying("cart", SMALL));
    assert!(generation(&now, "cart") > last);
}

#[test]
fn refusals_name_what_is_wrong_and_what_would_do() {
    let now = intent(&[
        ("cart", SMALL),
        ("web", "image: shop/web:1\nneeds: [{service: cart}]"),
    ]);
    assert_eq!(
        refusal(&now, &scale("cart", 9)),
        "9 replicas of `default/cart` are outside its bounds 1 to 5; change `spec.replicas` first"
    );
    assert_eq!(
        refusal(&now, &scale("card", 2)),
        "there is no service `default/card`; services are: default/cart, default/web"
    );
    assert_eq!(
        refusal(
            &now,
            &Change::DeleteService {
                service: key("cart")
            }
        ),
        "service `default/cart` is needed by `default/web`; delete those first"
    );
    assert_eq!(
        refusal(&now, &applying("cart", "image: a\nneeds: [{service: web}]")),
        "the services need each other in a cycle: default/cart → default/web → default/cart; remove one of these needs"
    );
    assert_eq!(
        refusal(&now, &applying("cart", "image: a\nneeds: [{service: db}]")),
        "service `default/cart` needs `default/db`, which does not exist; apply it first or in the same file"
    );
    assert_eq!(
        refusal(
            &now,
            &applying("other/cart", "image: a\nneeds: [{service: web}]")
        ),
        "service `other/cart` needs `other/web`, which does not exist; apply it first or in the same file"
    );
    assert_eq!(
        refusal(
            &now,
            &Change::RollbackService {
                service: key("cart"),
                to: Generation(7)
            }
        ),
        "service `default/cart` has no generation 7 to go back to; it has: none before the current one"
    );
    let ports = "image: a\nports: [{name: http, port: 80, publish: 8080}]";
    let both = Change::ApplyServices {
        services: vec![put("a", ports), put("b", ports)],
    };
    assert_eq!(
        refusal(&now, &both),
        "host port 8080 is published by both `default/a` and `default/b`; choose another `publish`"
    );
    let secret = SecretKey::try_from("token".to_owned()).unwrap();
    assert_eq!(
        refusal(&now, &Change::DeleteSecret { secret }),
        "there is no secret `default/token`"
    );
}

#[test]
fn a_value_that_is_not_acceptable_is_refused_here_too() {
    let mut bad = put("cart", SMALL);
    bad.spec.replicas.min = 9;
    let change = Change::ApplyServices {
        services: vec![bad],
    };
    assert!(matches!(
        apply(&Intent::default(), &change, Time(1)),
        Err(Refused::Spec(_))
    ));
}

#[test]
fn rolling_back_keeps_todays_bounds_and_makes_a_new_generation() {
    let mut now = intent(&[("cart", SMALL)]);
    now = next(
        &now,
        &applying("cart", "image: shop/cart:2\nreplicas: {min: 1, max: 50}"),
    );
    now = next(&now, &scale("cart", 40));
    now = next(
        &now,
        &Change::RollbackService {
            service: key("cart"),
            to: Generation(1),
        },
    );
    let service = &now.services[&key("cart")];
    assert_eq!(
        (&*service.spec.image, service.replicas, service.generation.0),
        ("shop/cart:1", 40, 3)
    );
}

#[test]
fn changes_are_all_or_none_and_taken_back_in_reverse() {
    let before = intent(&[("cart", SMALL)]);
    let changes = vec![scale("cart", 3), scale("cart", 4)];
    let applied = apply(&before, &Change::All { changes }, Time(9)).unwrap();
    assert_eq!(applied.intent.services[&key("cart")].replicas, 4);
    let back = next(&applied.intent, &applied.inverse.unwrap());
    assert_eq!(back.services, before.services);

    let changes = vec![scale("cart", 3), scale("cart", 99)];
    assert!(apply(&before, &Change::All { changes }, Time(9)).is_err());
    let restart = Change::RestartInstances {
        service: key("cart"),
        instances: vec![],
        at: Time(1),
    };
    let changes = vec![scale("cart", 3), restart];
    assert!(
        apply(&before, &Change::All { changes }, Time(9))
            .unwrap()
            .inverse
            .is_none()
    );
}

#[test]
fn one_change_makes_at_most_one_generation_of_a_service() {
    let before = intent(&[("cart", SMALL)]);
    let changes = ["b", "c"]
        .map(|tag| applying("cart", &format!("image: shop/cart:{tag}")))
        .to_vec();
    let after = next(&before, &Change::All { changes });
    let service = &after.services[&key("cart")];
    assert_eq!(
        (service.generation, service.history.len()),
        (Generation(2), 1)
    );
    assert_eq!(service.spec.image, "shop/cart:c");
}

fn autonomy(since: u64) -> Autonomy {
    let make = Make {
        agent: ostler_core::id::AgentName::new("healer").unwrap(),
        build: "b".into(),
        prompt: "p".into(),
        planner: vec!["rules".into()],
        settings: "s".into(),
    };
    Autonomy {
        certificate: Certificate {
            make,
            suite: "all".into(),
            suite_digest: "d".into(),
            scores: Scores::default(),
            issued_at: Time(1),
            expires_at: Time(9_999),
        },
        evaluator: "night-shift".into(),
        since: Time(since),
        namespaces: std::collections::BTreeSet::new(),
    }
}

#[test]
fn a_promotion_is_taken_back_exactly_a_demotion_is_not() {
    let agent = || ostler_core::id::AgentName::new("healer").unwrap();
    let set = |autonomy: Option<Autonomy>| Change::SetAutonomy {
        agent: agent(),
        autonomy: autonomy.map(Box::new),
    };
    let once = next(&Intent::default(), &set(Some(autonomy(1))));
    let twice = apply(&once, &set(Some(autonomy(2))), Time(3)).unwrap();
    let mut back = next(&twice.intent, &twice.inverse.unwrap());
    back.revision = once.revision;
    assert_eq!(back, once);
    let down = apply(&once, &set(None), Time(4)).unwrap();
    assert!(down.intent.promoted_agents.is_empty() && down.inverse.is_none());
    assert!(set(None).no_way_back().is_some());
}

#[test]
fn nodes_agents_and_secrets_go_back_too() {
    let node = || ostler_core::id::NodeName::new("n1").unwrap();
    let agent = || ostler_core::id::AgentName::new("healer").unwrap();
    let secret = SecretKey::try_from("token".to_owned()).unwrap();
    let base = Intent::default();
    let cordoned = next(&base, &Change::CordonNode { node: node() });
    let draining = next(&cordoned, &Change::DrainNode { node: node() });
    for start in [base, cordoned, draining] {
        for change in [
            Change::CordonNode { node: node() },
            Change::UncordonNode { node: node() },
            Change::DrainNode { node: node() },
            Change::PauseAgent { agent: agent() },
            Change::ResumeAgent { agent: agent() },
            Change::SetAutonomy {
                agent: agent(),
                autonomy: Some(Box::new(autonomy(7))),
            },
            Change::PutSecret {
                secret: secret.clone(),
                sealed: Sealed("abc".into()),
            },
            Change::SetFreeze {
                name: "easter".parse().unwrap(),
                freeze: Some(Box::new(Freeze {
                    from: Time(1),
                    until: Time(2),
                    namespaces: Default::default(),
                    reason: "eggs".into(),
                })),
            },
            Change::SetGlass {
                person: "ann".into(),
                glass: Some(Glass {
                    until: Time(9),
                    reason: "fire".into(),
                }),
            },
            Change::SetPolicies {
                policies: Some(Policies::default()),
            },
        ] {
            let applied = apply(&start, &change, Time(2)).unwrap();
            let mut back = next(&applied.intent, &applied.inverse.unwrap());
            back.revision = start.revision;
            assert_eq!(back, start, "{change:?}");
        }
    }
}

#[test]
fn restoring_brings_back_what_was_and_takes_away_what_was_not() {
    let before = next(&intent(&[("cart", SMALL)]), &scale("cart", 3));
    let deleted = apply(
        &before,
        &Change::DeleteService {
            service: key("cart"),
        },
        Time(3),
    )
    .unwrap();
    let back = next(&deleted.intent, &deleted.inverse.unwrap());
    let (was, is) = (&before.services[&key("cart")], &back.services[&key("cart")]);
    assert_eq!(
        (&was.spec, was.replicas, &was.labels),
        (&is.spec, is.replicas, &is.labels)
    );
    assert!(is.generation > was.generation);

    let created = apply(&before, &applying("web", "image: w"), Time(3)).unwrap();
    let back = next(&created.intent, &created.inverse.unwrap());
    assert_eq!(back.services, before.services);
    let none = Change::RestoreServices {
        services: BTreeMap::from([(key("nobody"), None)]),
    };
    assert_eq!(next(&before, &none).services, before.services);
}

#[test]
fn facts_are_about_the_effect() {
    let web = "image: shop/web:1\nreplicas: {min: 5, max: 9}\nneeds: [{service: cart}]";
    let now = intent(&[("cart", SMALL), ("web", web)]);
    let scaled = facts(&now, &scale("cart", 5)).unwrap();
    assert_eq!(
        (
            scaled.replicas_from,
            scaled.replicas_to,
            scaled.replicas_delta
        ),
        (1, 5, 4)
    );
    assert_eq!((scaled.fleet_share, scaled.blast_radius), (50, 2));
    assert!(!scaled.destructive && !scaled.replaces_instances && !scaled.stateful);
    assert_eq!(scaled.summary, "scale default/cart from 1 to 5 replicas");

    let limits = Amounts {
        memory: Some(Bytes::mib(128)),
        ..Amounts::default()
    };
    let first = facts(
        &now,
        &Change::SetLimits {
            requests: None,
            service: key("cart"),
            limits,
        },
    )
    .unwrap();
    assert_eq!(first.memory_limit_percent, Some(0), "a first limit");
    assert_eq!(
        first.summary,
        "set limits of default/cart: memory none → 128Mi"
    );
    assert!(!first.replaces_instances, "what runs is resized in place");
    let now = next(
        &now,
        &Change::SetLimits {
            requests: None,
            service: key("cart"),
            limits,
        },
    );
    let limits = Amounts {
        memory: Some(Bytes::mib(192)),
        ..Amounts::default()
    };
    let more = facts(
        &now,
        &Change::SetLimits {
            requests: None,
            service: key("cart"),
            limits,
        },
    )
    .unwrap();
    assert_eq!(more.memory_limit_percent, Some(150));

    let gone = facts(
        &now,
        &Change::DeleteService {
            service: key("web"),
        },
    )
    .unwrap();
    assert!(gone.destructive);
    let data = "image: db\nvolumes: [{mount: /data, source: {named: {name: data}}}]";
    assert!(facts(&now, &applying("db", data)).unwrap().stateful);
}

#[test]
fn a_new_directory_of_the_host_is_a_fact() {
    let host = |path: &str, read_only: bool| {
        format!(
            "image: a:1\nvolumes: [{{mount: /x, source: {{host: {{path: {path}}}}}, readOnly: {read_only}}}]"
        )
    };
    let asks = |now: &Intent, spec: &str| facts(now, &applying("cart", spec)).unwrap().host_paths;
    let plain = intent(&[("cart", "image: a:1")]);
    assert!(!asks(&plain, "image: a:2"));
    assert!(asks(&plain, &host("/srv", true)));
    assert!(asks(&Intent::default(), &host("/srv", true)));
    let reads = intent(&[("cart", &host("/srv", true))]);
    assert!(!asks(&reads, &host("/srv", true)));
    assert!(asks(&reads, &host("/srv", false)), "writing is more");
    assert!(asks(&reads, &host("/", true)), "another directory");
    let writes = intent(&[("cart", &host("/srv", false))]);
    assert!(!asks(&writes, &host("/srv", true)));
    assert!(!asks(&writes, "image: a:1"), "taking it away");
    let kept = facts(&writes, &applying("cart", "image: a:1")).unwrap();
    assert!(kept.stateful, "what the host keeps is data");
}

#[test]
fn a_diff_shows_paths_and_hides_content() {
    let one = "image: a:1\nenv: {LEVEL: info}\nconfigs: [{path: /etc/a.conf, content: 'key=1'}]";
    let two = "image: a:2\nenv: {LEVEL: debug, MORE: x}\nconfigs: [{path: /etc/a.conf, content: 'key=2'}]";
    let now = intent(&[("cart", one)]);
    let facts = facts(&now, &applying("cart", two)).unwrap();
    let show = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".into());
    let lines: Vec<String> = facts.diff[0]
        .lines
        .iter()
        .map(|line| format!("{}: {} → {}", line.path, show(&line.from), show(&line.to)))
        .collect();
    assert_eq!(
        lines,
        [
            "spec.configs[/etc/a.conf].content: (5 bytes) → (5 bytes), changed",
            "spec.env.LEVEL: info → debug",
            "spec.env.MORE: - → x",
            "spec.image: a:1 → a:2",
        ]
    );
}
