//! What each instance should reserve and may use.

use ostler_agents_kit::load::Load;
use ostler_capacity::fit::{Given, fit};
use ostler_core::spec::{ServiceSpec, Target};
use serde_json::{Map, Value, json};

use super::{
    advice::Advice,
    sight::{given, used},
};

const MIB: f64 = (1 << 20) as f64;

/// What fits better than what is given; nothing where that fits.
pub(super) fn limits(load: &Load) -> Option<Advice> {
    let detail = &load.detail.value;
    let mut given = given(&detail.spec);
    // Who scales on a share of what it reserves would scale otherwise.
    if scales_on_cpu(&detail.spec) {
        given.cpu_request = None;
    }
    // The core gives CPU as the load wants it.
    if detail.spec.follows_cpu() {
        (given.cpu_request, given.cpu_limit) = (None, None);
    }
    let fit = fit(&given, &used(load));
    if fit.is_empty() {
        return None;
    }
    let service = &detail.summary.service;
    let mut arguments = arguments(&fit.give);
    arguments.insert("service".to_owned(), json!(service));
    let (now, then) = (&given, &fit.give);
    let more =
        |now: Option<f64>, then: Option<f64>| then.is_some_and(|then| then > now.unwrap_or(0.0));
    let gives_more = more(now.memory_limit, then.memory_limit)
        || more(now.cpu_limit, then.cpu_limit)
        || more(now.memory_request, then.memory_request)
        || more(now.cpu_request, then.cpu_request);
    let claim = fit.why.first().cloned().unwrap_or_default();
    Some(Advice {
        tool: "set_limits",
        title: format!(
            "Fit what `{service}` is given to what it uses: {}",
            words(&arguments)
        ),
        arguments,
        claim: format!("`{service}`: {claim}"),
        why: fit.why,
        gives_more,
    })
}

fn scales_on_cpu(spec: &ServiceSpec) -> bool {
    let targets = spec.scaling.iter().flat_map(|scaling| &scaling.targets);
    targets
        .into_iter()
        .any(|one| matches!(one, Target::Cpu { .. }))
}

/// Rounded up to what people write: whole MiB and hundredths of a CPU.
fn arguments(give: &Given) -> Map<String, Value> {
    let memory = |bytes: f64| format!("{:.0}Mi", (bytes / MIB).ceil().max(1.0));
    let cpu = |cores: f64| format!("{:.0}m", (cores * 100.0).ceil() * 10.0);
    let all = [
        ("cpu", give.cpu_limit.map(cpu)),
        ("cpu_request", give.cpu_request.map(cpu)),
        ("memory", give.memory_limit.map(memory)),
        ("memory_request", give.memory_request.map(memory)),
    ];
    all.into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), json!(value?))))
        .collect()
}

fn words(arguments: &Map<String, Value>) -> String {
    let all = arguments.iter().filter(|(name, _)| *name != "service");
    let all = all.filter_map(|(name, value)| Some(format!("{name} {}", value.as_str()?)));
    all.collect::<Vec<_>>().join(", ")
}
