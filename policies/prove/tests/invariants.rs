//! Every invariant of the shipped bundle is proved; without a forbid that it rests on, it is not.
#![expect(clippy::panic, reason = "a test stops at the first surprise")]

use cedar_policy::Effect;
use ostler_policies::{Action, Bundle, Engine, Source};
use ostler_prove::{Laws, ProveError, Solver, Subject, first_break, prove, silent};

fn actions() -> Vec<Action> {
    let all = ostler_tools::catalogue::ALL.iter();
    all.map(|tool| Action::new(tool.name, tool.class.group()))
        .collect()
}

fn engine() -> Engine {
    Engine::load(&Bundle::embedded(), &actions()).unwrap_or_else(|error| panic!("{error}"))
}

fn laws(engine: &Engine) -> Laws {
    Laws::read(&Laws::embedded(), &actions(), engine).unwrap_or_else(|error| panic!("{error}"))
}

/// A solver, unless it is not installed.
fn solver() -> Option<Solver> {
    match Solver::start() {
        Ok(solver) => Some(solver),
        Err(ProveError::NoSolver { .. }) => {
            #[expect(clippy::print_stderr, reason = "a skipped test says so")]
            {
                eprintln!("SKIPPED: cvc5 is not installed");
            }
            None
        }
        Err(error) => panic!("{error}"),
    }
}

/// Forbids without which every invariant still holds. May only shrink.
const UNGUARDED: [&str; 0] = [];

#[tokio::test]
async fn every_invariant_is_proved() {
    let Some(mut solver) = solver() else { return };
    let engine = engine();
    let laws = laws(&engine);
    let subject = Subject::of(&engine).unwrap();
    let report = prove(&subject, &laws, &mut solver).await.unwrap();
    let broken = report.broken.iter();
    let broken: Vec<String> = broken
        .map(|one| format!("{}: {}", one.law, one.example.words()))
        .collect();
    assert_eq!(broken, Vec::<String>::new());
    assert!(report.holds(), "{:?}", report.unsettled);
    assert_eq!(report.proved.len(), laws.laws.len());
    let idle: Vec<_> = report
        .proved
        .iter()
        .filter(|(_, spoke)| **spoke == 0)
        .collect();
    assert_eq!(idle, Vec::new(), "invariants that speak of nothing");
    assert_eq!(report.environments, actions().len() * 4 * 3);
}

#[tokio::test]
async fn without_a_forbid_an_invariant_prints_an_example() {
    let Some(mut solver) = solver() else { return };
    let engine = engine();
    let laws = laws(&engine);
    let subject = Subject::of(&engine).unwrap();
    let mut said = String::new();
    let mut unguarded = Vec::new();
    for id in subject.ids() {
        let (less, gone) = subject.without(&id).unwrap();
        if gone.effect() == Effect::Permit {
            continue;
        }
        match first_break(&less, &laws, &mut solver, &gone).await.unwrap() {
            Some(broken) => {
                let by = broken.example.spoke.join(", ");
                said.push_str(&format!(
                    "without {id}: {}\n  {}: {}\n",
                    broken.words,
                    by,
                    broken.example.words()
                ));
            }
            None => unguarded.push(id),
        }
    }
    assert_eq!(unguarded, UNGUARDED, "forbids that no invariant guards");
    insta::assert_snapshot!(said);
}

#[tokio::test]
async fn what_says_nothing_is_found() {
    let Some(mut solver) = solver() else { return };
    let shipped = engine();
    let laws = laws(&shipped);
    let subject = Subject::of(&shipped).unwrap();
    assert_eq!(silent(&subject, &laws, &mut solver).await.unwrap(), []);

    let text = r#"
        @id("nobody") @words("nobody") permit (principal is Agent, action == Action::"approve", resource);
        @id("never") @words("never") forbid (principal, action, resource)
        when { context.replicas_to > 5 && context.replicas_to < 5 };
        @id("looks") @words("looks") permit (principal, action in Action::"read tools", resource);"#;
    let file = |name: &str, text: &str| Source {
        name: name.to_owned(),
        text: text.to_owned(),
    };
    let invariants = Bundle::embedded();
    let invariants = invariants
        .files()
        .iter()
        .find(|file| file.name == "invariants.cedar");
    let bundle = Bundle::new(vec![file("x.cedar", text), invariants.unwrap().clone()]);
    let engine = Engine::load(&bundle, &actions()).unwrap();
    let subject = Subject::of(&engine).unwrap();
    let found = silent(&subject, &laws, &mut solver).await.unwrap();
    let words: Vec<String> = found
        .iter()
        .map(|one| format!("{} {}", one.name, one.why))
        .collect();
    assert!(
        words
            .contains(&"policy `nobody` permits only what other policies always forbid".to_owned()),
        "{words:?}"
    );
    assert!(
        words.contains(&"policy `never` matches no request that can be made".to_owned()),
        "{words:?}"
    );
    assert!(
        words.contains(&"action `scale_service` can be allowed to nobody".to_owned()),
        "{words:?}"
    );
    assert!(
        !words.iter().any(|words| words.contains("looks")),
        "{words:?}"
    );
}
