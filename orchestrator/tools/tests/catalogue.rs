//! Walks the catalogue: names, schemas, refusals, and what some tools decide.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests may stop at the first surprise"
)]

use std::collections::BTreeSet;

use ostler_core::{
    autonomy::Certificate,
    change::{self, Change, ServicePut},
    id::AgentName,
    intent::{Intent, Sealed, SecretKey},
    signal::{Point, Series, SignalKind, SignalReader, Subject},
    spec::read_manifests,
    time::Time,
};
use ostler_tools::{
    catalogue,
    contract::{Class, Decided, Refusal},
    principal::Principal,
    query::Query,
    record::{RecordChange, Records},
    reference,
    view::{Notary, Sealer, View, WorldView},
};
use serde_json::{Value, json};

struct Fakes;

impl Sealer for Fakes {
    fn seal(&self, name: &SecretKey, value: &[u8]) -> Result<Sealed, Refusal> {
        Ok(Sealed(format!("{name}:{}", value.len())))
    }
}

impl Notary for Fakes {
    fn open(&self, note: &str) -> Result<(Certificate, String), Refusal> {
        let certificate =
            serde_json::from_str(note).map_err(|error| Refusal::new(error.to_string()))?;
        Ok((certificate, "night-shift".to_owned()))
    }
}

impl SignalReader for Fakes {
    fn series(
        &self,
        subject: &Subject,
        kind: SignalKind,
        from: Time,
        to: Time,
        points: usize,
    ) -> Series {
        let step = (to.0 - from.0) / points as u64;
        let point = |index: u64| Point {
            at: Time(from.0 + index * step),
            value: index as f64,
        };
        Series {
            subject: subject.clone(),
            kind,
            points: (0..points as u64).map(point).collect(),
        }
    }

    fn kinds(&self, _: &Subject) -> Vec<SignalKind> {
        vec![SignalKind::MemoryBytes]
    }
}

const SHOP: &str = "
apiVersion: ostler.dev/v1
kind: Service
metadata: { name: store }
spec: { image: store:1, secrets: [{ secret: db }] }
---
apiVersion: ostler.dev/v1
kind: Service
metadata: { name: web }
spec:
  image: web:1
  replicas: { min: 1, max: 5 }
  needs: [{ service: store }]
";

fn shop() -> Intent {
    let put = |manifest: ostler_core::spec::Manifest| ServicePut {
        service: manifest.key(),
        labels: manifest.metadata.labels,
        spec: manifest.spec,
    };
    let services = read_manifests(SHOP).unwrap().into_iter().map(put).collect();
    change::apply(
        &Intent::default(),
        &Change::ApplyServices { services },
        Time(1),
    )
    .unwrap()
    .intent
}

fn decide_as(
    caller: &Principal,
    intent: &Intent,
    tool: &str,
    args: Value,
) -> Result<Decided, Refusal> {
    let (records, world) = (Records::default(), WorldView::default());
    let view = View {
        now: Time(10_000_000),
        caller,
        intent,
        records: &records,
        world: &world,
        fresh: 0x1234_5678_9abc_def0,
        sealer: &Fakes,
        notary: &Fakes,
        signals: &Fakes,
    };
    (catalogue::find(tool).unwrap().decide)(&view, args)
}

fn decide(tool: &str, args: Value) -> Result<Decided, Refusal> {
    let caller = Principal::Agent {
        name: AgentName::new("healer").unwrap(),
    };
    decide_as(&caller, &shop(), tool, args)
}

fn answer(tool: &str, args: Value) -> Value {
    match decide(tool, args).unwrap() {
        Decided::Answer { answer, .. } => answer,
        other => panic!("{tool} does not answer by itself: {other:?}"),
    }
}

fn refusal(tool: &str, args: Value) -> String {
    decide(tool, args)
        .map(|decided| panic!("{tool}: {decided:?}"))
        .unwrap_err()
        .problem
        .into_owned()
}

#[test]
fn names_are_unique_and_fit_for_mcp() {
    let names: BTreeSet<&str> = catalogue::ALL.iter().map(|tool| tool.name).collect();
    assert_eq!(names.len(), catalogue::ALL.len());
    for name in names {
        assert!(
            name.len() <= 64 && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'),
            "{name}"
        );
    }
}

/// Every `$ref` inside must lead somewhere, and the whole must be an object's schema.
fn check_schema(name: &str, schema: &Value) {
    assert_eq!(
        schema["$schema"], "https://json-schema.org/draft/2020-12/schema",
        "{name}"
    );
    assert_eq!(schema["type"], "object", "{name}");
    let mut left = vec![schema];
    while let Some(value) = left.pop() {
        if let Some(path) = value.get("$ref").and_then(Value::as_str) {
            let pointer = path.strip_prefix('#').unwrap();
            assert!(
                schema.pointer(pointer).is_some(),
                "{name}: {path} leads nowhere"
            );
        }
        match value {
            Value::Object(fields) => left.extend(fields.values()),
            Value::Array(items) => left.extend(items),
            _ => {}
        }
    }
}

#[test]
fn schemas_are_those_of_objects_and_refer_to_what_exists() {
    for tool in catalogue::ALL {
        let input = (tool.input_schema)();
        check_schema(tool.name, &input);
        assert_eq!(
            input["additionalProperties"], false,
            "{} accepts unknown arguments",
            tool.name
        );
        check_schema(tool.name, &(tool.output_schema)());
        for pointer in tool.secret_args {
            let first = pointer.split('/').nth(1).unwrap();
            assert!(
                input["properties"].get(first).is_some(),
                "{}: {pointer}",
                tool.name
            );
        }
    }
}

#[test]
fn every_argument_is_described() {
    for tool in catalogue::ALL {
        let input = (tool.input_schema)();
        for (name, field) in input["properties"].as_object().into_iter().flatten() {
            assert!(
                field.get("description").is_some(),
                "{}: `{name}` has no description",
                tool.name
            );
        }
        assert!(
            tool.description.len() > 20 && tool.description.ends_with('.'),
            "{}",
            tool.name
        );
    }
}

#[test]
fn unknown_arguments_are_refused_by_name() {
    for tool in catalogue::ALL {
        let problem = refusal(tool.name, json!({ "no_such_argument": 1 }));
        assert!(
            problem.contains("no_such_argument") && problem.contains(tool.name),
            "{problem}"
        );
    }
}

#[test]
fn missing_arguments_are_refused_by_name() {
    for tool in catalogue::ALL {
        let input = (tool.input_schema)();
        if let Some(first) = input["required"].as_array().and_then(|all| all.first()) {
            let problem = refusal(tool.name, json!({}));
            assert!(
                problem.contains("missing field"),
                "{}: {problem} does not name {first}",
                tool.name
            );
        }
    }
}

#[test]
fn classes_decide_only_what_is_theirs() {
    let fleet_wide = [
        "get_status",
        "list_services",
        "list_images",
        "verify_audit",
        "collect_images",
        "verify_images",
    ];
    for name in fleet_wide {
        let tool = catalogue::find(name).unwrap();
        match (tool.class, decide(name, json!({})).unwrap()) {
            (Class::Read, Decided::Answer { .. } | Decided::Query { .. })
            | (Class::Act, Decided::Query { .. }) => {}
            (class, other) => panic!("{name} of class {class:?} decided {other:?}"),
        }
    }
}

#[test]
fn unknown_things_are_refused_with_what_exists() {
    let problem = refusal("get_service", json!({ "service": "nope" }));
    assert_eq!(
        problem,
        "there is no service `default/nope`; services are: default/store, default/web"
    );
    assert!(
        refusal("scale_service", json!({ "service": "nope", "replicas": 1 }))
            .contains("default/web")
    );
    assert!(refusal("cordon_node", json!({ "node": "n9" })).contains("nodes are: none"));
    assert!(refusal("approve", json!({ "id": "apr_x" })).contains("waiting are: none"));
    assert!(
        refusal("note_incident", json!({ "incident": "inc_x", "note": "x" }))
            .contains("incidents are: none")
    );
}

#[test]
fn a_service_shows_its_needs_and_missing_secrets() {
    let web = answer("get_service", json!({ "service": "web" }));
    assert_eq!(web["needs"][0]["service"], "default/store");
    let store = answer("get_service", json!({ "service": "default/store" }));
    assert_eq!(store["missing_secrets"], json!(["default/db"]));
    assert_eq!(store["needed_by"], json!(["default/web"]));
    assert_eq!(store["blast_radius"], json!(["default/web"]));
}

#[test]
fn the_graph_knows_who_feels_what() {
    let graph = answer("get_graph", json!({ "service": "store" }));
    assert_eq!(
        graph["needs"][0],
        json!({ "service": "default/web", "needs": "default/store", "until": "healthy" })
    );
    assert_eq!(graph["services"][0]["blast_radius"], 1);
}

#[test]
fn a_diagnosis_names_what_fails_and_knows_when_nothing_does() {
    let found = answer("diagnose", json!({ "service": "web" }));
    assert!(
        ["healthy", "found", "unknown"].contains(&found["verdict"].as_str().unwrap()),
        "{found}"
    );
    assert!(refusal("diagnose", json!({ "service": "nobody" })).contains("services are"));
}

#[test]
fn signals_have_a_shape() {
    let read = answer(
        "query_signals",
        json!({ "service": "web", "since": "10m", "points": 20 }),
    );
    let series = &read["series"][0];
    assert_eq!(series["unit"], "bytes");
    assert_eq!(series["points"].as_array().unwrap().len(), 20);
    assert!((series["shape"]["slope_per_minute"].as_f64().unwrap() - 2.0).abs() < 1e-6);
    assert!(
        refusal("query_signals", json!({ "service": "web", "points": 501 })).contains("2 to 500")
    );
    assert!(refusal("query_signals", json!({})).contains("exactly one"));
}

#[test]
fn a_preview_shows_what_would_differ_and_does_nothing() {
    let arguments = json!({ "service": "web", "replicas": 4 });
    let preview = answer(
        "preview_change",
        json!({ "tool": "scale_service", "arguments": arguments }),
    );
    assert_eq!(preview["accepted"], true);
    assert_eq!(preview["facts"]["replicas_to"], 4);
    let beyond =
        json!({ "tool": "scale_service", "arguments": { "service": "web", "replicas": 9 } });
    let preview = answer("preview_change", beyond);
    assert_eq!(preview["accepted"], false);
    assert!(
        preview["problem"]
            .as_str()
            .unwrap()
            .contains("outside its bounds"),
        "{preview}"
    );
    assert!(
        refusal("preview_change", json!({ "tool": "get_status" }))
            .contains("change tools are: apply_services")
    );
}

#[test]
fn manifests_come_as_text_or_objects_alike() {
    let object = json!({ "apiVersion": "ostler.dev/v1", "kind": "Service", "metadata": { "name": "a" }, "spec": { "image": "a:1" } });
    let text =
        "apiVersion: ostler.dev/v1\nkind: Service\nmetadata: { name: a }\nspec: { image: \"a:1\" }";
    let change = |args| match decide("apply_services", args).unwrap() {
        Decided::Change(change) => change,
        other => panic!("{other:?}"),
    };
    assert_eq!(
        change(json!({ "manifests": [object] })),
        change(json!({ "yaml": text }))
    );
    assert!(refusal("apply_services", json!({})).contains("exactly one"));
    let typo = "apiVersion: ostler.dev/v1\nkind: Service\nmetadata: { name: a }\nspec: { imag: x }";
    assert!(refusal("apply_services", json!({ "yaml": typo })).contains("imag"));
}

#[test]
fn secrets_are_sealed_before_anything_else_sees_them() {
    let args = json!({ "secret": "db", "value": "aGVsbG8=", "encoding": "base64" });
    match decide("put_secret", args).unwrap() {
        Decided::Change(Change::PutSecret { sealed, .. }) => assert_eq!(sealed.0, "default/db:5"),
        other => panic!("{other:?}"),
    }
    assert!(refusal("put_secret", json!({ "secret": "db", "value": "" })).contains("0 bytes"));
    assert_eq!(
        catalogue::find("put_secret").unwrap().secret_args,
        ["/value"]
    );
}

#[test]
fn only_the_core_settles() {
    let args = json!({ "service": "web", "generation": 1 });
    assert!(refusal("settle_service", args.clone()).contains("only the core"));
    assert!(decide_as(&Principal::System, &shop(), "settle_service", args).is_ok());
}

#[test]
fn limits_keep_what_is_not_named() {
    match decide("set_limits", json!({ "service": "web", "memory": "64Mi" })).unwrap() {
        Decided::Change(Change::SetLimits { limits, .. }) => {
            assert_eq!(
                (limits.memory.map(|m| m.0), limits.cpu),
                (Some(64 << 20), None)
            );
        }
        other => panic!("{other:?}"),
    }
    assert!(refusal("set_limits", json!({ "service": "web" })).contains("at least one"));
}

#[test]
fn incidents_get_an_id_and_a_first_entry() {
    match decide(
        "open_incident",
        json!({ "service": "web", "title": "web is down" }),
    )
    .unwrap()
    {
        Decided::Record {
            record: RecordChange::OpenIncident { incident },
            about,
        } => {
            assert!(incident.id.as_str().starts_with("inc_") && incident.id.as_str().len() == 16);
            assert_eq!(
                (incident.opened_by.as_str(), incident.timeline.len()),
                ("agent:healer", 1)
            );
            assert_eq!(about.services.len(), 1);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn logs_are_bounded() {
    assert!(refusal("read_logs", json!({ "instance": "web-1", "tail": 0 })).contains("1 to 10000"));
    assert!(refusal("read_logs", json!({ "instance": "web-1" })).contains("instances are: none"));
    match decide("list_changes", json!({ "service": "web" })).unwrap() {
        Decided::Query {
            query: Query::Changes { limit, .. },
            ..
        } => assert_eq!(limit, 20),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_reference_names_every_tool_and_argument() {
    let page = reference::markdown();
    for tool in catalogue::ALL {
        assert!(
            page.contains(&format!("### `{}`\n", tool.name)),
            "{}",
            tool.name
        );
        for (name, _) in (tool.input_schema)()["properties"]
            .as_object()
            .into_iter()
            .flatten()
        {
            assert!(
                page.contains(&format!("| `{name}` |")),
                "{}: {name}",
                tool.name
            );
        }
    }
    assert!(!page.contains("| any |"), "an argument has no type");
}

#[test]
fn an_upgrade_is_of_the_same_repository_by_digest_and_changes_nothing_else() {
    let digest = format!("sha256:{}", "a".repeat(64));
    let asked = |image: String| json!({ "service": "web", "image": image });
    for (image, words) in [
        ("web:2".to_owned(), "has no digest"),
        (
            format!("other:2@{digest}"),
            "of another repository than `web`",
        ),
        (
            format!("a.example/web:2@{digest}"),
            "use `apply_services` for that",
        ),
    ] {
        let said = refusal("upgrade_service", asked(image));
        assert!(said.contains(words), "{said}");
    }
    let image = format!("web:2@{digest}");
    let Decided::Change(change) = decide("upgrade_service", asked(image.clone())).unwrap() else {
        panic!("no change");
    };
    let before = shop();
    let after = change::apply(&before, &change, Time(2)).unwrap().intent;
    let key = "web".parse().unwrap();
    let mut spec = (*after.services[&key].spec).clone();
    assert_eq!(spec.image, image);
    spec.image = "web:1".to_owned();
    assert_eq!(spec, *before.services[&key].spec);
}

#[test]
fn versions_that_were_left_are_told_and_only_of_services_that_want_new_ones() {
    let digest = |letter: &str| format!("sha256:{}", letter.repeat(64));
    assert_eq!(answer("list_upgrades", json!({}))["services"], json!([]));
    let mut intent = shop();
    let apply = |intent: &mut Intent, change: Change| {
        *intent = change::apply(intent, &change, Time(3)).unwrap().intent;
    };
    let manifest = SHOP.replace("image: web:1", "image: web:1\n  upgrades: {}");
    let put = |manifest: ostler_core::spec::Manifest| ServicePut {
        service: manifest.key(),
        labels: manifest.metadata.labels,
        spec: manifest.spec,
    };
    let services = read_manifests(&manifest).unwrap().into_iter().map(put);
    apply(
        &mut intent,
        Change::ApplyServices {
            services: services.collect(),
        },
    );
    let upgrade = |image: String| Change::UpgradeService {
        service: "web".parse().unwrap(),
        image,
        strategy: None,
    };
    apply(&mut intent, upgrade(format!("web:1@{}", digest("a"))));
    apply(&mut intent, upgrade(format!("web:2@{}", digest("b"))));
    let to = intent.services[&"web".parse().unwrap()].history[0].generation;
    apply(
        &mut intent,
        Change::RollbackService {
            service: "web".parse().unwrap(),
            to,
        },
    );
    let caller = Principal::System;
    let decided = decide_as(
        &caller,
        &intent,
        "list_upgrades",
        json!({ "service": "web" }),
    );
    let Decided::Answer { answer, .. } = decided.unwrap() else {
        panic!("no answer");
    };
    let one = &answer["services"][0];
    assert_eq!(one["image"], format!("web:1@{}", digest("a")));
    let left: Vec<&str> = one["left"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["image"].as_str().unwrap())
        .collect();
    assert_eq!(
        left,
        [format!("web:2@{}", digest("b"))],
        "the tag that runs was not left"
    );
    assert_eq!(one["seen"], Value::Null);
}
