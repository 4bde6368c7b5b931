//! Manifests: what is accepted, and how refusals read.

use ostler_core::spec::{InvalidManifest, ProbeAction, json_schema, read_manifests};

use crate::common::spec;

const HEAD: &str = "apiVersion: ostler.dev/v1\nkind: Service\nmetadata:\n  name: cart\nspec:\n";

fn refusal(body: &str) -> String {
    let indented: String = body.lines().map(|line| format!("  {line}\n")).collect();
    read_manifests(&format!("{HEAD}{indented}"))
        .unwrap_err()
        .to_string()
}

/// Texts whose shape is wrong, each for another reason.
const MISSHAPEN: [&str; 13] = [
    "imag: shop/cart:1",
    "replicas: {min: 1}",
    "image: shop/cart:1\nreplicas: {min: two}",
    "image: shop/cart:1\nreplicas: {min: -1}",
    "image: [shop/cart:1",
    "image: shop/cart:1\nimage: shop/cart:2",
    "image: shop/cart:1\nports: [{name: http, port: 70000}]",
    "image: shop/cart:1\nneeds: [{service: Cart_1}]",
    "image: shop/cart:1\nprobes:\n  liveness:\n    htp: {port: 1}",
    "image: shop/cart:1\nprobes:\n  liveness:\n    http: {port: 1}\n    tcp: {port: 1}",
    "image: shop/cart:1\nprobes:\n  liveness:\n    period: 5s",
    "image: shop/cart:1\nupdate: {maxSurge: lots}",
    "image: shop/cart:1\nresources: {limits: {memory: 5Q}}",
];

/// Texts of the right shape with values that make no sense.
const SENSELESS: [&str; 26] = [
    "image: ''",
    "image: https://registry.example/cart:1",
    "image: cart@sha256:abc",
    "image: a\nreplicas: {min: 3, max: 2}",
    "image: a\nreplicas: {min: 0, max: 20000}",
    "image: a\nports: [{name: http, port: 0}]",
    "image: a\nports: [{name: http, port: 1}, {name: http, port: 2}]",
    "image: a\nports: [{name: http, port: 1}, {name: other, port: 1}]",
    "image: a\nprobes: {readiness: {http: {port: 80, path: healthz}}}",
    "image: a\nprobes: {readiness: {http: {port: 80}, period: 10ms}}",
    "image: a\nprobes: {startup: {tcp: {port: 80}, failureThreshold: 0}}",
    "image: a\nprobes: {liveness: {exec: {command: []}}}",
    "image: a\nenv: {1BAD: x}",
    "image: a\nworkingDir: tmp",
    "image: a\nuser: nobody",
    "image: a\nvolumes: [{mount: data, source: {memory: {size: 1Mi}}}]",
    "image: a\nvolumes: [{mount: /d, source: {host: {path: /x/../etc}}}]",
    "image: a\nconfigs: [{path: /a, content: x}, {path: //a/, content: y}]",
    "image: a\nsecrets: [{secret: token}, {secret: token}]",
    "image: a\nresources: {limits: {memory: 1Mi}}",
    "image: a\nresources: {requests: {cpu: 2}, limits: {cpu: 500m}}",
    "image: a\nupdate: {maxSurge: 0, maxUnavailable: 0%}",
    "image: a\nupdate: {healthyDeadline: 20m}",
    "image: a\nrestart: {backoff: 10m, maxBackoff: 5m}",
    "image: a\nobjectives: {availability: 100}",
    "image: a\nneeds: [{service: b}, {service: b}]",
];

#[test]
fn misshapen_manifests_are_refused_with_line_and_what_is_accepted() {
    let texts: Vec<String> = MISSHAPEN.iter().map(|body| refusal(body)).collect();
    insta::assert_snapshot!(texts.join("\n\n"));
}

#[test]
fn senseless_values_are_refused_with_field_value_and_what_is_accepted() {
    let texts: Vec<String> = SENSELESS.iter().map(|body| refusal(body)).collect();
    insta::assert_snapshot!(texts.join("\n"));
}

#[test]
fn strategies_are_refused_with_field_value_and_what_is_accepted() {
    let strategies = [
        "slowly",
        "{canary: {}}",
        "{canary: {steps: []}}",
        "{canary: {steps: [{bake: 1m}]}}",
        "{canary: {steps: [{share: 0%}]}}",
        "{canary: {steps: [{share: 120%}]}}",
        "{canary: {steps: [{share: 50%}, {share: 10%}]}}",
        "{canary: {steps: [{share: 10%, weight: 5%}, {share: 20%, weight: 1%}]}}",
        "{canary: {steps: [{share: 10%, bake: 300h}]}}",
        "{canary: {steps: [{share: 10%, wait: 1m}]}}",
        "{blueGreen: {keepOld: 300h}}",
        "{blueGreen: {promote: never}}",
    ];
    let texts = strategies.map(|one| refusal(&format!("image: a\nupdate: {{strategy: {one}}}")));
    insta::assert_snapshot!(texts.join("\n"));
    let pause = refusal("image: a\nupdate: {pauseDeadline: 0s}");
    assert!(pause.contains("`spec.update.pauseDeadline`"), "{pause}");
}

#[test]
fn what_traffic_is_held_against_comes_back_and_the_senseless_is_refused() {
    let with = |analysis: &str| format!("image: a\nupdate: {{analysis: {analysis}}}");
    let spec = spec(&with(
        "{minRequests: 50, errorRatio: {factor: 3, floor: 0.5}, latency: {quantile: 99}}",
    ));
    let json = serde_json::to_value(&spec).unwrap();
    assert_eq!(json["update"]["analysis"]["errorRatio"]["floor"], 0.5);
    assert_eq!(
        serde_json::from_value::<ostler_core::spec::ServiceSpec>(json).unwrap(),
        spec
    );
    for (analysis, field) in [
        ("{minRequests: 0}", "minRequests"),
        ("{errorRatio: {factor: 1}}", "errorRatio.factor"),
        ("{errorRatio: {floor: 0}}", "errorRatio.floor"),
        ("{latency: {factor: .nan}}", "latency.factor"),
        ("{latency: {quantile: 100}}", "latency.quantile"),
    ] {
        let text = refusal(&with(analysis));
        let named = format!("`spec.update.analysis.{field}`");
        assert!(text.contains(&named), "{text}");
    }
}

#[test]
fn strategies_come_back_as_they_were_written() {
    for strategy in [
        "rolling",
        "recreate",
        "{canary: {steps: [{share: 10%, bake: 1m}, {weight: 50%, pause: true}]}}",
        "{blueGreen: {promote: manual, bake: 1m, keepOld: 2m}}",
    ] {
        let spec = spec(&format!("image: a\nupdate: {{strategy: {strategy}}}"));
        let json = serde_json::to_value(&spec).unwrap();
        assert_eq!(
            serde_json::from_value::<ostler_core::spec::ServiceSpec>(json).unwrap(),
            spec
        );
    }
}

#[test]
fn what_is_spoken_over_a_port_comes_back_and_is_over_tcp() {
    let port = |rest: &str| format!("image: a\nports: [{{name: web, port: 80{rest}}}]");
    for (rest, proxied) in [
        (", publish: 80, appProtocol: http", true),
        (", appProtocol: http", false),
        (", publish: 80", false),
    ] {
        let spec = spec(&port(rest));
        assert_eq!(spec.ports[0].is_proxied(), proxied, "{rest}");
        let json = serde_json::to_value(&spec).unwrap();
        assert_eq!(
            serde_json::from_value::<ostler_core::spec::ServiceSpec>(json).unwrap(),
            spec
        );
    }
    assert_eq!(
        refusal(&port(", protocol: udp, appProtocol: http")),
        "service `default/cart`: field `spec.ports[0].appProtocol`: `http` is not accepted: it is spoken over TCP; leave `protocol` out or write `tcp`"
    );
    assert!(refusal(&port(", appProtocol: gopher")).contains("gopher"));
}

#[test]
fn a_file_may_hold_many_services_but_none_twice() {
    let one = format!("{HEAD}  image: a\n");
    let two = one.replace("name: cart", "name: web\n  namespace: shop");
    let read = read_manifests(&format!("{one}---\n{two}---\n")).unwrap();
    let keys: Vec<String> = read
        .iter()
        .map(|manifest| manifest.key().to_string())
        .collect();
    assert_eq!(keys, ["default/cart", "shop/web"]);
    let error = read_manifests(&format!("{one}---\n{one}")).unwrap_err();
    assert_eq!(error, InvalidManifest::Twice("default/cart".into()));
}

#[test]
fn absurd_sizes_are_refused() {
    let text = format!("{HEAD}  image: a\n# {}", "x".repeat(5 << 20));
    assert!(matches!(
        read_manifests(&text),
        Err(InvalidManifest::TooLarge { .. })
    ));
    let config = format!(
        "image: a\nconfigs: [{{path: /a, content: '{}'}}]",
        "x".repeat((1 << 20) + 1)
    );
    assert_eq!(
        refusal(&config),
        "service `default/cart`: field `spec.configs[0].content`: `1048577 bytes` is not accepted: use 1 MiB at most"
    );
    let bomb = format!("a: &a [x,x,x,x,x,x,x,x,x]\n{}",
        ('b'..'j').zip('a'..'i').map(|(to, from)|
            format!("{to}: &{to} [*{from},*{from},*{from},*{from},*{from},*{from},*{from},*{from},*{from}]\n")).collect::<String>());
    assert!(read_manifests(&bomb).is_err());
}

#[test]
fn probes_are_written_by_their_action_and_come_back_the_same() {
    let yaml = "image: a\nprobes:\n  liveness: {http: {port: 8080, path: /healthz}, period: 5s}\n  startup: {exec: {command: [ok]}}\n  readiness: {tcp: {port: 80}}";
    let spec = spec(yaml);
    let liveness = spec.probes.liveness.clone().unwrap();
    assert_eq!(
        liveness.action,
        ProbeAction::Http {
            port: 8080,
            path: "/healthz".into()
        }
    );
    assert_eq!(liveness.period.to_string(), "5s");
    let json = serde_json::to_value(&spec).unwrap();
    assert_eq!(json["probes"]["liveness"]["http"]["port"], 8080);
    assert_eq!(
        serde_json::from_value::<ostler_core::spec::ServiceSpec>(json).unwrap(),
        spec
    );
}

#[test]
fn the_schema_closes_every_object_and_wants_one_action_of_a_probe() {
    let schema = json_schema();
    let probe = &schema["$defs"]["Probe"];
    assert_eq!(probe["additionalProperties"], false);
    assert_eq!(probe["oneOf"].as_array().unwrap().len(), 3);
    assert_eq!(schema["additionalProperties"], false);
    assert!(schema["$defs"]["Amount"]["oneOf"].is_array());
}

#[test]
fn wanted_upgrades_come_back_and_the_senseless_is_refused() {
    let with = |upgrades: &str| format!("image: a:1\nupgrades: {upgrades}");
    let text = "{track: major, range: '>=1.4, <2', ignore: [1.5.0, '1.6.*'], minAge: 3d, criticality: high}";
    let written = spec(&with(text));
    let json = serde_json::to_value(&written).unwrap();
    assert_eq!(json["upgrades"]["ignore"][1], "1.6.*");
    let back: ostler_core::spec::ServiceSpec = serde_json::from_value(json).unwrap();
    assert_eq!(back, written);
    assert_eq!(spec("image: a:1").upgrades, None, "absent is nobody");
    assert!(
        written.makes_same(&spec("image: a:1")),
        "what is wanted of new versions replaces no instance"
    );
    for (upgrades, said) in [
        (
            "{range: newest}",
            "`newest` is not accepted: use a range such as `>=1.4, <2`",
        ),
        ("{pin: 'shop/cart:1'}", "without the image's name"),
        ("{pin: '1.4', range: '1.4'}", "keep `pin` or `range`"),
        ("{track: digest, range: '1.4'}", "leave `range` out"),
        ("{track: newest}", "newest"),
        ("{ignore: ['*.6']}", "`spec.upgrades.ignore[0]`"),
        ("{minAge: 91d}", "use 90d at most"),
        (
            "{maxAge: 1d, minAge: 2d}",
            "use more than `minAge`, which is 2d",
        ),
        ("{bake: 0s}", "`spec.upgrades.bake`"),
        ("{bake: 2d}", "use 1s to 1d"),
        ("{every: 1h}", "every"),
    ] {
        let text = refusal(&with(upgrades));
        assert!(text.contains(said), "{upgrades}: {text}");
    }
}
