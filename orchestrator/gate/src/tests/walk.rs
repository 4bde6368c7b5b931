//! Every tool in the catalogue, called by those who may not: nothing moves, and it is on record.

use ostler_tools::{
    catalogue::ALL,
    contract::{Class, Tool},
    principal::{Principal, Role},
};
use serde_json::{Value, json};

use super::{House, done, healer, house, operator, refused, user};
use crate::answer::Outcome;

/// What of the intent the healer's policy permits by name, with nobody's yes: taking back its own.
const HEALER_ALONE: &[&str] = &["undo_change"];

fn acts(tool: &&Tool) -> bool {
    matches!(
        tool.class,
        Class::Change | Class::Act | Class::Approve | Class::Admin
    )
}

/// Arguments that a tool understands, for every tool that moves something.
fn plausible(tool: &str) -> Value {
    let service = json!({ "service": "shop/cart" });
    match tool {
        "apply_services" => json!({ "yaml": super::SHOP.replace("64Mi", "80Mi") }),
        "scale_service" => super::scale(2),
        "restart_instances" => json!({ "instances": ["cart-aaaaaaaa"] }),
        "set_limits" => json!({ "service": "shop/cart", "memory": "96Mi" }),
        "restart_service" | "rollback_service" | "delete_service" => service,
        "put_secret" => json!({ "secret": "shop/key", "value": "x" }),
        "delete_secret" => json!({ "secret": "shop/key" }),
        "cordon_node" | "uncordon_node" | "drain_node" => json!({ "node": "n1" }),
        "undo_change" => json!({ "revision": 1 }),
        "exec_instance" => json!({ "instance": "cart-aaaaaaaa", "command": ["true"] }),
        "import_image" => json!({ "name": "shop/cart:2", "path": "/tmp/cart.tar" }),
        "approve" => json!({ "id": "apr_0000000000000001" }),
        "reject" => json!({ "id": "apr_0000000000000001", "reason": "no" }),
        "pause_agent" | "resume_agent" => json!({ "agent": "healer" }),
        "create_token" => json!({ "name": "ci", "roles": ["admin"] }),
        "revoke_token" => json!({ "name": "ci" }),
        _ => json!({}),
    }
}

/// Calls one tool and checks that the intent stands and that one leaf tells of this call.
async fn stands(house: &House, caller: &Principal, tool: &str, args: Value) -> Outcome {
    let (before, leaves) = (house.gate.intent(), house.log().await.len());
    let answer = house.call(caller, tool, args).await;
    let leaf = house.last().await;
    assert_eq!(house.log().await.len(), leaves + 1, "{tool}: one leaf");
    assert_eq!(leaf.call, Some(answer.call), "{tool}");
    assert_eq!(
        (leaf.tool.as_str(), &leaf.principal),
        (tool, &caller.to_string())
    );
    let expected = match &answer.outcome {
        Outcome::Denied { .. } => "denied",
        Outcome::Held { .. } => "held",
        Outcome::Refused { .. } => "refused",
        other => panic!("{tool} by {caller}: {other:?}"),
    };
    assert_eq!(leaf.outcome, expected, "{tool}");
    assert_eq!(*house.gate.intent(), *before, "{tool} moved the intent");
    assert!(house.world.asked.lock().unwrap().is_empty(), "{tool} acted");
    assert!(
        house.gate.records().tokens.is_empty(),
        "{tool} made a token"
    );
    answer.outcome
}

#[tokio::test]
async fn the_healer_alone_does_nothing() {
    let house = house().await;
    for tool in ALL.iter().filter(acts) {
        for args in [json!({}), plausible(tool.name)] {
            stands(&house, &healer(), tool.name, args).await;
        }
        let outcome = stands(&house, &healer(), tool.name, plausible(tool.name)).await;
        let mine = HEALER_ALONE.contains(&tool.name);
        let unfit = matches!(outcome, Outcome::Refused { .. });
        assert!(!(mine && unfit), "{}: {outcome:?}", tool.name);
    }
}

#[tokio::test]
async fn a_viewer_does_nothing() {
    let house = house().await;
    let viewer = user("vic", Role::Viewer);
    // Signing in to look moves nothing that is kept.
    let moves = |tool: &&Tool| acts(tool) && tool.name != "create_console_session";
    for tool in ALL.iter().filter(moves) {
        stands(&house, &viewer, tool.name, json!({})).await;
        let outcome = stands(&house, &viewer, tool.name, plausible(tool.name)).await;
        assert!(
            !matches!(outcome, Outcome::Held { .. }),
            "{} is held",
            tool.name
        );
    }
}

#[tokio::test]
async fn a_note_said_twice_stands_once() {
    let house = house().await;
    let opened = json!({ "service": "shop/cart", "title": "down" });
    let made = done(house.call(&healer(), "open_incident", opened).await);
    let id = made["incident"].as_str().unwrap().to_owned();
    let note = |what: &str| json!({ "incident": id, "note": what });
    let length = || {
        house.gate.records().incidents[&id.parse().unwrap()]
            .timeline
            .len()
    };
    let before = length();
    for _ in 0..2 {
        done(
            house
                .call(&healer(), "note_incident", note("verified: it holds"))
                .await,
        );
    }
    assert_eq!(length(), before + 1, "the same words by the same author");
    done(
        house
            .call(&operator(), "note_incident", note("verified: it holds"))
            .await,
    );
    assert_eq!(length(), before + 2, "somebody else's words are theirs");
    done(
        house
            .call(&healer(), "note_incident", note("verified: it holds"))
            .await,
    );
    assert_eq!(length(), before + 3, "not the previous entry's author");
}

#[tokio::test]
async fn each_bad_answer_is_refused_in_its_own_words() {
    let house = house().await;
    let call = plausible("restart_instances");
    let asked = || async {
        super::held(
            house
                .call(&healer(), "restart_instances", call.clone())
                .await,
        )
        .0
    };
    let approve = |id: &str| json!({ "id": id });
    let late = asked().await;
    house.clock.advance(ostler_core::time::Span::minutes(61));
    let expired = refused(house.call(&operator(), "approve", approve(&late)).await);
    assert!(expired.contains("expired"), "{expired}");
    let id = asked().await;
    done(house.call(&operator(), "approve", approve(&id)).await);
    done(
        house
            .call(&healer(), "restart_instances", call.clone())
            .await,
    );
    let replayed = refused(house.call(&operator(), "approve", approve(&id)).await);
    assert!(replayed.contains("it is used"), "{replayed}");
    let other = asked().await;
    let no = json!({ "id": other, "reason": "not now" });
    done(house.call(&operator(), "reject", no).await);
    let rejected = refused(house.call(&operator(), "approve", approve(&other)).await);
    assert!(rejected.contains("rejected"), "{rejected}");
    assert_eq!(
        house.gate.records().approvals[&other.parse().unwrap()]
            .yes
            .len(),
        0
    );
}
