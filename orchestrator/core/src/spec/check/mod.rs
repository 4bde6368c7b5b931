//! Whether the values of a spec make sense: after the shape was accepted, before anything is kept.
//!
//! Each refusal names the service, the field's path, the value and what is accepted. Whether
//! references lead anywhere is not asked here: that depends on the intent.

mod network;
mod process;
mod scaling;
mod storage;
mod update;
mod upgrades;

use std::{collections::BTreeMap, fmt::Display};

use super::{InvalidManifest, Manifest, Objectives, ServiceSpec};
use crate::{
    autoscale::Tuning,
    id::ServiceKey,
    time::Span,
    units::{Bytes, MilliCpu},
};

/// Most instances of one service.
pub const REPLICAS_LIMIT: u32 = 10_000;
/// Smallest memory limit.
const MEMORY_FLOOR: Bytes = Bytes::mib(4);
const SPAN_CEILING: Span = Span::minutes(7 * 24 * 60);

/// Checks the values of one manifest.
///
/// # Errors
/// [`InvalidManifest::Value`] for the first value that is not acceptable.
pub fn check(manifest: &Manifest) -> Result<(), InvalidManifest> {
    check_service(&manifest.key(), &manifest.metadata.labels, &manifest.spec)
}

/// Checks the values of one service's labels and spec.
///
/// # Errors
/// [`InvalidManifest::Value`] for the first value that is not acceptable.
pub fn check_service(
    key: &ServiceKey,
    labels: &BTreeMap<String, String>,
    spec: &ServiceSpec,
) -> Result<(), InvalidManifest> {
    all(labels, spec).map_err(|Fault { field, problem }| InvalidManifest::Value {
        service: key.to_string(),
        field,
        problem,
    })
}

/// Checks what is tuned of a service's scaling.
///
/// # Errors
/// [`InvalidManifest::Value`] for the first value that is not acceptable.
pub fn check_tuning(
    key: &ServiceKey,
    spec: &ServiceSpec,
    tuning: &Tuning,
) -> Result<(), InvalidManifest> {
    scaling::tuning(spec, tuning).map_err(|Fault { field, problem }| InvalidManifest::Value {
        service: key.to_string(),
        field,
        problem,
    })
}

fn all(labels: &BTreeMap<String, String>, spec: &ServiceSpec) -> Result<(), Fault> {
    check_labels(labels)?;
    process::check(spec)?;
    network::check(spec)?;
    replicas(spec)?;
    resources(spec)?;
    restart(spec)?;
    update::check(&spec.update)?;
    storage::check(spec)?;
    scaling::check(spec)?;
    upgrades::check(spec)?;
    spec.objectives.as_ref().map_or(Ok(()), objectives)
}

/// A value that is not acceptable.
struct Fault {
    field: String,
    problem: String,
}

/// Fails with the field, its value and what is accepted, unless `fine`.
fn demand(
    fine: bool,
    field: impl Into<String>,
    value: impl Display,
    accepted: &str,
) -> Result<(), Fault> {
    if fine {
        return Ok(());
    }
    let value: String = value.to_string().chars().take(80).collect();
    Err(Fault {
        field: field.into(),
        problem: format!("`{value}` is not accepted: {accepted}"),
    })
}

fn check_labels(labels: &BTreeMap<String, String>) -> Result<(), Fault> {
    demand(
        labels.len() <= 64,
        "metadata.labels",
        labels.len(),
        "use 64 labels at most",
    )?;
    for (name, value) in labels {
        let field = format!(
            "metadata.labels.{}",
            name.chars().take(80).collect::<String>()
        );
        let fine = (1..=128).contains(&name.len()) && !name.chars().any(char::is_control);
        demand(
            fine,
            &*field,
            name,
            "use a label name of 1 to 128 printable characters",
        )?;
        let fine = value.len() <= 256 && !value.chars().any(char::is_control);
        demand(fine, field, value, "use at most 256 printable characters")?;
    }
    Ok(())
}

fn replicas(spec: &ServiceSpec) -> Result<(), Fault> {
    let (min, max) = (spec.replicas.min, spec.replicas.max);
    demand(
        max <= REPLICAS_LIMIT,
        "spec.replicas.max",
        max,
        "use 10000 at most",
    )?;
    let accepted = format!("use at most `spec.replicas.max`, which is {max}");
    demand(min <= max, "spec.replicas.min", min, &accepted)
}

fn resources(spec: &ServiceSpec) -> Result<(), Fault> {
    let (requests, limits) = (spec.resources.requests, spec.resources.limits);
    if let Some(memory) = limits.memory {
        let fine = memory >= MEMORY_FLOOR;
        demand(
            fine,
            "spec.resources.limits.memory",
            memory,
            "use at least 4Mi",
        )?;
    }
    if let Some(cpu) = limits.cpu {
        demand(
            cpu >= MilliCpu(1),
            "spec.resources.limits.cpu",
            cpu,
            "use at least 1m",
        )?;
    }
    if let Some(pids) = limits.pids {
        let fine = (1..=4_194_304).contains(&pids);
        demand(fine, "spec.resources.limits.pids", pids, "use 1 to 4194304")?;
    }
    if let Some(pids) = requests.pids {
        let accepted = "processes cannot be reserved; set `spec.resources.limits.pids`";
        demand(false, "spec.resources.requests.pids", pids, accepted)?;
    }
    within("cpu", requests.cpu, limits.cpu)?;
    within("memory", requests.memory, limits.memory)
}

fn within<T: Display + PartialOrd>(
    what: &str,
    request: Option<T>,
    limit: Option<T>,
) -> Result<(), Fault> {
    let (Some(request), Some(limit)) = (request, limit) else {
        return Ok(());
    };
    let accepted = format!("use at most `spec.resources.limits.{what}`, which is {limit}");
    demand(
        request <= limit,
        format!("spec.resources.requests.{what}"),
        request,
        &accepted,
    )
}

fn restart(spec: &ServiceSpec) -> Result<(), Fault> {
    let restart = spec.restart;
    let count = restart.crash_loop_after;
    demand(
        (1..=100).contains(&count),
        "spec.restart.crashLoopAfter",
        count,
        "use 1 to 100",
    )?;
    let fine = restart.backoff >= Span(10);
    demand(
        fine,
        "spec.restart.backoff",
        restart.backoff,
        "use at least 10ms",
    )?;
    span("spec.restart.maxBackoff", restart.max_backoff)?;
    span("spec.restart.resetAfter", restart.reset_after)?;
    let accepted = format!(
        "use at most `spec.restart.maxBackoff`, which is {}",
        restart.max_backoff
    );
    let fine = restart.backoff <= restart.max_backoff;
    demand(fine, "spec.restart.backoff", restart.backoff, &accepted)?;
    let grace = spec.stop.grace;
    demand(
        grace <= Span::minutes(60),
        "spec.stop.grace",
        grace,
        "use 1h at most",
    )
}

/// A span that must be above zero and a week at most.
fn span(field: &str, span: Span) -> Result<(), Fault> {
    let fine = span > Span(0) && span <= SPAN_CEILING;
    demand(fine, field, span, "use more than 0s and 7d at most")
}

fn objectives(objectives: &Objectives) -> Result<(), Fault> {
    let share = |field: &str, value: f64| {
        demand(
            value > 0.0 && value < 100.0,
            field,
            value,
            "use percent above 0 and below 100",
        )
    };
    if let Some(availability) = objectives.availability {
        share("spec.objectives.availability", availability)?;
    }
    if let Some(latency) = objectives.latency {
        share("spec.objectives.latency.quantile", latency.quantile)?;
        let fine = latency.under > Span(0) && latency.under <= Span::minutes(60);
        let field = "spec.objectives.latency.under";
        demand(
            fine,
            field,
            latency.under,
            "use more than 0s and 1h at most",
        )?;
    }
    Ok(())
}
