//! Ports, probes, metrics and needs.

use std::collections::BTreeSet;

use super::{Fault, demand, process};
use crate::{
    spec::{Probe, ProbeAction, Protocol, ServiceSpec},
    time::Span,
};

/// Checks everything that has to do with who talks to whom.
pub(super) fn check(spec: &ServiceSpec) -> Result<(), Fault> {
    ports(spec)?;
    let probes = &spec.probes;
    for (name, probe) in [
        ("startup", &probes.startup),
        ("liveness", &probes.liveness),
        ("readiness", &probes.readiness),
    ] {
        if let Some(probe) = probe {
            check_probe(name, probe)?;
        }
    }
    if let Some(metrics) = &spec.metrics {
        port("spec.metrics.port", metrics.port)?;
        path("spec.metrics.path", &metrics.path)?;
    }
    needs(spec)
}

fn port(field: impl Into<String>, port: u16) -> Result<(), Fault> {
    demand(port != 0, field, port, "use 1 to 65535")
}

fn path(field: impl Into<String>, path: &str) -> Result<(), Fault> {
    let fine =
        path.starts_with('/') && path.len() <= 2_048 && path.bytes().all(|b| b.is_ascii_graphic());
    demand(
        fine,
        field,
        path,
        "use a path that starts with `/`, without spaces",
    )
}

fn ports(spec: &ServiceSpec) -> Result<(), Fault> {
    demand(
        spec.ports.len() <= 100,
        "spec.ports",
        spec.ports.len(),
        "use 100 ports at most",
    )?;
    let (mut names, mut numbers, mut published) =
        (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for (index, entry) in spec.ports.iter().enumerate() {
        let field = |name: &str| format!("spec.ports[{index}].{name}");
        port(field("port"), entry.port)?;
        let fine = names.insert(&entry.name);
        demand(
            fine,
            field("name"),
            &entry.name,
            "another port has this name already",
        )?;
        let fine = numbers.insert((entry.port, entry.protocol));
        demand(
            fine,
            field("port"),
            entry.port,
            "another entry has this port already",
        )?;
        if entry.app_protocol.is_some() {
            let fine = entry.protocol == Protocol::Tcp;
            demand(
                fine,
                field("appProtocol"),
                "http",
                "it is spoken over TCP; leave `protocol` out or write `tcp`",
            )?;
        }
        if let Some(publish) = entry.publish {
            port(field("publish"), publish)?;
            let fine = published.insert((publish, entry.protocol));
            demand(
                fine,
                field("publish"),
                publish,
                "another entry publishes this port already",
            )?;
        }
    }
    Ok(())
}

fn check_probe(name: &str, probe: &Probe) -> Result<(), Fault> {
    let field = |part: &str| format!("spec.probes.{name}.{part}");
    match &probe.action {
        ProbeAction::Http {
            port: number,
            path: text,
        } => {
            port(field("http.port"), *number)?;
            path(field("http.path"), text)?;
        }
        ProbeAction::Tcp { port: number } => port(field("tcp.port"), *number)?,
        ProbeAction::Exec { command } => {
            let fine = command.first().is_some_and(|first| !first.is_empty());
            demand(fine, field("exec.command"), "", "name a program")?;
            process::words(&field("exec.command"), command)?;
        }
    }
    let hour = Span::minutes(60);
    let fine = probe.period >= Span(100) && probe.period <= hour;
    demand(fine, field("period"), probe.period, "use 100ms to 1h")?;
    let fine = probe.timeout >= Span(1) && probe.timeout <= Span::minutes(5);
    demand(fine, field("timeout"), probe.timeout, "use 1ms to 5m")?;
    demand(
        probe.initial_delay <= hour,
        field("initialDelay"),
        probe.initial_delay,
        "use 1h at most",
    )?;
    let fine = |count: u32| (1..=1_000).contains(&count);
    let (failures, successes) = (probe.failure_threshold, probe.success_threshold);
    demand(
        fine(failures),
        field("failureThreshold"),
        failures,
        "use 1 to 1000",
    )?;
    demand(
        fine(successes),
        field("successThreshold"),
        successes,
        "use 1 to 1000",
    )
}

fn needs(spec: &ServiceSpec) -> Result<(), Fault> {
    demand(
        spec.needs.len() <= 100,
        "spec.needs",
        spec.needs.len(),
        "use 100 needs at most",
    )?;
    let mut names = BTreeSet::new();
    for (index, need) in spec.needs.iter().enumerate() {
        let fine = names.insert(&need.service);
        let field = format!("spec.needs[{index}].service");
        demand(fine, field, &need.service, "it is named twice; keep one")?;
    }
    Ok(())
}
