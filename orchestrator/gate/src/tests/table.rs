//! Ten thousand generated calls by every kind of principal against every tool: what policy makes of each
//! stands in `table.txt`, each leaves its leaf, and state moves only for what was permitted.

use std::{collections::BTreeMap, fmt::Write as _, sync::Arc};

use ostler_policies::{Bundle, Engine};
use ostler_tools::{
    catalogue::ALL,
    contract::{Class, Tool},
    principal::{Principal, Role},
};
use proptest::{
    prelude::*,
    strategy::ValueTree,
    test_runner::{RngAlgorithm, TestRng, TestRunner},
};
use serde_json::{Value, json};

use super::{House, SHOP, done, open_with, operator, seen_with_machine, user};
use crate::{Keys, actions, answer::Outcome};

/// How many calls are made.
const CALLS: usize = 10_000;
/// The longest log that is read over again for each call.
const A_LOG: usize = 20;
const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/tests/table.txt");
const TABLE: &str = include_str!("table.txt");

/// A kind of call: the tool, what is special, and its arguments, made of two numbers and a word.
struct Kind {
    tool: &'static str,
    what: &'static str,
    args: fn(u32, &str) -> Value,
}

const fn kind(tool: &'static str, what: &'static str, args: fn(u32, &str) -> Value) -> Kind {
    Kind { tool, what, args }
}

/// The fleet has the service `shop/cart` with two instances wanted, one seen, and the node `n1`.
const KINDS: &[Kind] = &[
    kind(
        "abort_rollout",
        "with none under way",
        |_, _| json!({ "service": "shop/cart" }),
    ),
    kind(
        "advance_proposal",
        "of none",
        |n, _| json!({ "proposal": format!("prp_{n:016}"), "state": "applied", "done": 1 }),
    ),
    kind("advance_rollout", "with none under way", |n, _| {
        json!({ "service": "shop/cart", "generation": n,
        "from": { "stage": "canary", "step": 0 }, "to": { "stage": "rolling" } })
    }),
    kind(
        "apply_services",
        "a new image",
        |n, _| json!({ "yaml": SHOP.replace("cart:1", &format!("cart:{}", n + 2)) }),
    ),
    kind(
        "apply_services",
        "a new service",
        |n, _| json!({ "yaml": SHOP.replace("cart", &format!("new{n}")) }),
    ),
    kind(
        "apply_services",
        "not YAML",
        |_, word| json!({ "yaml": format!("{word}: [") }),
    ),
    kind(
        "approve",
        "of none",
        |n, _| json!({ "id": format!("apr_{n:016}") }),
    ),
    kind("collect_images", "", |_, _| json!({})),
    kind("cordon_node", "", |_, _| json!({ "node": "n1" })),
    kind(
        "correct_incident",
        "of none",
        |n, word| json!({ "incident": format!("inc_{n:016}"), "reason": word }),
    ),
    kind("create_console_session", "", |_, _| json!({})),
    kind(
        "create_token",
        "a viewer's",
        |_, word| json!({ "name": word, "roles": ["viewer"], "expires_in": "1h" }),
    ),
    kind(
        "create_token",
        "an admin's",
        |_, word| json!({ "name": word, "roles": ["admin"], "expires_in": "1h" }),
    ),
    kind(
        "break_glass",
        "",
        |_, word| json!({ "reason": word, "for": "1h" }),
    ),
    kind(
        "freeze_changes",
        "",
        |_, word| json!({ "name": word, "reason": word, "for": "1h" }),
    ),
    kind("lift_freeze", "of none", |_, word| json!({ "name": word })),
    kind(
        "mend_glass",
        "of nobody",
        |_, word| json!({ "person": word }),
    ),
    kind(
        "put_policies",
        "with a mistake",
        |_, word| json!({ "files": { "own.cedar": word } }),
    ),
    kind("put_policies", "the shipped ones", |_, _| json!({})),
    kind(
        "delete_secret",
        "of none",
        |_, word| json!({ "secret": format!("shop/{word}") }),
    ),
    kind(
        "delete_service",
        "",
        |_, _| json!({ "service": "shop/cart" }),
    ),
    kind(
        "delete_service",
        "of none",
        |_, word| json!({ "service": format!("shop/{word}") }),
    ),
    kind(
        "demote_agent",
        "",
        |_, word| json!({ "agent": "healer", "reason": word }),
    ),
    kind("diagnose", "", |_, _| json!({ "service": "shop/cart" })),
    kind("drain_node", "", |_, _| json!({ "node": "n1" })),
    kind(
        "exec_instance",
        "",
        |_, word| json!({ "instance": "cart-aaaaaaaa", "command": [word] }),
    ),
    kind(
        "explain_policy",
        "of oneself",
        |n, _| json!({ "tool": "scale_service", "arguments": { "service": "shop/cart", "replicas": n % 90 } }),
    ),
    kind("export_audit", "", |n, _| json!({ "limit": n % 1000 + 1 })),
    kind(
        "export_incident",
        "of none",
        |n, _| json!({ "incident": format!("inc_{n:016}") }),
    ),
    kind("get_eval", "of none", |_, word| json!({ "run": word })),
    kind("get_graph", "", |_, _| json!({})),
    kind(
        "get_incident",
        "of none",
        |n, _| json!({ "incident": format!("inc_{n:016}") }),
    ),
    kind(
        "get_instance",
        "",
        |_, _| json!({ "instance": "cart-aaaaaaaa" }),
    ),
    kind("get_policies", "", |_, _| json!({})),
    kind(
        "get_proposal",
        "of none",
        |n, _| json!({ "proposal": format!("prp_{n:016}") }),
    ),
    kind("get_rollout", "", |_, _| json!({ "service": "shop/cart" })),
    kind("get_service", "", |_, _| json!({ "service": "shop/cart" })),
    kind("get_status", "", |_, _| json!({})),
    kind(
        "import_image",
        "",
        |n, word| json!({ "path": format!("/tmp/{word}.tar"), "name": format!("shop/{word}:{n}") }),
    ),
    kind("list_agents", "", |_, _| json!({})),
    kind("list_approvals", "", |n, _| json!({ "limit": n % 100 + 1 })),
    kind("list_audit", "", |n, _| json!({ "after": n })),
    kind("list_changes", "", |n, _| json!({ "limit": n % 50 + 1 })),
    kind("list_evals", "", |_, _| json!({})),
    kind("list_events", "", |n, _| json!({ "after": n })),
    kind("list_images", "", |_, _| json!({})),
    kind("list_incidents", "", |_, _| json!({})),
    kind("list_instances", "", |_, _| json!({})),
    kind("list_nodes", "", |_, _| json!({})),
    kind("list_proposals", "", |_, _| json!({})),
    kind("list_secrets", "", |_, _| json!({})),
    kind("list_services", "", |_, _| json!({})),
    kind("list_tokens", "", |_, _| json!({})),
    kind("list_upgrades", "", |_, _| json!({})),
    kind(
        "note_incident",
        "of none",
        |n, word| json!({ "incident": format!("inc_{n:016}"), "note": word }),
    ),
    kind(
        "open_incident",
        "",
        |_, word| json!({ "service": "shop/cart", "title": word }),
    ),
    kind("pause_agent", "", |_, _| json!({ "agent": "healer" })),
    kind(
        "pause_rollout",
        "with none under way",
        |_, _| json!({ "service": "shop/cart" }),
    ),
    kind(
        "preview_change",
        "",
        |n, _| json!({ "tool": "scale_service", "arguments": { "service": "shop/cart", "replicas": n % 90 } }),
    ),
    kind(
        "promote_agent",
        "on no certificate",
        |_, word| json!({ "agent": "healer", "certificate": word, "namespaces": ["shop"] }),
    ),
    kind(
        "promote_rollout",
        "with none under way",
        |_, _| json!({ "service": "shop/cart" }),
    ),
    kind(
        "put_secret",
        "",
        |_, word| json!({ "secret": format!("shop/{word}"), "value": word }),
    ),
    kind(
        "query_signals",
        "",
        |_, _| json!({ "service": "shop/cart" }),
    ),
    kind("read_agent_logs", "", |_, _| json!({ "agent": "healer" })),
    kind(
        "read_logs",
        "",
        |n, _| json!({ "instance": "cart-aaaaaaaa", "tail": n % 100 + 1 }),
    ),
    kind(
        "reject",
        "of none",
        |n, word| json!({ "id": format!("apr_{n:016}"), "reason": word }),
    ),
    kind(
        "restart_instances",
        "",
        |_, _| json!({ "instances": ["cart-aaaaaaaa"] }),
    ),
    kind(
        "restart_service",
        "",
        |_, _| json!({ "service": "shop/cart" }),
    ),
    kind("resume_agent", "", |_, _| json!({ "agent": "healer" })),
    kind(
        "resume_rollout",
        "with none under way",
        |_, _| json!({ "service": "shop/cart" }),
    ),
    kind("revoke_token", "of none", |_, word| json!({ "name": word })),
    kind("rotate_audit_key", "", |_, _| json!({})),
    kind(
        "rollback_service",
        "without a past",
        |_, _| json!({ "service": "shop/cart" }),
    ),
    kind(
        "scale_service",
        "one more",
        |_, _| json!({ "service": "shop/cart", "replicas": 3 }),
    ),
    kind(
        "scale_service",
        "by leaps",
        |n, _| json!({ "service": "shop/cart", "replicas": 40 + n % 60 }),
    ),
    kind(
        "scale_service",
        "to none",
        |_, _| json!({ "service": "shop/cart", "replicas": 0 }),
    ),
    kind(
        "scale_service",
        "beyond its bounds",
        |n, _| json!({ "service": "shop/cart", "replicas": 101 + n }),
    ),
    kind(
        "set_limits",
        "a little more",
        |n, _| json!({ "service": "shop/cart", "memory": format!("{}Mi", 65 + n % 30) }),
    ),
    kind(
        "set_limits",
        "of none",
        |n, word| json!({ "service": format!("shop/{word}"), "memory": format!("{}Mi", 65 + n % 30) }),
    ),
    kind(
        "settle_service",
        "",
        |_, _| json!({ "service": "shop/cart", "generation": 1 }),
    ),
    kind(
        "submit_proposal",
        "without a body",
        |n, _| json!({ "incident": format!("inc_{n:016}") }),
    ),
    kind(
        "tune_scaling",
        "of what does not scale",
        |_, _| json!({ "service": "shop/cart", "lasts": "5m" }),
    ),
    kind("uncordon_node", "", |_, _| json!({ "node": "n1" })),
    kind(
        "undo_change",
        "somebody else's",
        |_, _| json!({ "revision": 2 }),
    ),
    kind("upgrade_service", "another version", |n, _| {
        let image = format!("shop/cart:{}@sha256:{n:064x}", n + 2);
        json!({ "service": "shop/cart", "image": image })
    }),
    kind(
        "upgrade_service",
        "another repository's",
        |n, word| json!({ "service": "shop/cart", "image": format!("other/{word}:1@sha256:{n:064x}") }),
    ),
    kind("verify_audit", "", |_, _| json!({})),
    kind("verify_images", "", |_, _| json!({})),
];

/// One of each kind of caller, under the column's name.
fn callers() -> Vec<(&'static str, Principal)> {
    let assistant = |roles: &[Role]| Principal::Assistant {
        of: "vic".to_owned(),
        roles: roles.to_vec(),
    };
    let agent = |name: &str| Principal::Agent {
        name: name.parse().unwrap(),
    };
    vec![
        ("nobody", Principal::Anonymous),
        ("viewer", user("vic", Role::Viewer)),
        ("operator", user("vic", Role::Operator)),
        ("admin", user("vic", Role::Admin)),
        ("assistant of a viewer", assistant(&[Role::Viewer])),
        (
            "assistant of an operator",
            assistant(&[Role::Viewer, Role::Operator]),
        ),
        ("healer", agent("healer")),
        ("guest", agent("stranger")),
        ("the core", Principal::System),
    ]
}

/// What became of a call, as the table writes it.
fn letter(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Done { .. } => "yes",
        Outcome::Held { .. } => "asks",
        Outcome::Denied { .. } => "no",
        Outcome::Refused { .. } => "unfit",
        Outcome::Failed { .. } => "fails",
    }
}

fn row(kind: &Kind) -> String {
    format!("{} {}", kind.tool, kind.what).trim_end().to_owned()
}

/// The table as it is written: a line for each kind of call, a column for each caller.
fn written(cells: &BTreeMap<(String, &'static str), &'static str>) -> String {
    let columns: Vec<_> = callers().into_iter().map(|(name, _)| name).collect();
    let mut text = String::from("call");
    columns
        .iter()
        .for_each(|name| write!(text, " | {name}").unwrap());
    for kind in KINDS {
        write!(text, "\n{}", row(kind)).unwrap();
        for name in &columns {
            write!(text, " | {}", cells[&(row(kind), *name)]).unwrap();
        }
    }
    text + "\n"
}

/// What the table says, by row and column.
fn expected() -> BTreeMap<(String, String), String> {
    let mut lines = TABLE
        .lines()
        .map(|line| line.split(" | ").collect::<Vec<_>>());
    let head = lines.next().unwrap_or_default();
    lines
        .flat_map(|line| {
            let cells = head.iter().zip(line.clone()).skip(1);
            let cells = cells.map(|(column, cell)| {
                ((line[0].to_owned(), (*column).to_owned()), cell.to_owned())
            });
            cells.collect::<Vec<_>>()
        })
        .collect()
}

async fn fresh(engine: &Arc<Engine>) -> House {
    let house = open_with(
        &Arc::default(),
        &Arc::default(),
        Keys::ephemeral(),
        Arc::clone(engine),
    )
    .await
    .unwrap();
    let mut view = seen_with_machine();
    view.agents
        .insert("healer".parse().unwrap(), Default::default());
    *house.world.view.lock().unwrap() = Arc::new(view);
    done(
        house
            .call(&operator(), "apply_services", json!({ "yaml": SHOP }))
            .await,
    );
    done(
        house
            .call(&operator(), "scale_service", super::scale(2))
            .await,
    );
    house
}

/// Makes the call and checks all that must hold whoever calls what.
async fn call(house: &House, caller: &Principal, tool: &Tool, args: Value) -> &'static str {
    let (before, records) = (house.gate.intent(), house.gate.records());
    let answer = house.call(caller, tool.name, args).await;
    let leaves = house.log().await;
    let of_it: Vec<_> = leaves
        .iter()
        .filter(|leaf| leaf.call.as_ref() == Some(&answer.call))
        .collect();
    let cell = letter(&answer.outcome);
    let doing = format!("{} by {caller}: {cell}", tool.name);
    if *caller == Principal::Anonymous {
        // Strangers are counted, so that a flood of them leaves few leaves.
        assert!(of_it.len() <= 1, "{doing}");
    } else {
        // What is done outside the store is on record before it is done, and again after.
        let outside = matches!(tool.class, Class::Act | Class::Admin);
        let most = if outside { 2 } else { 1 };
        assert!(
            (1..=most).contains(&of_it.len()),
            "{doing}: {} leaves",
            of_it.len()
        );
        assert_eq!(
            (of_it[0].tool.as_str(), &of_it[0].principal),
            (tool.name, &caller.to_string()),
            "{doing}"
        );
    }
    let moved = *house.gate.intent() != *before;
    assert!(
        !moved || (cell == "yes" && tool.class != Class::Read),
        "{doing}, and the intent moved"
    );
    let acted = !house.world.asked.lock().unwrap().is_empty();
    assert!(!acted || cell == "yes", "{doing}, and it was done");
    let after = house.gate.records();
    let papers = (&after.incidents, &after.proposals, &after.tokens)
        == (&records.incidents, &records.proposals, &records.tokens);
    assert!(papers || cell == "yes", "{doing}, and records moved");
    assert!(
        after.approvals == records.approvals || matches!(cell, "asks" | "yes"),
        "{doing}, and approvals moved"
    );
    cell
}

#[tokio::test]
async fn ten_thousand_calls_come_to_what_the_table_says() {
    let engine = Arc::new(Engine::load(&Bundle::embedded(), &actions(ALL)).unwrap());
    let unnamed: Vec<_> = ALL
        .iter()
        .filter(|tool| KINDS.iter().all(|kind| kind.tool != tool.name))
        .collect();
    assert!(
        unnamed.is_empty(),
        "no call of {:?} is in the table",
        unnamed.iter().map(|tool| tool.name).collect::<Vec<_>>()
    );
    let mut dice = TestRunner::new_with_rng(
        ProptestConfig::default(),
        TestRng::deterministic_rng(RngAlgorithm::ChaCha),
    );
    let some = (0_u32..1000, "[a-z]{3,12}");
    let (callers, said) = (callers(), expected());
    let mut found = BTreeMap::new();
    let mut house = fresh(&engine).await;
    for (caller, kind) in std::iter::repeat_with(|| {
        callers
            .iter()
            .flat_map(|caller| KINDS.iter().map(move |kind| (caller, kind)))
    })
    .flatten()
    .take(CALLS)
    {
        let (number, word) = some.new_tree(&mut dice).unwrap().current();
        let tool = ALL.iter().find(|tool| tool.name == kind.tool).unwrap();
        let args = (kind.args)(number, &word);
        let cell = call(&house, &caller.1, tool, args.clone()).await;
        if matches!(cell, "yes" | "asks") || house.log().await.len() > A_LOG {
            house = fresh(&engine).await;
        }
        let key = (row(kind), caller.0);
        let before = *found.entry(key.clone()).or_insert(cell);
        assert_eq!(cell, before, "{key:?} with {args}: not decided alike");
    }
    let table = written(&found);
    if std::env::var_os("OSTLER_WRITE").is_some() {
        std::fs::write(FILE, table).unwrap();
        return;
    }
    for ((row, column), cell) in found {
        let says = said
            .get(&(row.clone(), column.to_owned()))
            .map(String::as_str);
        assert_eq!(
            says,
            Some(cell),
            "`{row}` by {column}; if that is meant, write the table anew with OSTLER_WRITE=1 and read what changed"
        );
    }
    assert_eq!(table, TABLE, "the table has other rows");
}
