//! Runs every decision table of `tests/decisions/*.yaml` against the bundle that ships.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use ostler_policies::{
    Action, Bundle, BundleError, Case, Engine, Request, Source, Verdict, in_words, read_table,
};

fn actions() -> Vec<Action> {
    let named = [
        ("list_services", "read"),
        ("query_signals", "read"),
        ("read_logs", "read_data"),
        ("apply_services", "change"),
        ("scale_service", "change"),
        ("tune_scaling", "change"),
        ("delete_service", "change"),
        ("put_secret", "change"),
        ("delete_secret", "change"),
        ("set_limits", "change"),
        ("restart_service", "change"),
        ("restart_instances", "change"),
        ("upgrade_service", "change"),
        ("rollback_service", "change"),
        ("settle_service", "change"),
        ("get_rollout", "read"),
        ("list_upgrades", "read"),
        ("list_evals", "read"),
        ("get_eval", "read"),
        ("advance_rollout", "change"),
        ("pause_rollout", "change"),
        ("resume_rollout", "change"),
        ("promote_rollout", "change"),
        ("abort_rollout", "change"),
        ("undo_change", "change"),
        ("drain_node", "change"),
        ("exec_instance", "act"),
        ("open_incident", "record"),
        ("submit_proposal", "record"),
        ("correct_incident", "record"),
        ("approve", "approve"),
        ("pause_agent", "admin"),
        ("create_console_session", "admin"),
        ("rotate_audit_key", "admin"),
        ("promote_agent", "admin"),
        ("freeze_changes", "admin"),
        ("lift_freeze", "admin"),
        ("break_glass", "admin"),
        ("mend_glass", "admin"),
        ("put_policies", "admin"),
        ("demote_agent", "admin"),
    ];
    named.map(|(name, group)| Action::new(name, group)).into()
}

fn request(case: &Case) -> Request {
    case.request().unwrap()
}

#[test]
fn every_table_holds() {
    let engine =
        Engine::load(&Bundle::embedded(), &actions()).unwrap_or_else(|error| panic!("{error}"));
    let mut cases = 0;
    for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/decisions")).unwrap()
    {
        let path = entry.unwrap().path();
        for case in read_table(&std::fs::read_to_string(&path).unwrap()).unwrap() {
            let miss = case.miss(&engine).unwrap();
            assert_eq!(miss, None, "{}", path.display());
            assert!(case.by.is_some(), "{}: {}", path.display(), case.name);
            cases += 1;
        }
    }
    assert!(cases >= 40, "{cases} cases");
}

#[test]
fn every_policy_decides_some_case() {
    let mut tables = String::new();
    for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/decisions")).unwrap()
    {
        tables.push_str(&std::fs::read_to_string(entry.unwrap().path()).unwrap());
    }
    for file in Bundle::embedded().files() {
        for line in file
            .text
            .lines()
            .filter_map(|line| line.strip_prefix("@id(\""))
        {
            let id = line.trim_end_matches("\")");
            assert!(tables.contains(id), "no decision table mentions `{id}`");
        }
    }
}

#[test]
fn the_directory_holds_exactly_what_is_embedded() {
    let dir = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/bundle"));
    assert_eq!(Bundle::from_dir(dir).unwrap(), Bundle::embedded());
}

#[test]
fn nothing_in_the_shipped_bundle_is_suspicious() {
    let engine = Engine::load(&Bundle::embedded(), &actions()).unwrap();
    assert_eq!(engine.lint(), Vec::<String>::new());
    let only_viewer = Bundle::embedded()
        .files()
        .iter()
        .filter(|file| file.name == "viewer.cedar")
        .cloned()
        .collect();
    let engine = Engine::load(&Bundle::new(only_viewer), &actions()).unwrap();
    assert!(
        engine
            .lint()
            .contains(&"no policy permits `scale_service` to anybody".to_owned())
    );
}

fn load(text: &str) -> Result<Engine, BundleError> {
    Engine::load(
        &Bundle::new(vec![Source {
            name: "x.cedar".into(),
            text: text.into(),
        }]),
        &actions(),
    )
}

#[test]
fn a_bundle_with_a_mistake_is_refused_with_its_line() {
    let head = "@id(\"a\")\n@words(\"b\")\n";
    let error = load(&format!(
        "{head}permit (principal, action, resource)\nwhen {{ context.replicas_dleta > 3 }};"
    ));
    let BundleError::Invalid {
        line,
        problem,
        policy,
        ..
    } = error.unwrap_err()
    else {
        panic!("not `Invalid`")
    };
    assert_eq!((line, policy.as_str()), (4, "a"));
    assert!(problem.contains("replicas_delta"), "{problem}");

    let error = load(&format!(
        "{head}permit (principal, action, resource)\nwhen context }};"
    ));
    let BundleError::Syntax { line, .. } = error.unwrap_err() else {
        panic!("not `Syntax`")
    };
    assert_eq!(line, 4);

    let unknown = load(&format!(
        "{head}permit (principal, action == Action::\"scale_servise\", resource);"
    ));
    assert!(
        matches!(unknown, Err(BundleError::Invalid { line: 3, .. })),
        "{unknown:?}"
    );
    for text in [
        "permit (principal, action, resource);",
        "@id(\"a\") permit (principal, action, resource);",
        "@id(\"a\") @words(\"b\") permit (principal == ?principal, action, resource);",
        "@id(\"a\") @words(\"b\") permit (principal, action, resource);\
         @id(\"a\") @words(\"c\") forbid (principal, action, resource);",
    ] {
        assert!(
            matches!(load(text), Err(BundleError::Annotation { .. })),
            "{text}"
        );
    }
}

#[test]
fn an_error_while_deciding_denies() {
    let overflow = "@id(\"all\") @words(\"all\") permit (principal, action, resource);\n\
        @id(\"broken\") @words(\"broken\") forbid (principal, action, resource)\n\
        when { context.replicas_to * 9223372036854775807 > 5 };";
    let engine = load(overflow).unwrap();
    let mut case: Case = serde_saphyr::from_str(
        "{ name: n, who: user admin, action: scale_service, expect: allow, by: [all] }",
    )
    .unwrap();
    assert_eq!(engine.decide(&request(&case)).verdict, Verdict::Allow);
    case.facts.replicas_to = 7;
    let decision = engine.decide(&request(&case));
    assert_eq!(decision.verdict, Verdict::Deny);
    assert_eq!(decision.policies.first().unwrap().id, "evaluation-error");
}

#[test]
fn two_roles_can_be_asked_for_together() {
    let engine = load(
        "@id(\"both\") @words(\"both\") permit (principal, action, resource)\n\
         when { context.approvals.containsAll([\"operator\", \"admin\"]) };",
    )
    .unwrap();
    let mut case: Case = serde_saphyr::from_str(
        "{ name: n, who: agent x, action: scale_service, expect: deny, by: [] }",
    )
    .unwrap();
    assert_eq!(
        in_words(&engine.decide(&request(&case)).verdict),
        "operator and admin"
    );
    case.approvals.insert("operator".into());
    assert_eq!(in_words(&engine.decide(&request(&case)).verdict), "admin");
    case.approvals.insert("admin".into());
    assert_eq!(engine.decide(&request(&case)).verdict, Verdict::Allow);
}

#[test]
fn the_version_follows_every_byte() {
    let version = |text: &str| load(text).unwrap().version().to_owned();
    let text = "@id(\"a\") @words(\"b\") permit (principal, action, resource);";
    assert_eq!(version(text), version(text));
    assert_ne!(version(text), version(&format!("{text} ")));
}

#[test]
fn a_denial_says_what_would_be_allowed() {
    let engine = Engine::load(&Bundle::embedded(), &actions()).unwrap();
    let case: Case = serde_saphyr::from_str(
        "{ name: n, who: agent healer, action: pause_agent, expect: deny, by: [] }",
    )
    .unwrap();
    let request = request(&case);
    insta::assert_snapshot!(engine.explain(&request, &engine.decide(&request)));
}

#[test]
fn what_would_have_to_differ_is_said() {
    let engine = Engine::load(&Bundle::embedded(), &actions()).unwrap();
    let case: Case = serde_saphyr::from_str(
        "{ name: n, who: user operator, action: delete_service, expect: admin,\
         facts: {kinds: [scale_service], services: 1, frozen: true, changes_last_hour: 3} }",
    )
    .unwrap();
    let request = request(&case);
    let decision = engine.decide(&request);
    assert_eq!(
        engine.would_differ(&request, &decision),
        ["with `frozen` false instead of true: allowed"]
    );
}
