//! A person's yes: to one exact call, by somebody else, in time, once.

use ostler_core::{incident::IncidentState, proposal::ProposalState, time::Span};
use ostler_tools::{principal::Role, record::ApprovalState};
use serde_json::{Value, json};

use super::{
    House, admin, denied, done, healer, held, house, operator, refused, scale, undo::scaling_cart,
    user,
};

pub(super) fn restart() -> Value {
    json!({ "instances": ["cart-aaaaaaaa"] })
}

async fn asked(house: &House) -> String {
    held(house.call(&healer(), "restart_instances", restart()).await).0
}

#[tokio::test]
async fn with_a_yes_the_same_call_is_done_once() {
    let house = house().await;
    let id = asked(&house).await;
    assert_eq!(house.gate.intent().revision.0, 1, "nothing before the yes");
    assert_eq!(
        asked(&house).await,
        id,
        "asking again waits for the same yes"
    );
    done(
        house
            .call(&operator(), "approve", json!({ "id": id }))
            .await,
    );
    house.clock.advance(Span::minutes(1));
    done(house.call(&healer(), "restart_instances", restart()).await);
    let leaf = house.last().await;
    assert_eq!(leaf.approval.unwrap().as_str(), id);
    assert_eq!(leaf.decision.as_deref(), Some("allow"));
    let records = house.gate.records();
    assert_eq!(
        records.approvals[&id.parse().unwrap()].state,
        ApprovalState::Used
    );
    let (again, _) = held(house.call(&healer(), "restart_instances", restart()).await);
    assert_ne!(again, id, "a yes is used once");
}

/// What holds for a while holds from when it is done: the moment of asking is no part of what was agreed to.
#[tokio::test]
async fn a_yes_to_a_while_is_not_lost_with_the_minutes() {
    let house = house().await;
    done(
        house
            .call(&operator(), "apply_services", scaling_cart())
            .await,
    );
    let assistant = ostler_tools::principal::Principal::Assistant {
        of: "ann".to_owned(),
        roles: vec![Role::Operator],
    };
    let tune = |each: u32, lasts: &str| {
        json!({ "service": "shop/cart", "for": lasts,
                "targets": [{ "signal": "requestRate", "perInstance": each }] })
    };
    let (id, _) = held(
        house
            .call(&assistant, "tune_scaling", tune(40, "24h"))
            .await,
    );
    done(
        house
            .call(&operator(), "approve", json!({ "id": id }))
            .await,
    );
    house.clock.advance(Span::minutes(2));
    held(
        house
            .call(&assistant, "tune_scaling", tune(40, "48h"))
            .await,
    );
    held(
        house
            .call(&assistant, "tune_scaling", tune(90, "24h"))
            .await,
    );
    done(
        house
            .call(&assistant, "tune_scaling", tune(40, "24h"))
            .await,
    );
    assert_eq!(house.last().await.approval.unwrap().as_str(), id);
}

#[tokio::test]
async fn a_yes_covers_nothing_else_and_nobody_else() {
    let house = house().await;
    let limits = |memory: &str| json!({ "service": "shop/cart", "memory": memory });
    let (id, _) = held(house.call(&healer(), "set_limits", limits("96Mi")).await);
    done(
        house
            .call(&operator(), "approve", json!({ "id": id }))
            .await,
    );
    let (other, words) = held(house.call(&healer(), "set_limits", limits("128Mi")).await);
    assert_ne!(other, id);
    assert!(
        words.contains("the world moved since") && words.contains(&id),
        "{words}"
    );
    denied(house.call(&healer(), "set_limits", limits("129Mi")).await);
    let stranger = ostler_tools::principal::Principal::Agent {
        name: "stranger".parse().unwrap(),
    };
    let (theirs, _) = held(house.call(&stranger, "set_limits", limits("96Mi")).await);
    assert_ne!(theirs, id, "another agent has to ask for itself");
    // The service moves: the yes was to a change of what stood there before.
    done(house.call(&operator(), "scale_service", scale(2)).await);
    let (anew, words) = held(house.call(&healer(), "set_limits", limits("96Mi")).await);
    assert_ne!(anew, id);
    assert!(words.contains("the world moved"), "{words}");
}

#[tokio::test]
async fn who_may_not_say_yes() {
    let house = house().await;
    let id = asked(&house).await;
    let approve = json!({ "id": id });
    denied(house.call(&healer(), "approve", approve.clone()).await);
    denied(
        house
            .call(&user("vic", Role::Viewer), "approve", approve.clone())
            .await,
    );
    let delete = json!({ "service": "shop/cart" });
    let (own, _) = held(
        house
            .call(&operator(), "delete_service", delete.clone())
            .await,
    );
    let both = ostler_tools::principal::Principal::User {
        name: "ann".into(),
        roles: vec![Role::Operator, Role::Admin],
    };
    let words = refused(house.call(&both, "approve", json!({ "id": own })).await);
    assert!(words.contains("somebody else"), "{words}");
    let words = refused(
        house
            .call(
                &user("bob", Role::Operator),
                "approve",
                json!({ "id": own }),
            )
            .await,
    );
    assert!(words.contains("role admin"), "{words}");
    assert_eq!(
        house.gate.records().approvals[&own.parse().unwrap()].state,
        ApprovalState::Waiting
    );
    done(house.call(&admin(), "approve", json!({ "id": own })).await);
    let words = refused(house.call(&admin(), "approve", json!({ "id": own })).await);
    assert!(words.contains("granted"), "{words}");
    done(house.call(&operator(), "delete_service", delete).await);
    assert!(house.gate.intent().services.is_empty());
}

#[tokio::test]
async fn a_yes_ends() {
    let house = house().await;
    let id = asked(&house).await;
    house.clock.advance(Span::minutes(61));
    refused(
        house
            .call(&operator(), "approve", json!({ "id": id }))
            .await,
    );
    let id = asked(&house).await;
    done(
        house
            .call(&operator(), "approve", json!({ "id": id }))
            .await,
    );
    house.clock.advance(Span::minutes(16));
    assert_ne!(asked(&house).await, id);
    assert_eq!(
        house.gate.records().approvals[&id.parse().unwrap()].state,
        ApprovalState::Expired
    );
}

#[tokio::test]
async fn a_no_is_a_no() {
    let house = house().await;
    let id = asked(&house).await;
    refused(
        house
            .call(&operator(), "reject", json!({ "id": id, "reason": "" }))
            .await,
    );
    done(
        house
            .call(
                &operator(),
                "reject",
                json!({ "id": id, "reason": "not now" }),
            )
            .await,
    );
    assert_eq!(
        house.gate.records().approvals[&id.parse().unwrap()].state,
        ApprovalState::Rejected
    );
    assert_ne!(asked(&house).await, id);
}

pub(super) fn body(calls: &Value, evidence: &str) -> Value {
    json!({
        "title": "give it memory and restart it",
        "cause": {
            "kind": "out_of_memory", "culprit": "shop/cart", "confidence": 0.9, "explanation": "it was killed",
            "evidence": [{ "claim": "exit 137", "call": evidence }],
        },
        "calls": calls,
        "expected": "no more kills",
        "verify": { "service": "shop/cart", "state": "healthy", "hold": "30s", "within": "5m" },
    })
}

pub(super) async fn incident(house: &House) -> (String, String) {
    let look = house.call(&healer(), "list_services", json!({})).await;
    let opened = done(
        house
            .call(
                &healer(),
                "open_incident",
                json!({ "service": "shop/cart", "title": "down" }),
            )
            .await,
    );
    (
        opened["incident"].as_str().unwrap().to_owned(),
        look.call.to_string(),
    )
}

#[tokio::test]
async fn one_yes_covers_a_proposal_in_order() {
    let house = house().await;
    let (incident, call) = incident(&house).await;
    let limits = json!({ "service": "shop/cart", "memory": "96Mi" });
    let calls = json!([
        { "tool": "set_limits", "arguments": limits, "reason": "too small" },
        { "tool": "restart_instances", "arguments": restart(), "reason": "it hangs" },
    ]);
    let args = json!({ "incident": incident, "proposal": body(&calls, &call) });
    let made = done(house.call(&healer(), "submit_proposal", args).await);
    assert_eq!(made["state"], "waiting");
    let proposal = made["proposal"].as_str().unwrap();
    let advance = |state: &str| json!({ "proposal": proposal, "state": state, "done": 0 });
    refused(
        house
            .call(&healer(), "advance_proposal", advance("approved"))
            .await,
    );
    let decision = done(
        house
            .call(&operator(), "approve", json!({ "id": proposal }))
            .await,
    );
    assert_eq!(
        (decision["state"].as_str(), decision["proposal"].as_str()),
        (Some("granted"), Some(proposal))
    );
    let records = house.gate.records();
    assert_eq!(
        records.proposals[&proposal.parse().unwrap()].state,
        ProposalState::Approved
    );
    let timeline = &records.incidents[&incident.parse().unwrap()].timeline;
    assert!(
        timeline.last().unwrap().what.starts_with("approved"),
        "{timeline:?}"
    );
    held(house.call(&healer(), "restart_instances", restart()).await);
    done(
        house
            .call(&healer(), "advance_proposal", advance("acting"))
            .await,
    );
    done(house.call(&healer(), "set_limits", limits).await);
    done(house.call(&healer(), "restart_instances", restart()).await);
    let approval = records.proposals[&proposal.parse().unwrap()]
        .approval
        .clone()
        .unwrap();
    assert_eq!(
        house.gate.records().approvals[&approval].state,
        ApprovalState::Used
    );
    // What it did itself, it may take back.
    let revision = house.gate.intent().revision.0 - 1;
    done(
        house
            .call(&healer(), "undo_change", json!({ "revision": revision }))
            .await,
    );
}

#[tokio::test]
async fn who_says_no_may_ask_for_another_plan() {
    let house = house().await;
    let (incident, call) = incident(&house).await;
    let restarts = json!([{ "tool": "restart_instances", "arguments": restart(), "reason": "x" }]);
    let args = json!({ "incident": incident, "proposal": body(&restarts, &call) });
    let made = done(house.call(&healer(), "submit_proposal", args).await);
    let proposal = made["proposal"].as_str().unwrap();
    let no = json!({ "id": proposal, "reason": "it is noon", "another_plan": true });
    denied(house.call(&healer(), "reject", no.clone()).await);
    done(house.call(&operator(), "reject", no).await);
    let records = house.gate.records();
    let told = &records.proposals[&proposal.parse().unwrap()];
    assert_eq!(
        (told.state, told.another.as_deref()),
        (ProposalState::Rejected, Some("it is noon"))
    );
    let incident = &records.incidents[&incident.parse().unwrap()];
    assert_eq!(incident.state, IncidentState::Open);
    let last = &incident.timeline.last().unwrap().what;
    assert!(
        last.contains("another plan") && last.contains("noon"),
        "{last}"
    );

    let id = asked(&house).await;
    let no = json!({ "id": id, "reason": "x", "another_plan": true });
    let words = refused(house.call(&operator(), "reject", no).await);
    assert!(words.contains("no plan"), "{words}");
}

#[tokio::test]
async fn a_proposal_with_a_denied_call_is_refused_whole() {
    let house = house().await;
    let (incident, call) = incident(&house).await;
    let calls = json!([
        { "tool": "restart_instances", "arguments": restart(), "reason": "it hangs" },
        { "tool": "scale_service", "arguments": scale(9), "reason": "more" },
    ]);
    let args = json!({ "incident": incident, "proposal": body(&calls, &call) });
    let words = refused(house.call(&healer(), "submit_proposal", args).await);
    assert!(
        words.contains("call 2 (`scale_service`)") && words.contains("denied"),
        "{words}"
    );
    let records = house.gate.records();
    assert!(records.proposals.is_empty() && records.approvals.is_empty());
}

#[tokio::test]
async fn one_person_counts_once() {
    let house = house().await;
    let id = asked(&house).await;
    let both = ostler_tools::principal::Principal::User {
        name: "eve".into(),
        roles: vec![Role::Operator, Role::Admin],
    };
    done(house.call(&both, "approve", json!({ "id": id })).await);
    let records = house.gate.records();
    let approval = &records.approvals[&id.parse().unwrap()];
    assert_eq!(approval.state, ApprovalState::Granted);
    assert_eq!(approval.yes.len(), 1, "{:?}", approval.yes);
}

#[tokio::test]
async fn one_caller_cannot_fill_the_queue_of_requests() {
    let house = house().await;
    let ann = operator();
    let ask = |replicas| house.call(&ann, "scale_service", scale(replicas));
    for replicas in 30..50 {
        held(ask(replicas).await);
    }
    assert!(refused(ask(50).await).contains("20 requests of user:ann"));
    held(ask(30).await);
    asked(&house).await;
}

#[tokio::test]
async fn an_incident_has_ten_open_proposals_at_most() {
    let house = house().await;
    let (incident, call) = incident(&house).await;
    for number in 0..11 {
        let limits = json!({ "service": "shop/cart", "memory": format!("{}Mi", 80 + number) });
        let calls = json!([{ "tool": "set_limits", "arguments": limits, "reason": "small" }]);
        let args = json!({ "incident": incident, "proposal": body(&calls, &call) });
        let answer = house.call(&healer(), "submit_proposal", args).await;
        if number < 10 {
            done(answer);
        } else {
            assert!(refused(answer).contains("10 open proposals"));
        }
    }
}

#[tokio::test]
async fn undoing_an_undo_is_not_taking_back_ones_own() {
    let house = house().await;
    let limits = json!({ "service": "shop/cart", "memory": "96Mi" });
    let (id, _) = held(house.call(&healer(), "set_limits", limits.clone()).await);
    done(
        house
            .call(&operator(), "approve", json!({ "id": id }))
            .await,
    );
    done(house.call(&healer(), "set_limits", limits).await);
    let undo = |revision: u64| json!({ "revision": revision });
    let revision = house.gate.intent().revision.0;
    done(house.call(&healer(), "undo_change", undo(revision)).await);
    let again = house
        .call(&healer(), "undo_change", undo(revision + 1))
        .await;
    assert!(
        !matches!(again.outcome, crate::answer::Outcome::Done { .. }),
        "{again:?}"
    );
}
