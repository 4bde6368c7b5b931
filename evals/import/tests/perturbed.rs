//! The same incidents made strange: other names, and a part of what was seen not seen. What the
//! engine says must hang on neither.
//!
//! Prints figures; asserts that names do not matter, and what is left with a tenth or a fifth of the evidence
//! gone. The data is no part of the project, see `common`.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test may stop at the first surprise, and prints its table"
)]

mod common;

use common::folder;
use ostler_diagnosis::{
    diagnose::diagnose,
    knowledge::Knowledge,
    picture::{Kind, Picture},
};
use ostler_evals_import::{
    case::{Case, Truth},
    cloudopsbench::{read, right},
};

/// Names that say what a thing is: whoever calls a database `mysql` means it.
const TELLING: [&str; 8] = [
    "mysql", "mongo", "redis", "rabbitmq", "nacos", "kafka", "postgres", "app",
];

/// The same number for the same text, from 0 up to 1.
fn chance(text: &str) -> f64 {
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mixed = (hash ^ (hash >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (mixed >> 11) as f64 / (1_u64 << 53) as f64
}

/// Every service gets another name, the same everywhere: in ids, events, lines and facts. Where a
/// route leads astray, a service's name is what says so: there it only gets something before it.
fn renamed(case: &Case, salt: &str) -> Case {
    let services = case.picture.objects.iter();
    let mut names: Vec<&str> = services
        .filter(|(_, object)| object.kind == Kind::Service)
        .map(|(id, _)| id.rsplit('/').next().unwrap())
        .filter(|name| !TELLING.contains(name) && name.len() > 3)
        .collect();
    names.sort_by_key(|name| (std::cmp::Reverse(name.len()), *name));
    let token = |name: &str| {
        let number = chance(&format!("{salt}{name}")) * 1e7;
        format!("w{:07}q", number as u64)
    };
    let cause = match &case.truth {
        Truth::Faulty { cause, .. } => cause.as_deref(),
        Truth::Healthy => None,
    };
    let keeps = cause == Some("gateway_misroute");
    let other = |text: String| {
        // A name may be part of another one: nothing that was put in is looked at again.
        let marked = names.iter().enumerate().fold(text, |text, (place, name)| {
            text.replace(name, &format!("\u{1}{place}\u{2}"))
        });
        names
            .iter()
            .enumerate()
            .fold(marked, |text, (place, name)| {
                let new = if keeps {
                    format!("{}-{name}", token(name))
                } else {
                    token(name)
                };
                text.replace(&format!("\u{1}{place}\u{2}"), &new)
            })
    };
    let text = serde_json::to_string(&case.picture).unwrap();
    let mut case = case.clone();
    case.picture = serde_json::from_str(&other(text)).unwrap();
    if let Truth::Faulty { objects, .. } = &mut case.truth {
        *objects = objects.iter().cloned().map(other).collect();
    }
    case
}

/// Of each list of the picture, and of the facts, this share is not seen.
fn thinned(case: &Case, share: f64, salt: &str) -> Case {
    let mut case = case.clone();
    let Picture {
        objects,
        signals,
        events,
        logs,
        ..
    } = &mut case.picture;
    let keeps = |what: String| chance(&format!("{salt}/{}/{what}", case.id)) >= share;
    signals.retain(|one| keeps(format!("{}/{}", one.object, one.name)));
    events.retain(|one| keeps(format!("{}/{}/{}", one.object, one.reason, one.message)));
    logs.retain(|one| keeps(format!("{}/{}", one.object, one.line)));
    for (id, object) in objects {
        object.facts.retain(|name, _| keeps(format!("{id}/{name}")));
    }
    case
}

/// Shares of cases with object and cause, and with the object, named first.
fn measured(name: &str, cases: impl Iterator<Item = Case>, knowledge: &Knowledge) -> (f64, f64) {
    let (mut whole, mut cause, mut object) = (0.0, 0.0, 0.0);
    for case in cases {
        let said = diagnose(&case.picture, knowledge);
        let first = said.findings.first().map(|first| right(first, &case.truth));
        let (right_object, right_cause) = first.unwrap_or_default();
        whole += 1.0;
        cause += f64::from(u8::from(right_cause));
        object += f64::from(u8::from(right_object));
        if std::env::var_os("OSTLER_MISSES").is_some() && !right_cause {
            let said = said.findings.first().map(|one| (&one.object, &one.cause));
            println!("  {name}: {} {said:?} not {:?}", case.id, case.truth);
        }
    }
    println!(
        "{name:<28} object and cause {:.3}, object {:.3}",
        cause / whole,
        object / whole
    );
    (cause / whole, object / whole)
}

#[test]
fn names_and_gaps_do_not_decide() {
    let Some(folder) = folder("cloudopsbench") else {
        return;
    };
    let knowledge = Knowledge::built_in().unwrap();
    let all = read(&folder).unwrap();
    let as_is = measured("as recorded", all.iter().cloned(), &knowledge);
    for salt in ["a", "b"] {
        let cases = all.iter().map(|case| renamed(case, salt));
        let other = measured(&format!("other names ({salt})"), cases, &knowledge);
        assert!(other.0 > as_is.0 - 0.015, "{other:?} against {as_is:?}");
    }
    for (share, floor) in [(0.1, 0.78), (0.2, 0.55)] {
        let cases = all.iter().map(|case| thinned(case, share, "c"));
        let less = measured(&format!("{share} not seen"), cases, &knowledge);
        assert!(less.0 >= floor, "{less:?}");
    }
}
