//! The tool `diagnose` over the worlds of the bundles: it reads no logs, so it may not know; it must
//! not blame who is well.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test may stop at the first surprise"
)]

use std::path::Path;

use ostler_core::incident::CauseKind;
use ostler_evals::{
    bundle::{self, Truth},
    world::{Outcome, START, World},
};
use serde_json::{Value, json};

fn diagnosed(bundle: &bundle::Bundle) -> Value {
    let mut world = World::new(bundle).unwrap();
    match world.call("diagnose", json!({}), START, 1) {
        Outcome::Done(answer, _) => answer,
        Outcome::Denied(words) | Outcome::Refused(words) => panic!("{}: {words}", bundle.name),
    }
}

/// The service that the first suspect is or is an instance of.
fn blamed(bundle: &bundle::Bundle, answer: &Value) -> Option<String> {
    let first = answer.pointer("/suspects/0/object")?.as_str()?;
    let of = bundle
        .instances
        .iter()
        .find(|one| first == format!("instance/{}", one.id));
    Some(of.map_or_else(|| first.to_owned(), |one| one.service.to_string()))
}

#[test]
fn it_finds_the_place_and_leaves_the_healthy_alone() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("incidents");
    let (mut right, mut faulty, mut alarms, mut healthy) = (0, 0, 0, 0);
    for bundle in bundle::read_all(&folder).unwrap() {
        let answer = diagnosed(&bundle);
        let verdict = answer["verdict"].as_str().unwrap().to_owned();
        let blamed = blamed(&bundle, &answer);
        eprintln!(
            "{:<40} {verdict:<8} {blamed:?} {}",
            bundle.name, answer["suspects"][0]["cause"]
        );
        match &bundle.truth {
            // What is only old, or ill fitting, is not unwell: nothing is to be found.
            Truth::Healthy
            | Truth::Faulty {
                cause: CauseKind::Outdated | CauseKind::Misprovisioned,
                ..
            } => {
                healthy += 1;
                alarms += usize::from(verdict == "found");
            }
            Truth::Faulty { culprit, .. } => {
                faulty += 1;
                right += usize::from(blamed == Some(culprit.to_string()));
            }
            Truth::Unexplained { .. } => {}
        }
    }
    eprintln!("{right} of {faulty} places found, {alarms} of {healthy} healthy ones suspected");
    assert!(right * 10 >= faulty * 6, "{right} of {faulty}");
    assert!(alarms * 4 <= healthy, "{alarms} of {healthy}");
}
