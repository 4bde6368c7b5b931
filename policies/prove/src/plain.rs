//! Makes an example as plain as it can be while it still breaks the law: what is left is what matters.

use serde_json::{Value, json};

use crate::{
    example::{Breaks, Example},
    solver::ProveError,
};

/// Numbers that read better than what a solver likes.
const NUMBERS: [i64; 9] = [0, 1, 2, 3, 5, 11, 21, 100, 201];
/// Instances before and after: nothing, one more, one less, all gone, half gone, a jump.
const REPLICAS: [(i64, i64); 8] = [
    (0, 0),
    (2, 2),
    (2, 3),
    (3, 2),
    (1, 0),
    (3, 1),
    (2, 7),
    (5, 26),
];
/// Rounds; each makes something plainer, or it was the last.
const ROUNDS: usize = 8;

/// As plain as it gets.
pub(crate) fn plainer(mut example: Example, breaks: &Breaks<'_>) -> Result<Example, ProveError> {
    for _ in 0..ROUNDS {
        let before = example.clone();
        names(&mut example, breaks)?;
        replicas(&mut example, breaks)?;
        for pointer in pointers("", &breaks.subject.plain) {
            facts(&mut example, breaks, &pointer)?;
        }
        if example == before {
            break;
        }
    }
    Ok(example)
}

/// Takes a variant if it still breaks the law.
fn take(example: &mut Example, breaks: &Breaks<'_>, variant: Example) -> Result<bool, ProveError> {
    let better = variant != *example && breaks.by(&variant)?.is_some();
    if better {
        *example = variant;
    }
    Ok(better)
}

fn names(example: &mut Example, breaks: &Breaks<'_>) -> Result<(), ProveError> {
    for role in example.roles.clone() {
        let mut variant = example.clone();
        variant.roles.remove(&role);
        take(example, breaks, variant)?;
    }
    for place in example.within.clone() {
        let mut variant = example.clone();
        variant.within.remove(&place);
        take(example, breaks, variant)?;
    }
    let mut variant = example.clone();
    variant.name = "somebody".to_owned();
    take(example, breaks, variant)?;
    let mut variant = example.clone();
    variant.of = "something".to_owned();
    take(example, breaks, variant)?;
    Ok(())
}

/// Three numbers that belong together.
fn replicas(example: &mut Example, breaks: &Breaks<'_>) -> Result<(), ProveError> {
    for (from, to) in REPLICAS {
        let mut variant = example.clone();
        set(&mut variant.context, "/replicas_from", json!(from));
        set(&mut variant.context, "/replicas_to", json!(to));
        set(&mut variant.context, "/replicas_delta", json!(to - from));
        if variant == *example || take(example, breaks, variant)? {
            break;
        }
    }
    Ok(())
}

fn facts(example: &mut Example, breaks: &Breaks<'_>, pointer: &str) -> Result<(), ProveError> {
    let plain = breaks.subject.plain.pointer(pointer).cloned();
    let now = example
        .context
        .pointer(pointer)
        .cloned()
        .unwrap_or_default();
    if pointer.starts_with("/replicas_") || plain.as_ref() == Some(&now) {
        return Ok(());
    }
    let mut tries: Vec<Value> = plain.into_iter().collect();
    match &now {
        Value::Number(_) => tries.extend(NUMBERS.iter().map(|number| json!(number))),
        Value::Array(items) => tries.extend((0..items.len()).map(|without| less(items, without))),
        _ => {}
    }
    for value in tries {
        let mut variant = example.clone();
        set(&mut variant.context, pointer, value);
        if variant == *example || take(example, breaks, variant)? {
            break;
        }
    }
    Ok(())
}

fn less(items: &[Value], without: usize) -> Value {
    let kept = items.iter().enumerate().filter(|(at, _)| *at != without);
    kept.map(|(_, item)| item.clone()).collect()
}

fn set(context: &mut Value, pointer: &str, value: Value) {
    if let Some(place) = context.pointer_mut(pointer) {
        *place = value;
    }
}

/// Every leaf of a record.
fn pointers(path: &str, value: &Value) -> Vec<String> {
    match value {
        Value::Object(fields) => {
            let of_one =
                |(key, value): (&String, &Value)| pointers(&format!("{path}/{key}"), value);
            fields.iter().flat_map(of_one).collect()
        }
        _ => vec![path.to_owned()],
    }
}
