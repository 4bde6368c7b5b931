//! What a shadow made of a situation: noted, counted for the agent that it is of, and without any effect.

use super::*;

fn shadow(agreement: &str) -> Value {
    json!({ "planner": ["local:m", "rules"], "prompt": "ab".repeat(32), "agreement": agreement })
}

#[tokio::test]
async fn it_is_counted_for_its_agent_and_moves_nothing() {
    let house = house().await;
    let mut view = seen();
    view.agents.entry("healer".parse().unwrap()).or_default();
    *house.world.view.lock().unwrap() = Arc::new(view);
    let opening = json!({ "service": "shop/cart", "title": "unwell" });
    let opened = done(house.call(&healer(), "open_incident", opening).await);
    let note = |words: &str, shadow: Value| json!({ "incident": opened["incident"], "note": words, "shadow": shadow });
    let moves = [
        ("state", json!("resolved")),
        (
            "cause",
            json!({ "kind": "crash", "culprit": "shop/cart", "confidence": 1.0, "explanation": "so", "evidence": [] }),
        ),
    ];
    for (field, value) in moves {
        let mut call = note("it would", shadow("same"));
        call[field] = value;
        let words = refused(house.call(&healer(), "note_incident", call).await);
        assert!(words.contains("a shadow moves nothing"), "{words}");
    }
    for (field, value, words) in [
        ("planner", json!([]), "name 1 to 8"),
        ("prompt", json!("AB"), "SHA-256"),
        ("agreement", json!("better"), "unknown variant"),
    ] {
        let mut wrong = shadow("same");
        wrong[field] = value;
        let said = refused(
            house
                .call(&healer(), "note_incident", note("x", wrong))
                .await,
        );
        assert!(said.contains(words), "{said}");
    }
    for (words, agreement) in [
        ("one", "same"),
        ("two", "other_cause"),
        ("three", "unheard"),
    ] {
        done(
            house
                .call(&healer(), "note_incident", note(words, shadow(agreement)))
                .await,
        );
    }
    // Whoever else says so says nothing of the agent.
    done(
        house
            .call(&operator(), "note_incident", note("four", shadow("same")))
            .await,
    );

    let agents = done(house.call(&admin(), "list_agents", json!({})).await);
    let agents = agents["agents"].as_array().unwrap();
    let healer = agents.iter().find(|one| one["name"] == "healer").unwrap();
    let tally = &healer["shadows"][0];
    assert_eq!(healer["shadows"].as_array().unwrap().len(), 1);
    for (field, many) in [
        ("same", 1),
        ("other_cause", 1),
        ("unheard", 1),
        ("other_calls", 0),
    ] {
        assert_eq!(tally[field], many, "{field}: {tally}");
    }
    let detail = json!({ "incident": opened["incident"] });
    let detail = done(house.call(&admin(), "get_incident", detail).await);
    assert_eq!(detail["incident"]["state"], "open");
    assert_eq!(detail["incident"]["cause"], Value::Null);
}
