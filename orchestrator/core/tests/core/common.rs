//! What several test files share: short ways to write services and intents.

use ostler_core::{
    analysis::Verdict,
    change::{Change, ServicePut, apply},
    id::{Generation, ServiceKey},
    intent::Intent,
    plan::Judged,
    sim::Quality,
    spec::{ServiceSpec, read_manifests},
    time::Time,
};

/// A service's full name.
pub fn key(name: &str) -> ServiceKey {
    name.parse().unwrap()
}

/// A spec from the lines below `spec:`.
pub fn spec(yaml: &str) -> ServiceSpec {
    let body: String = yaml.lines().map(|line| format!("  {line}\n")).collect();
    let text =
        format!("apiVersion: ostler.dev/v1\nkind: Service\nmetadata:\n  name: any\nspec:\n{body}");
    read_manifests(&text).unwrap().remove(0).spec
}

/// A service to put.
pub fn put(name: &str, yaml: &str) -> ServicePut {
    ServicePut {
        service: key(name),
        labels: Default::default(),
        spec: spec(yaml),
    }
}

/// The change that applies one service.
pub fn applying(name: &str, yaml: &str) -> Change {
    Change::ApplyServices {
        services: vec![put(name, yaml)],
    }
}

/// Applies a change that must be accepted.
pub fn next(intent: &Intent, change: &Change) -> Intent {
    apply(intent, change, Time(1_000)).unwrap().intent
}

/// An intent with these services, each settled at its first generation.
pub fn intent(services: &[(&str, &str)]) -> Intent {
    let puts = services
        .iter()
        .map(|(name, yaml)| put(name, yaml))
        .collect();
    let mut intent = next(
        &Intent::default(),
        &Change::ApplyServices { services: puts },
    );
    for (name, _) in services {
        intent = settle(&intent, name);
    }
    intent
}

/// Settles the current generation.
pub fn settle(intent: &Intent, name: &str) -> Intent {
    let generation = generation(intent, name);
    next(
        intent,
        &Change::SettleService {
            service: key(name),
            generation,
        },
    )
}

/// A service's current generation.
pub fn generation(intent: &Intent, name: &str) -> Generation {
    intent.services[&key(name)].generation
}

/// How versions answer: the last good one and those as good, one that fails, one that is slow.
pub const SAME: Quality = Quality {
    errors: 20,
    slow: 40,
};
pub const FAILING: Quality = Quality {
    errors: 150,
    slow: 40,
};
pub const SLOW: Quality = Quality {
    errors: 20,
    slow: 300,
};

/// What its traffic says of a new version, where it is judged by that.
pub fn verdict(judged: &Judged) -> Option<Verdict> {
    judged.judgement().map(|judgement| judgement.verdict)
}
