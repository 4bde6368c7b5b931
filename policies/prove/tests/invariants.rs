//! Every invariant of the shipped bundle is proved; without a forbid that it rests on, it is not.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use cedar_policy::Effect;
use ostler_policies::{Action, Bundle, Engine};
use ostler_prove::{Laws, ProveError, Solver, Subject, first_break, prove};

fn actions() -> Vec<Action> {
    let all = ostler_tools::catalogue::ALL.iter();
    all.map(|tool| Action::new(tool.name, tool.class.group())).collect()
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
    let broken: Vec<String> = broken.map(|one| format!("{}: {}", one.law, one.example.words())).collect();
    assert_eq!(broken, Vec::<String>::new());
    assert!(report.holds(), "{:?}", report.unsettled);
    assert_eq!(report.proved.len(), laws.laws.len());
    let idle: Vec<_> = report.proved.iter().filter(|(_, spoke)| **spoke == 0).collect();
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
                    broken.words, by, broken.example.words()
                ));
            }
            None => unguarded.push(id),
        }
    }
    assert_eq!(unguarded, UNGUARDED, "forbids that no invariant guards");
    insta::assert_snapshot!(said);
}
