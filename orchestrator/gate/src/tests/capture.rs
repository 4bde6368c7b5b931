//! What is captured when an incident is opened: without secrets, in bounds, for those who may read
//! data, and never in the way.

use ostler_core::{incident::CauseKind, time::Span};
use ostler_tools::answer::{IncidentExport, LogAnswer, LogLine, LogStream};

use super::*;

/// Secrets of several formats; none may be seen again.
const PLANTED: [&str; 12] = [
    "hunter2-from-the-store",
    "correct-horse-battery",
    "AKIAIOSFODNN7EXAMPLE",
    "ghp_abcdefghijklmnopqrstuvwxyz0123456789",
    "glpat-abcdefghijklmnop1234",
    "xoxb-123456789012-abcdef",
    "sk-proj-abcdefghijklmnop1234",
    "sk_live_abcdefghijklmnop1234",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abcdef",
    "s3cr3t-of-the-url",
    "wJalrXUtnFEMIK7MDENG",
    "MIIEpAIBAAKCAQEA7",
];

fn with_secrets() -> String {
    let [
        stored,
        password,
        aws,
        github,
        gitlab,
        slack,
        openai,
        stripe,
        jwt,
        url,
        key,
        pem,
    ] = PLANTED;
    format!(
        "
apiVersion: ostler.dev/v1
kind: Service
metadata: {{ name: cart, namespace: shop }}
spec:
  image: 'shop/cart:1'
  command: [serve, --api-token, {stripe}, '--db=postgres://cart:{url}@db:5432/cart']
  env:
    DB_PASSWORD: {password}
    MODE: fast
    DEPLOY: {github}
    NOTE: 'as in the store: {stored}'
  configs:
  - path: /etc/cart.toml
    content: |
      aws_id = \"{aws}\"
      aws_secret_access_key = \"{key}\"
      gitlab: {gitlab}
      slack = {slack}
      auth: 'Bearer {jwt}'
      openai = {openai}
      level = \"debug\"
      -----BEGIN PRIVATE KEY-----
      {pem}
      -----END PRIVATE KEY-----
"
    )
}

fn log() -> LogAnswer {
    let mut texts: Vec<String> = PLANTED[..11]
        .iter()
        .map(|secret| format!("connecting with password={secret} again"))
        .collect();
    texts.push("-----BEGIN RSA PRIVATE KEY-----".to_owned());
    texts.push(PLANTED[11].to_owned());
    texts.push("-----END RSA PRIVATE KEY-----".to_owned());
    texts.push("panic: out of patience".to_owned());
    let line = |text| LogLine {
        at: Time(0),
        stream: LogStream::Stderr,
        attempt: 1,
        text,
    };
    LogAnswer {
        instance: "cart-aaaaaaaa".parse().unwrap(),
        untrusted_lines: texts.into_iter().map(line).collect(),
        cursor: 1,
        truncated: false,
    }
}

fn opening() -> Value {
    json!({ "service": "shop/cart", "title": format!("cart: password={}", PLANTED[1]) })
}

async fn opened(house: &House) -> String {
    let made = done(house.call(&healer(), "open_incident", opening()).await);
    made["incident"].as_str().unwrap().to_owned()
}

/// Asks until there is a capture.
async fn exported(house: &House, id: &str) -> IncidentExport {
    for _ in 0..500 {
        let answer = house
            .call(&operator(), "export_incident", json!({ "incident": id }))
            .await;
        if let Outcome::Done { value, .. } = answer.outcome {
            return serde_json::from_value(value).unwrap();
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("nothing was captured of {id}");
}

async fn apply(house: &House, yaml: &str) {
    let asked = json!({ "yaml": yaml });
    done(house.call(&admin(), "apply_services", asked).await);
}

#[tokio::test]
async fn no_planted_secret_is_exported_or_kept() {
    let house = house().await;
    let secret = json!({ "secret": "shop/db", "value": PLANTED[0] });
    done(house.call(&admin(), "put_secret", secret).await);
    apply(&house, &with_secrets()).await;
    let rotated = with_secrets().replace(PLANTED[1], "another-horse-battery");
    apply(&house, &rotated).await;
    house.world.logs.lock().unwrap().push(log());
    let id = opened(&house).await;
    let export = exported(&house, &id).await;
    let text = serde_json::to_string(&export).unwrap();
    let id = id.parse().unwrap();
    let kept = crate::ports::Store::capture(&*house.store, &id).await;
    let kept = kept.unwrap().unwrap();
    for secret in PLANTED.iter().chain(&["another-horse-battery"]) {
        assert!(!text.contains(secret), "{secret} is in {text}");
        assert!(!kept.contains(secret), "{secret} is kept");
    }
    let service = &export.capture.services[0];
    assert_eq!(service.spec.env["MODE"], "fast", "what is no secret stays");
    assert!(
        service.spec.configs[0]
            .content
            .contains("level = \"debug\"")
    );
    let lines = &service.instances[0].untrusted_lines;
    assert_eq!(lines.last().unwrap().text, "panic: out of patience");
    let password = |spec: &ostler_core::spec::ServiceSpec| spec.env["DB_PASSWORD"].clone();
    assert_ne!(
        password(&service.spec),
        password(&service.earlier[0].spec),
        "generations that differ in a secret still differ"
    );
    assert_eq!(export.capture.secrets[0].to_string(), "shop/db");
}

#[tokio::test]
async fn who_may_not_read_data_may_not_export_and_exports_are_on_record() {
    let house = house().await;
    let id = opened(&house).await;
    exported(&house, &id).await;
    let asked = json!({ "incident": id });
    let viewer = user("vic", Role::Viewer);
    denied(house.call(&viewer, "export_incident", asked.clone()).await);
    done(house.call(&healer(), "export_incident", asked).await);
    let leaf = house.last().await;
    assert_eq!(
        (leaf.tool.as_str(), leaf.outcome.as_str()),
        ("export_incident", "done")
    );
}

#[tokio::test]
async fn logs_that_do_not_come_hold_nothing_up_and_are_said_to_be_missing() {
    let house = house().await;
    house
        .world
        .slow
        .store(true, std::sync::atomic::Ordering::Relaxed);
    let id = opened(&house).await;
    // It is answered while the log is still being waited for.
    let early = json!({ "incident": id });
    let early = house.call(&operator(), "export_incident", early).await;
    assert!(matches!(
        early.outcome,
        Outcome::Failed { .. } | Outcome::Refused { .. }
    ));
    let export = exported(&house, &id).await;
    let left_out = export.capture.left_out.join("; ");
    assert!(left_out.contains("cart-aaaaaaaa") && left_out.contains("too long"));
}

#[tokio::test]
async fn a_capture_fits_and_says_what_had_no_room() {
    let house = house().await;
    let mut yaml = String::new();
    for number in 0..8 {
        let content = format!("{number}").repeat(200_000);
        yaml.push_str(&format!(
            "---\napiVersion: ostler.dev/v1\nkind: Service\nmetadata: {{ name: far-{number}, namespace: shop }}\n\
             spec: {{ image: 'far:1', needs: [{{ service: cart }}], configs: [{{ path: /x, content: '{content}' }}] }}\n"
        ));
    }
    apply(&house, &yaml).await;
    let id = opened(&house).await;
    let export = exported(&house, &id).await;
    let size = serde_json::to_vec(&export.capture).unwrap().len();
    assert!(size <= 600 << 10, "{size}");
    assert_eq!(export.capture.services[0].service.to_string(), "shop/cart");
    assert!(
        export
            .capture
            .left_out
            .iter()
            .any(|one| one.contains("no room"))
    );
}

#[tokio::test]
async fn another_cause_later_is_captured_anew() {
    let house = house().await;
    let id = opened(&house).await;
    let cause = |kind: CauseKind| {
        json!({ "incident": id, "note": format!("{kind:?}"), "cause": {
            "kind": kind, "culprit": "shop/cart", "confidence": 0.9, "explanation": "e", "evidence": [] } })
    };
    let first = exported(&house, &id).await.capture.at;
    let noted = cause(CauseKind::DiskFull);
    done(house.call(&healer(), "note_incident", noted).await);
    house.clock.advance(Span::seconds(60));
    let noted = cause(CauseKind::MemoryLeak);
    done(house.call(&healer(), "note_incident", noted).await);
    for _ in 0..500 {
        let at = exported(&house, &id).await.capture.at;
        if at != first {
            assert_eq!(at.since(first), Span::seconds(60));
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("it was not captured anew");
}
