//! The machine itself: what it offers, how full and how pressed it is.

use std::{sync::Arc, time::Duration};

use ostler_core::{
    observed::NodeSeen,
    signal::{SignalKind, Subject},
    units::MilliCpu,
};
use ostler_runtime::backend::Machine;
use tokio_util::sync::CancellationToken;

use crate::{clock, fleet::Fleet};

const EVERY: Duration = Duration::from_secs(5);
/// Requests may exceed the CPUs: they are shares, not reservations, on a single machine.
const CPU_OVERCOMMIT: u64 = 16;
/// Most instances on one machine.
const INSTANCES_LIMIT: u32 = 2_000;

/// Looks until told to stop; a machine that cannot be read is not ready.
pub async fn watch(fleet: Arc<Fleet>, stop: CancellationToken) {
    let mut tick = tokio::time::interval(EVERY);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = tick.tick() => look(&fleet).await,
        }
    }
}

/// Looks once.
pub async fn look(fleet: &Fleet) {
    let now = clock::now();
    match fleet.backend.machine().await {
        Ok(machine) => {
            record(fleet, &machine);
            let seen = NodeSeen {
                ready: true,
                cpu: MilliCpu(machine.cpu.0.saturating_mul(CPU_OVERCOMMIT)),
                memory: machine.memory,
                max_instances: INSTANCES_LIMIT,
                seen_at: now,
            };
            fleet.write(|table| table.set_node(&fleet.node, seen));
        }
        Err(error) => tracing::error!(%error, "the machine's figures cannot be read"),
    }
}

#[expect(clippy::cast_precision_loss, reason = "memory sizes stay below 2^53")]
fn record(fleet: &Fleet, machine: &Machine) {
    let (subject, now) = (Subject::Node(fleet.node.clone()), clock::now());
    let record = |kind, value| fleet.history().record(&subject, kind, now, value);
    let used = machine.memory.0.saturating_sub(machine.memory_available.0) as f64;
    record(SignalKind::MemoryBytes, used);
    record(
        SignalKind::MemoryShare,
        used / (machine.memory.0.max(1) as f64),
    );
    record(SignalKind::DiskShare, machine.disk_share);
    if let Some([cpu, memory, io]) = machine.pressure {
        record(SignalKind::CpuPressure, cpu);
        record(SignalKind::MemoryPressure, memory);
        record(SignalKind::IoPressure, io);
    }
}
