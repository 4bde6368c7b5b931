//! A console over the gate's in-memory ports, and guests who use it.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

use std::{collections::BTreeSet, sync::Arc};

use async_trait::async_trait;
use axum::{
    Router,
    body::{Body, to_bytes},
    http::{HeaderMap, Request, StatusCode},
};
use ostler_console::Begun;
use ostler_core::{
    id::{Generation, InstanceId},
    observed::{Answer as Probe, Health, InstanceSeen, Phase, Problem, ProblemKind},
    plan::{ServiceState, ServiceStatus},
    time::Time,
    units::{Bytes, MilliCpu},
};
use ostler_gate::{
    Gate, GateConfig, Keys, Limits, actions,
    answer::{Answer, Outcome},
    testing::{MemoryStore, SetClock, StillWorld},
};
use ostler_policies::{Bundle, Engine};
use ostler_tools::{
    answer::{AuditEntry, LogAnswer, LogLine, LogStream},
    catalogue::ALL,
    evals::{EvalReport, EvalsSeen},
    price::Prices,
    principal::{Principal, Role},
    view::{AgentLine, AgentStatus, WorldView},
};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use tower_service::Service;

/// Attempts to become markup, an attribute, a script or an address.
pub const XSS: &[&str] = &[
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "' autofocus onfocus=alert(1) x='",
    "</title><script>alert(1)</script>",
    "</pre></code><svg/onload=alert(1)>",
    "<iframe srcdoc=\"<script>alert(1)</script>\">",
    "javascript:alert(1)",
    "&lt;script&gt;alert(1)&lt;/script&gt;<b>",
    "<!--<img src=\"--><img src=x onerror=alert(1)//\">",
    "{{constructor.constructor('alert(1)')()}}<x onclick=alert(1)>",
    "\u{202e}<style>*{display:none}</style>",
    "</textarea><form action=//evil.example><input name=code>",
];

pub fn user(name: &str, role: Role) -> Principal {
    Principal::User {
        name: name.to_owned(),
        roles: vec![role],
    }
}

pub fn admin() -> Principal {
    user("root", Role::Admin)
}

fn healer() -> Principal {
    Principal::Agent {
        name: "healer".parse().unwrap(),
    }
}

fn service(name: &str, needs: &str) -> String {
    format!(
        "apiVersion: ostler.dev/v1
kind: Service
metadata: {{ name: {name}, namespace: shop }}
spec: {{ image: 'shop/cart:1', replicas: {{ min: 1, max: 20 }}, {needs} resources: {{ limits: {{ memory: 64Mi }} }} }}
"
    )
}

/// An issuer that everybody who comes back with its code is called `ann@issuer` by, as the code says.
struct Elsewhere;

#[async_trait]
impl ostler_console::Elsewhere for Elsewhere {
    fn secure(&self) -> bool {
        true
    }

    fn address(&self) -> Option<&str> {
        None
    }

    async fn begin(&self, back: &str) -> Option<Begun> {
        Some(Begun {
            to: format!("https://issuer.example/?back={back}"),
            browser: "tied".to_owned().into(),
        })
    }

    async fn finish(&self, state: &str, code: &str, browser: &str) -> Option<Principal> {
        let roles = match code {
            "operator" => vec![Role::Operator],
            "nothing" => Vec::new(),
            _ => return None,
        };
        (state == "s" && browser == "tied").then(|| Principal::User {
            name: "ann@issuer".to_owned(),
            roles,
        })
    }
}

/// The gate with one service, a console before it.
pub struct House {
    pub gate: Arc<Gate>,
    world: Arc<StillWorld>,
    app: Router,
}

/// Paperwork that is shown.
pub struct Paper {
    pub incident: String,
    pub proposal: String,
    /// Of a request that belongs to no proposal.
    pub approval: String,
}

/// A browser that is signed in, or not.
pub struct Guest {
    app: Router,
    cookie: Option<String>,
}

/// An answer.
pub struct Seen {
    pub status: StatusCode,
    headers: HeaderMap,
    pub body: String,
}

impl Seen {
    pub fn names(&self, name: &str) -> bool {
        self.headers.contains_key(name)
    }

    pub fn header(&self, name: &str) -> String {
        let value = self
            .headers
            .get(name)
            .unwrap_or_else(|| panic!("no `{name}`: {}", self.body));
        value.to_str().unwrap().to_owned()
    }
}

fn done(answer: Answer) -> Value {
    match answer.outcome {
        Outcome::Done { value, .. } => value,
        other => panic!("not done: {other:?}"),
    }
}

/// Two kept reports that say this; the later run fails where the earlier one passed.
fn evals(text: &str) -> EvalsSeen {
    let report = |wrong: &[&str], figure: &str| {
        let row = json!({
            "suite": "faults", "case": text, "run": 0, "category": text, "truth": "mend", "wrong": wrong, "named": true,
            "detected": 4.0, "mended": null, "minor": 1, "major": 0, "catastrophic": 0, "unauthorised": 0,
        });
        let report = json!({
            "format": 1, "agent": "healer", "make": text, "planner": [text, "rules"], "seed": 1, "repeats": 1,
            "figures": [[text, figure]], "rows": [row],
        });
        Arc::new(EvalReport::parse(report.to_string().as_bytes(), Time(1)).unwrap())
    };
    let reports = [
        ("monday", report(&[], "all")),
        ("tuesday", report(&[text], text)),
    ];
    EvalsSeen {
        kept: true,
        reports: reports
            .map(|(name, report)| (name.to_owned(), report))
            .into(),
        problem: Some(text.to_owned()),
    }
}

impl House {
    pub async fn open() -> Self {
        let world = Arc::new(StillWorld::default());
        let config = GateConfig {
            store: Arc::new(MemoryStore::default()),
            world: Arc::clone(&world) as _,
            clock: Arc::new(SetClock::default()),
            engine: Arc::new(Engine::load(&Bundle::embedded(), &actions(ALL)).unwrap()),
            keys: Keys::ephemeral(),
            catalogue: ALL,
            priorities: Default::default(),
            limits: Limits::default(),
        };
        let gate = Gate::open(config).await.unwrap();
        let app = ostler_console::router(
            Arc::clone(&gate) as _,
            Some(Arc::new(Elsewhere)),
            CancellationToken::new(),
        );
        let house = Self { gate, world, app };
        house
            .call(
                &admin(),
                "apply_services",
                json!({ "yaml": service("cart", "") }),
            )
            .await;
        house.says("fine");
        house
    }

    /// Makes a call that must be done.
    pub async fn call(&self, caller: &Principal, tool: &str, args: Value) -> Value {
        done(self.gate.call(caller, tool, args).await)
    }

    /// The one instance, its probe, its log, its problem and the agent all say this.
    pub fn says(&self, text: &str) {
        let mut view = WorldView::default();
        let id = InstanceId::new("cart-aaaaaaaa").unwrap();
        view.observed
            .instances
            .insert(id.clone(), instance("cart", text));
        let name = "healer".parse().unwrap();
        let agent = AgentStatus {
            state: "running".to_owned(),
            last_end: Some(text.to_owned()),
            ..AgentStatus::default()
        };
        view.agents.insert(Clone::clone(&name), agent);
        let line = AgentLine {
            at: Time(1),
            text: text.to_owned(),
        };
        view.agent_lines.insert(name, Arc::new([line].into()));
        view.evals = Arc::new(evals(text));
        *self.world.view.lock().unwrap() = Arc::new(view);
        let line = LogLine {
            at: Time(1),
            stream: LogStream::Stderr,
            attempt: 1,
            text: text.to_owned(),
        };
        *self.world.logs.lock().unwrap() = vec![LogAnswer {
            instance: id,
            untrusted_lines: vec![line],
            cursor: 1,
            truncated: false,
        }];
    }

    /// What resources cost, and that the cart promises something.
    pub async fn priced(&self) {
        let mut view = (**self.world.view.lock().unwrap()).clone();
        view.daemon.prices = Some(Prices {
            cpu_hour: 0.04,
            gib_hour: 1.0,
            currency: "EUR".to_owned(),
        });
        *self.world.view.lock().unwrap() = Arc::new(view);
        let promise =
            "objectives: { availability: 99.9, latency: { quantile: 99, under: 250ms } }, ";
        let cart = service("cart", promise).replace(
            "limits: { memory",
            "requests: { memory: 64Mi }, limits: { memory",
        );
        self.call(&admin(), "apply_services", json!({ "yaml": cart }))
            .await;
    }

    /// A new version of the cart comes in as a canary that somebody must promote.
    pub async fn canary(&self) {
        let first = json!({ "service": "shop/cart", "generation": 1 });
        self.call(&Principal::System, "settle_service", first).await;
        let strategy =
            "update: { strategy: { canary: { steps: [ { share: 50%, pause: true } ] } } }, ";
        let next = service("cart", strategy).replace("cart:1", "cart:2");
        self.call(&admin(), "apply_services", json!({ "yaml": next }))
            .await;
    }

    /// An incident with a proposal that waits, and a request that waits, all saying this.
    pub async fn paper(&self, text: &str) -> Paper {
        let labels = format!(
            "namespace: shop, labels: {{ team: {} }} }}",
            serde_json::to_string(text).unwrap()
        );
        let labelled = service("cart", "").replace("namespace: shop }", &labels);
        self.call(&admin(), "apply_services", json!({ "yaml": labelled }))
            .await;
        let looked = self
            .gate
            .call(&healer(), "get_service", json!({ "service": "shop/cart" }))
            .await;
        let opened = json!({ "service": "shop/cart", "title": text });
        let incident = self.call(&healer(), "open_incident", opened).await["incident"]
            .as_str()
            .unwrap()
            .to_owned();
        let evidence = json!([{ "claim": text, "call": looked.call, "untrusted": true }]);
        let cause = json!({ "kind": "out_of_memory", "culprit": "shop/cart", "confidence": 0.8, "explanation": text, "evidence": evidence });
        let body = json!({
            "title": text, "cause": cause, "expected": text, "alternatives": [text],
            "calls": [{ "tool": "set_limits", "arguments": { "service": "shop/cart", "memory": "96Mi" }, "reason": text }],
            "verify": { "service": "shop/cart", "state": "healthy", "hold": "10s", "within": "2m" },
        });
        let sent = json!({ "incident": incident, "proposal": body });
        let proposal = self.call(&healer(), "submit_proposal", sent).await["proposal"]
            .as_str()
            .unwrap()
            .to_owned();
        self.call(
            &healer(),
            "note_incident",
            json!({ "incident": incident, "note": text, "cause": cause }),
        )
        .await;
        let asked = self
            .gate
            .call(
                &user("otto", Role::Operator),
                "delete_service",
                json!({ "service": "shop/cart" }),
            )
            .await;
        let Outcome::Held { approval, .. } = asked.outcome else {
            panic!("{asked:?}")
        };
        Paper {
            incident,
            proposal,
            approval: approval.to_string(),
        }
    }

    /// Many services, a few of them down, with so many instances each.
    pub async fn crowd(&self, services: usize, instances: usize) {
        for part in (0..services).collect::<Vec<_>>().chunks(100) {
            let yaml: Vec<String> = part
                .iter()
                .map(|number| {
                    let needs = if number % 10 == 0 {
                        String::new()
                    } else {
                        format!("needs: [{{ service: svc-{} }}],", number - number % 10)
                    };
                    service(&format!("svc-{number}"), &needs)
                })
                .collect();
            self.call(
                &admin(),
                "apply_services",
                json!({ "yaml": yaml.join("---\n") }),
            )
            .await;
        }
        let mut view = WorldView::default();
        for number in 0..services {
            let name = format!("svc-{number}");
            let state = match number % 100 {
                0 => ServiceState::Down,
                1 => ServiceState::Degraded,
                _ => ServiceState::Healthy,
            };
            let status = ServiceStatus {
                state,
                wanted: 10,
                running: 10,
                ready: 10,
                updated: 10,
                findings: Vec::new(),
            };
            view.report
                .insert(format!("shop/{name}").parse().unwrap(), status);
            for copy in 0..instances {
                let id = InstanceId::new(format!("{name}-{copy:08x}")).unwrap();
                view.observed.instances.insert(id, instance(&name, "fine"));
            }
        }
        *self.world.view.lock().unwrap() = Arc::new(view);
    }

    pub async fn link(&self, who: &Principal) -> String {
        let made = self.call(who, "create_console_session", json!({})).await;
        made["code"].as_str().unwrap().to_owned()
    }

    pub fn stranger(&self) -> Guest {
        Guest {
            app: self.app.clone(),
            cookie: None,
        }
    }

    pub async fn sign_in(&self, who: &Principal) -> Guest {
        let code = self.link(who).await;
        let mut guest = self.stranger();
        let answer = guest.post("/sign-in", &[("code", &code)]).await;
        let cookie = answer.header("set-cookie");
        guest.cookie = Some(cookie.split(';').next().unwrap().to_owned());
        guest
    }

    /// The newest leaf of a tool.
    pub async fn last_of(&self, tool: &str) -> AuditEntry {
        let found = self
            .call(&admin(), "list_audit", json!({ "tool": tool, "limit": 1 }))
            .await;
        serde_json::from_value(found["entries"][0].clone()).unwrap()
    }
}

fn instance(service: &str, text: &str) -> InstanceSeen {
    let problem = Problem {
        kind: ProblemKind::Backend,
        detail: text.to_owned(),
    };
    let no = Probe::No {
        since: Time(1),
        reason: text.to_owned(),
    };
    InstanceSeen {
        service: format!("shop/{service}").parse().unwrap(),
        node: "n1".parse().unwrap(),
        generation: Generation(1),
        cpu: MilliCpu(0),
        memory: Bytes(0),
        phase: Phase::Failed { problem },
        since: Time(0),
        attempt: 1,
        started_at: None,
        created_at: Time(0),
        exits: Vec::new(),
        health: Health {
            readiness: no,
            ..Health::default()
        },
        address: None,
        pid: None,
        resize: None,
    }
}

impl Guest {
    /// Sends this cookie from now on, and no other.
    pub fn bring(&mut self, cookie: &str) {
        self.cookie = Some(cookie.to_owned());
    }

    pub async fn get(&self, path: &str) -> Seen {
        self.send(Request::get(path).body(Body::empty()).unwrap())
            .await
    }

    pub async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Seen {
        self.post_from("http://localhost", path, fields).await
    }

    pub async fn post_from(&self, origin: &str, path: &str, fields: &[(&str, &str)]) -> Seen {
        let coded = |text: &str| {
            text.bytes()
                .map(|byte| format!("%{byte:02x}"))
                .collect::<String>()
        };
        let pairs: Vec<String> = fields
            .iter()
            .map(|(name, value)| format!("{name}={}", coded(value)))
            .collect();
        let request = Request::post(path)
            .header("origin", origin)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Body::from(pairs.join("&")));
        self.send(request.unwrap()).await
    }

    async fn send(&self, mut request: Request<Body>) -> Seen {
        let headers = request.headers_mut();
        headers.insert("host", "localhost".parse().unwrap());
        if let Some(cookie) = &self.cookie {
            headers.insert("cookie", cookie.parse().unwrap());
        }
        let answer = self.app.clone().call(request).await.unwrap();
        let (parts, body) = answer.into_parts();
        let bytes = to_bytes(body, 16 << 20).await.unwrap();
        Seen {
            status: parts.status,
            headers: parts.headers,
            body: String::from_utf8(bytes.to_vec()).unwrap(),
        }
    }

    /// What this session's forms carry.
    pub async fn form_token(&self) -> String {
        let body = self.get("/policy").await.body;
        let after = body.split("name=\"form_token\" value=\"").nth(1).unwrap();
        after.split('"').next().unwrap().to_owned()
    }
}

/// Every tag of a page with the names of its attributes, as a browser would see them: quotes are minded.
pub fn tags(page: &str) -> Vec<(String, BTreeSet<String>)> {
    let mut found = Vec::new();
    let mut rest = page;
    while let Some(at) = rest.find('<') {
        rest = &rest[at + 1..];
        let name: String = rest
            .chars()
            .take_while(|c| c.is_ascii_alphanumeric() || *c == '!' || *c == '-')
            .collect();
        let mut names = BTreeSet::new();
        let mut word = String::new();
        let mut quote = None;
        let mut end = rest.len();
        for (index, letter) in rest.char_indices().skip(name.len()) {
            match (quote, letter) {
                (Some(open), _) if open == letter => quote = None,
                (Some(_), _) => {}
                (None, '"' | '\'') => quote = Some(letter),
                (None, '>') => {
                    end = index;
                    break;
                }
                (None, '=' | ' ' | '\n') => {
                    names.insert(std::mem::take(&mut word));
                }
                (None, letter) => word.push(letter),
            }
        }
        names.insert(word);
        names.remove("");
        if !name.is_empty() {
            found.push((name.to_ascii_lowercase(), names));
        }
        rest = &rest[end..];
    }
    found
}

/// Tags, attributes and addresses of a page are only those that our templates have.
pub fn assert_inert(page: &str, attack: &str, body: &str, clean: &[(String, BTreeSet<String>)]) {
    const NEVER: [&str; 7] = ["img!", "iframe", "object", "embed", "style", "b", "x"];
    assert!(!clean.is_empty());
    for (tag, names) in tags(body) {
        assert!(
            !NEVER.contains(&tag.as_str()),
            "{page}: `{attack}` became <{tag}>"
        );
        let acts = names
            .iter()
            .find(|name| name.starts_with("on") || *name == "style" || *name == "srcdoc");
        assert!(
            acts.is_none(),
            "{page}: `{attack}` became an attribute: {acts:?}"
        );
        if tag == "script" {
            assert!(names.contains("src"), "{page}: `{attack}` became a script");
        }
    }
    let scripts = body.matches("<script").count();
    assert_eq!(scripts, 1, "{page}: `{attack}`");
    let images = body.matches("<img").count();
    assert_eq!(
        images,
        body.matches("<img src=\"/assets/icon.svg\"").count(),
        "{page}: `{attack}`"
    );
    for name in ["href=\"", "action=\"", "src=\""] {
        for address in body.split(name).skip(1) {
            assert!(
                ["#main\"", "#decision\""]
                    .iter()
                    .any(|own| address.starts_with(own))
                    || (address.starts_with('/') && !address.starts_with("//")),
                "{page}: `{attack}` became an address: {}",
                &address[..address.len().min(60)]
            );
        }
    }
    assert!(
        !body.contains('\u{202e}'),
        "{page}: text that turns the direction of reading"
    );
}
