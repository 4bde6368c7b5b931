//! Acting alone is earned: only what a trusted evaluator certified, only where and as long as it stands.

use ed25519_dalek::SigningKey;
use ostler_core::{
    autonomy::{Certificate, Make, Scores},
    id::AgentName,
    proposal::ProposalState,
    time::{Span, Time},
};
use ostler_tools::{principal::Role, view::WorldView};
use serde_json::{Value, json};

use super::{
    House, admin, approvals::body, denied, done, healer, held, house, operator, refused, seen,
};
use crate::{
    certificate,
    note::{Signer, Verifier},
};

const NOW: u64 = 1_795_000_000_000;

fn name() -> AgentName {
    "healer".parse().unwrap()
}

/// The healer as it runs in these tests.
pub(super) fn make() -> Make {
    Make {
        agent: name(),
        build: "b1".into(),
        prompt: "p1".into(),
        planner: vec!["rules".into()],
        settings: "s1".into(),
    }
}

fn good() -> Certificate {
    Certificate {
        make: make(),
        suite: "incidents and faults".into(),
        suite_digest: "d1".into(),
        scores: Scores {
            cases: 200,
            passed: 960,
            mended: 930,
            false_alarms: 60,
            ..Scores::default()
        },
        issued_at: Time(NOW - 1_000),
        expires_at: Time(NOW) + Span::minutes(24 * 60),
    }
}

fn signer(seed: u8) -> Signer {
    Signer::new("night-shift", SigningKey::from_bytes(&[seed; 32])).unwrap()
}

fn signed(certificate: &Certificate) -> String {
    certificate::sign(certificate, &signer(1)).unwrap()
}

/// The arguments that promote the healer.
pub(super) fn promotion() -> Value {
    json!({ "agent": "healer", "certificate": signed(&good()) })
}

/// Believes the evaluator of these tests.
pub(super) fn trust(house: &House) {
    let key = Verifier::parse(&signer(1).public_key()).unwrap();
    house.gate.trust(vec![key]);
}

/// From now on this runs as the healer.
fn runs(house: &House, make: Option<Make>) {
    let mut view: WorldView = seen();
    view.agents.entry(name()).or_default().make = make;
    *house.world.view.lock().unwrap() = std::sync::Arc::new(view);
}

async fn ready() -> House {
    let house = house().await;
    trust(&house);
    runs(&house, Some(make()));
    house
}

async fn promoted() -> House {
    let house = ready().await;
    done(house.call(&admin(), "promote_agent", promotion()).await);
    house
}

async fn restarts(house: &House) -> crate::answer::Answer {
    let restart = json!({ "instances": ["cart-aaaaaaaa"] });
    house.call(&healer(), "restart_instances", restart).await
}

async fn proposes(house: &House) -> Value {
    let look = house.call(&healer(), "list_services", json!({})).await;
    let title = json!({ "service": "shop/cart", "title": "slow" });
    let opened = done(house.call(&healer(), "open_incident", title).await);
    let arguments = json!({ "instances": ["cart-aaaaaaaa"] });
    let calls = json!([{ "tool": "restart_instances", "arguments": arguments, "reason": "stuck" }]);
    let args =
        json!({ "incident": opened["incident"], "proposal": body(&calls, look.call.as_str()) });
    done(house.call(&healer(), "submit_proposal", args).await)
}

async fn standing(house: &House) -> Value {
    let agents = done(house.call(&admin(), "list_agents", json!({})).await);
    agents["agents"][0].clone()
}

#[tokio::test]
async fn nobody_acts_alone_before_an_admin_said_so() {
    let house = ready().await;
    held(restarts(&house).await);
    let (_, by) = denied(house.call(&healer(), "promote_agent", promotion()).await);
    assert_eq!(by, ["agents-never-rule"]);
    denied(house.call(&operator(), "promote_agent", promotion()).await);
    let assistant = operator().assistant(Role::Operator).unwrap();
    denied(house.call(&assistant, "promote_agent", promotion()).await);
    assert!(house.gate.intent().promoted_agents.is_empty());
    done(house.call(&admin(), "promote_agent", promotion()).await);
    done(restarts(&house).await);
    let leaf = house.last().await;
    assert_eq!(
        (leaf.decision.as_deref(), leaf.approval),
        (Some("allow"), None)
    );
    assert_eq!(leaf.policies[0], "healer-acts-alone");
    assert_eq!(standing(&house).await["standing"]["standing"], "alone");
}

#[tokio::test]
async fn what_is_proposed_is_done_at_once_or_says_why_it_waits() {
    let house = promoted().await;
    let made = proposes(&house).await;
    assert_eq!(
        (&made["state"], &made["approval"]),
        (&json!("approved"), &Value::Null)
    );
    let house = promoted().await;
    let other = Make {
        prompt: "p2".into(),
        ..make()
    };
    runs(&house, Some(other));
    let made = proposes(&house).await;
    assert_eq!(made["state"], "waiting");
    let words = made["words"].as_str().unwrap();
    assert!(
        words.contains("not what was certified any more (prompt)"),
        "{words}"
    );
}

#[tokio::test]
async fn whatever_is_changed_of_it_voids_the_certificate_until_it_is_changed_back() {
    let house = promoted().await;
    let others = [
        Some(Make {
            build: "b2".into(),
            ..make()
        }),
        Some(Make {
            prompt: "p2".into(),
            ..make()
        }),
        Some(Make {
            planner: vec!["ai:m".into(), "rules".into()],
            ..make()
        }),
        Some(Make {
            settings: "s2".into(),
            ..make()
        }),
        None,
    ];
    for other in others {
        runs(&house, other);
        held(restarts(&house).await);
        assert_eq!(standing(&house).await["standing"]["standing"], "changed");
    }
    runs(&house, Some(make()));
    done(restarts(&house).await);
    house.clock.advance(Span::minutes(25 * 60));
    held(restarts(&house).await);
    assert_eq!(standing(&house).await["standing"]["standing"], "expired");
}

#[tokio::test]
async fn it_acts_alone_in_its_namespaces_only() {
    let house = ready().await;
    let mut args = promotion();
    args["namespaces"] = json!(["elsewhere"]);
    done(house.call(&admin(), "promote_agent", args.clone()).await);
    held(restarts(&house).await);
    args["namespaces"] = json!(["elsewhere", "shop"]);
    done(house.call(&admin(), "promote_agent", args).await);
    done(restarts(&house).await);
}

#[tokio::test]
async fn certificates_that_nobody_trusted_signed_or_that_do_not_fit_are_refused_in_words() {
    let house = ready().await;
    let with = |change: fn(&mut Certificate)| {
        let mut certificate = good();
        change(&mut certificate);
        signed(&certificate)
    };
    let forged = certificate::sign(&good(), &signer(2)).unwrap();
    let altered = signed(&good()).replacen("960", "999", 1);
    let note = signer(1).sign("something else\n");
    for (certificate, why) in [
        (
            forged,
            "not signed by an evaluator that this daemon trusts; it trusts night-shift",
        ),
        (altered, "not signed by an evaluator"),
        ("nonsense".to_owned(), "not signed by an evaluator"),
        (note, "not a certificate"),
        ("x".repeat(17 << 10), "bytes"),
        (with(|one| one.make.prompt = "p2".into()), "another prompt"),
        (
            with(|one| one.make.agent = "scaler".parse().unwrap()),
            "another name",
        ),
        (with(|one| one.expires_at = Time(NOW - 1)), "expired"),
        (with(|one| one.issued_at = Time(NOW + 1_000)), "future"),
    ] {
        let args = json!({ "agent": "healer", "certificate": certificate });
        let words = refused(house.call(&admin(), "promote_agent", args).await);
        assert!(words.contains(why), "{words}");
    }
    house.gate.trust(Vec::new());
    let words = refused(house.call(&admin(), "promote_agent", promotion()).await);
    assert!(words.contains("it trusts nobody"), "{words}");
    assert!(house.gate.intent().promoted_agents.is_empty());
}

/// A proposal that was carried out and then taken back.
async fn comes_to_nothing(house: &House) {
    let made = proposes(house).await;
    for (state, count) in [("acting", 0), ("verifying", 1), ("undone", 1)] {
        let args = json!({ "proposal": made["proposal"], "state": state, "done": count });
        done(house.call(&healer(), "advance_proposal", args).await);
    }
    let records = house.gate.records();
    for incident in records
        .incidents
        .values()
        .filter(|one| one.closed_at.is_none())
    {
        close(house, incident.id.as_str()).await;
    }
    house.clock.advance(Span::seconds(1));
}

async fn close(house: &House, incident: &str) {
    let over = json!({ "incident": incident, "note": "over", "state": "closed" });
    done(house.call(&healer(), "note_incident", over).await);
}

#[tokio::test]
async fn who_has_to_take_back_twice_falls_and_only_an_admin_lifts_it_again() {
    let house = promoted().await;
    comes_to_nothing(&house).await;
    done(restarts(&house).await);
    assert!(house.gate.demote_fallen().await.is_empty());
    comes_to_nothing(&house).await;
    // At once, before anything was made to last.
    held(restarts(&house).await);
    let record = standing(&house).await["record"].clone();
    assert_eq!(
        (&record["undone"], &record["verified"]),
        (&json!(2), &json!(0))
    );
    let answers = house.gate.demote_fallen().await;
    assert_eq!(answers.len(), 1);
    assert!(house.gate.intent().promoted_agents.is_empty());
    assert!(house.gate.demote_fallen().await.is_empty());
    let leaf = house.last().await;
    assert_eq!(
        (leaf.principal.as_str(), leaf.tool.as_str()),
        ("system", "demote_agent")
    );
    let revision = json!({ "revision": house.gate.intent().revision.0 });
    let words = refused(house.call(&admin(), "undo_change", revision).await);
    assert!(words.contains("for a person to say anew"), "{words}");
    done(house.call(&admin(), "promote_agent", promotion()).await);
    done(restarts(&house).await);
}

#[tokio::test]
async fn an_operator_cannot_lift_an_agent_by_taking_something_back() {
    let house = promoted().await;
    done(house.call(&admin(), "promote_agent", promotion()).await);
    let revision = json!({ "revision": house.gate.intent().revision.0 });
    let (_, by) = denied(house.call(&operator(), "undo_change", revision).await);
    assert_eq!(by, ["only-admins-free-agents"]);
    done(
        house
            .call(&admin(), "pause_agent", json!({ "agent": "healer" }))
            .await,
    );
    let revision = json!({ "revision": house.gate.intent().revision.0 });
    let (_, by) = denied(house.call(&operator(), "undo_change", revision).await);
    assert_eq!(by, ["only-admins-free-agents"]);
}

#[tokio::test]
async fn what_people_overrule_counts_and_a_paused_agent_does_nothing_alone() {
    let house = promoted().await;
    let opened = json!({
        "service": "shop/cart", "title": "cart: slow",
        "cause": { "kind": "bad_change", "culprit": "shop/cart", "confidence": 0.9, "explanation": "a change", "evidence": [] },
    });
    for _ in 0..2 {
        let opened = done(house.call(&healer(), "open_incident", opened.clone()).await);
        let word = json!({ "incident": opened["incident"], "reason": "it was not" });
        done(house.call(&operator(), "correct_incident", word).await);
        close(&house, opened["incident"].as_str().unwrap()).await;
    }
    assert_eq!(standing(&house).await["standing"]["standing"], "fallen");
    held(restarts(&house).await);
    let house = promoted().await;
    done(
        house
            .call(&admin(), "pause_agent", json!({ "agent": "healer" }))
            .await,
    );
    let (_, by) = denied(restarts(&house).await);
    assert_eq!(by, ["paused-agents-keep-still"]);
    let title = json!({ "service": "shop/cart", "title": "slow" });
    denied(house.call(&healer(), "open_incident", title).await);
    done(house.call(&healer(), "list_services", json!({})).await);
    let proposals = house
        .gate
        .records()
        .proposals
        .values()
        .cloned()
        .collect::<Vec<_>>();
    assert!(
        proposals
            .iter()
            .all(|one| one.state != ProposalState::Approved)
    );
}
