//! Runs of the built program whose agent asks a scripted model over the wire: counted, recorded,
//! repeated to the letter, certified for exactly that agent.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

mod common;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Output,
    sync::Arc,
};

use common::eval;
use ostler_agents::make;
use ostler_core::{
    autonomy::{Autonomy, Certificate, Make, Record, Standing},
    time::Span,
};
use ostler_fake_llm::{Asked, Brain, FakeLlm, Reply};
use ostler_gate::note::Verifier;
use ostler_planning::Planning;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

/// A provider that is scripted, a folder, and the daemon's configuration in it.
struct Scene {
    folder: tempfile::TempDir,
    fake: FakeLlm,
    _runtime: Runtime,
}

impl Scene {
    fn new(protocol: &str, brain: Brain) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let fake = runtime.block_on(FakeLlm::tcp(brain)).unwrap();
        let scene = Self {
            folder: tempfile::tempdir().unwrap(),
            fake,
            _runtime: runtime,
        };
        scene.configure(protocol, "small", ostler_agents::healer::PROMPT);
        scene
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// Writes the configuration as a daemon takes it, with parts that are none of an eval's business.
    fn configure(&self, protocol: &str, model: &str, prompt: &str) {
        fs::write(self.path("prompt.md"), prompt).unwrap();
        let config = format!(
            "prometheus: http://127.0.0.1:9090
endpoints:
  scripted:
    protocol: {protocol}
    url: {}
    models: {{ small: {{ input: 1.0, output: 2.0 }}, large: {{}} }}
  elsewhere: {{ protocol: openai, url: 'https://models.invalid/v1', key: {{ file: /nowhere }}, models: {{ m: {{}} }} }}
agents:
  healer: {{ planner: [ 'scripted:{model}', rules ], prompt: prompt.md }}
  upgrader: {{ planner: [ 'elsewhere:m', rules ] }}
",
            self.fake.url()
        );
        fs::write(self.path("config.yaml"), config).unwrap();
    }

    /// The agent as a daemon with this configuration computes it.
    fn make(&self) -> Make {
        let config: PathBuf = self.path("config.yaml").into();
        let settings = Planning::read(&config)
            .unwrap()
            .settings(&"healer".parse().unwrap());
        // The daemon tells its agents as JSON, and computes what runs from that.
        let told = serde_json::to_value(settings).unwrap();
        let spec = &ostler_agents::registry()[0];
        make::of(spec, &serde_json::from_value(told).unwrap()).unwrap()
    }

    fn run(&self, args: &[&str]) -> Output {
        let config = self.path("config.yaml");
        eval(&[&["run", "--config", &config], args].concat())
    }

    fn report(&self, name: &str) -> Value {
        serde_json::from_slice(&fs::read(self.path(name)).unwrap()).unwrap()
    }
}

fn printed(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// Looks at what there is, then is not sure: the rules' plan stands, with a doubt.
fn doubter(asked: &Asked) -> Reply {
    if !asked.messages().iter().any(|(role, _)| role == "tool") {
        return Reply::Use(vec![("list_services".to_owned(), json!({}))]);
    }
    let answer = json!({
        "verdict": "unresolved", "explanation": "the services alone do not tell", "proposal": null,
        "cause": null, "alternatives": [], "call_person": false,
    });
    Reply::Cost(answer.to_string(), 1_000, 50)
}

fn asked(row: &Value, what: &str) -> u64 {
    row["asked"][what].as_u64().unwrap()
}

/// Over both suites: recorded moments, and a fleet that answers.
fn recorded_and_repeated(protocol: &str) {
    let scene = Scene::new(protocol, Arc::new(doubter));
    let (first, again) = (scene.path("first.json"), scene.path("again.json"));
    let (tape, junit, html) = (
        scene.path("tape"),
        scene.path("r.xml"),
        scene.path("r.html"),
    );
    let cases = ["--only", "leak-in-one", "--repeats", "2"];
    let live = scene.run(
        &[
            &cases[..],
            &[
                "--record", &tape, "--json", &first, "--junit", &junit, "--html", &html,
            ],
        ]
        .concat(),
    );
    let said = printed(&live);
    assert!(said.contains("planned by"), "{said}");
    assert!(said.contains("scripted:small, rules"), "{said}");
    assert!(said.contains("pass^1") && said.contains("pass^2"), "{said}");
    let report = scene.report("first.json");
    let rows = report["rows"].as_array().unwrap();
    assert!(rows.len() >= 4, "{report}");
    for row in rows {
        assert!(asked(row, "answered") >= 2, "{row}");
        assert_eq!(asked(row, "unanswered"), 0, "{row}");
        let tokens = asked(row, "tokens");
        assert!(tokens >= 1_050, "{row}");
        assert!(
            asked(row, "nano") > tokens * 1_000 && asked(row, "nano") < tokens * 2_000,
            "{row}"
        );
        assert!(row["evidence"]["claims"].as_u64() > Some(0), "{row}");
        assert_eq!(row["evidence"]["made"], row["evidence"]["claims"], "{row}");
    }
    let of = |name: &str| rows.iter().map(|row| asked(row, name)).sum::<u64>();
    assert_eq!(report["summary"]["asked"]["tokens"], of("tokens"));
    assert_eq!(
        of("answered"),
        u64::try_from(scene.fake.asked().len()).unwrap()
    );
    for file in [&junit, &html] {
        let text = fs::read_to_string(file).unwrap();
        assert!(
            text.contains("money") && text.contains(&of("tokens").to_string()),
            "{text}"
        );
    }

    let before = scene.fake.asked().len();
    let repeated = scene.run(&[&cases[..], &["--replay", &tape, "--json", &again]].concat());
    assert_eq!(
        repeated.status.code(),
        live.status.code(),
        "{}",
        printed(&repeated)
    );
    assert!(
        printed(&repeated).contains("(recorded answers)"),
        "{}",
        printed(&repeated)
    );
    assert_eq!(scene.fake.asked().len(), before, "nobody was asked again");
    assert_eq!(scene.report("again.json")["rows"], report["rows"]);
}

#[test]
fn a_run_with_an_openai_server_is_counted_recorded_and_repeated() {
    recorded_and_repeated("openai");
}

#[test]
fn a_run_with_ollama_is_counted_recorded_and_repeated() {
    recorded_and_repeated("ollama");
}

#[test]
fn a_certificate_is_of_exactly_the_agent_that_asks_this_model_with_this_prompt() {
    let scene = Scene::new("openai", Arc::new(doubter));
    let path = |name: &str| scene.path(name);
    let (key, note) = (path("eval.key"), path("certificate"));
    let made = eval(&["key", &key, "--name", "night-shift"]);
    let public = String::from_utf8(made.stdout).unwrap();
    let suite = ["--suite", "incidents", "--split", "dev"];
    let certify = ["--certify", &note, "--key", &key];
    let run = scene.run(&[&suite[..], &certify].concat());
    assert!(Path::new(&note).exists(), "{}", printed(&run));
    let verifier = Verifier::parse(&public).unwrap();
    let text = verifier.open(&fs::read_to_string(&note).unwrap()).unwrap();
    let json = text.strip_prefix("ostler.dev/certificate\n").unwrap();
    let certificate: Certificate = serde_json::from_str(json).unwrap();
    assert_eq!(certificate.make, scene.make());
    assert_eq!(certificate.make.planner, ["scripted:small", "rules"]);

    let autonomy = Autonomy {
        since: certificate.issued_at,
        certificate,
        evaluator: "night-shift".into(),
        namespaces: [].into(),
    };
    let standing = || {
        let now = autonomy.since + Span::seconds(1);
        Standing::of(
            Some(&autonomy),
            Some(&scene.make()),
            &Record::default(),
            now,
        )
    };
    let changed = |what: &str| Standing::Changed {
        what: vec![what.to_owned()],
    };
    assert_eq!(standing(), Standing::Alone);
    let bold = format!("{}\nBe bold.\n", ostler_agents::healer::PROMPT);
    scene.configure("openai", "small", &bold);
    assert_eq!(standing(), changed("prompt"));
    scene.configure("openai", "large", ostler_agents::healer::PROMPT);
    assert!(
        matches!(standing(), Standing::Changed { what } if what.contains(&"planner".to_owned()))
    );
    scene.configure("openai", "small", ostler_agents::healer::PROMPT);
    assert_eq!(standing(), Standing::Alone);
}

/// Virtual time stands still meanwhile: it is real seconds that end the wait.
#[test]
fn a_model_that_never_ends_its_answer_costs_its_seconds() {
    let scene = Scene::new("openai", Arc::new(|_| Reply::Stall));
    let config = fs::read_to_string(scene.path("config.yaml")).unwrap();
    let hasty = config.replace("prompt: prompt.md }", "turn: { seconds: 1 } }");
    assert_ne!(hasty, config);
    fs::write(scene.path("config.yaml"), hasty).unwrap();
    let json = scene.path("r.json");
    scene.run(&["--only", "bad-change-crash-loop", "--json", &json]);
    let report = scene.report("r.json");
    let row = &report["rows"][0];
    assert!(asked(row, "unanswered") >= 1, "{row}");
    assert_eq!(asked(row, "answered"), 0, "{row}");
    assert_eq!(row["wrong"], json!([]), "the rules took over");
    assert!(row["approvals"].is_null(), "nobody was there to ask");
}

/// A provider that is down makes an agent of rules, which is not the one to be certified; the cases
/// in which it was not heard are asked anew.
#[test]
fn a_model_that_was_not_heard_is_not_certified_and_asked_again() {
    let scene = Scene::new("openai", Arc::new(|_| Reply::Break(400)));
    let (key, note, json) = (
        scene.path("eval.key"),
        scene.path("certificate"),
        scene.path("r.json"),
    );
    eval(&["key", &key, "--name", "night-shift"]);
    let suite = ["--suite", "incidents", "--split", "dev", "--json", &json];
    let all = [&suite[..], &["--certify", &note, "--key", &key]].concat();
    let deaf = scene.run(&all);
    assert_eq!(deaf.status.code(), Some(2), "{}", printed(&deaf));
    assert!(
        printed(&deaf).contains("requests of models came to nothing"),
        "{}",
        printed(&deaf)
    );
    assert!(!Path::new(&note).exists());

    let rows = scene.report("r.json")["rows"].as_array().unwrap().clone();
    let heard = rows
        .iter()
        .filter(|row| asked(row, "unanswered") == 0)
        .count();
    assert!(heard > 0 && heard < rows.len());
    let before = scene.fake.asked().len();
    scene.run(&all);
    assert!(
        scene.fake.asked().len() > before,
        "what was not heard is asked anew"
    );

    let rules = eval(&[
        "run",
        "--suite",
        "incidents",
        "--replay",
        &scene.path("tape"),
    ]);
    assert!(printed(&rules).contains("--config"), "{}", printed(&rules));
    let nothing = scene.run(&["--suite", "incidents", "--agent", "nobody"]);
    assert!(
        printed(&nothing).contains("there is no agent `nobody`"),
        "{}",
        printed(&nothing)
    );
}
