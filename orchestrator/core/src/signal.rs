//! Typed time series on services, instances and nodes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    id::{InstanceId, NodeName, ServiceKey},
    time::Time,
};

/// What a series measures. Gauges are values; counters were turned into rates per second.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum SignalKind {
    /// CPU used, in cores; of a service, by all its instances.
    CpuCores,
    /// Share of periods in which CPU was throttled, 0 to 1; of a service, that of its most throttled instance.
    CpuThrottled,
    /// Memory used without reclaimable page cache, in bytes; of a service, that of its fullest instance.
    MemoryBytes,
    /// Memory used as a share of the limit, 0 to 1.
    MemoryShare,
    /// PSI `some` over 10 s for CPU, 0 to 1.
    CpuPressure,
    /// PSI `some` over 10 s for memory, 0 to 1.
    MemoryPressure,
    /// PSI `some` over 10 s for I/O, 0 to 1.
    IoPressure,
    /// Starts after the first, as a running count.
    Restarts,
    /// Time a readiness probe's try took, in seconds.
    ProbeSeconds,
    /// Whether the readiness probe's try passed, 0 or 1.
    ProbePassed,
    /// Requests per second.
    RequestRate,
    /// Share of requests that failed, 0 to 1.
    ErrorRatio,
    /// Median latency in seconds.
    LatencyP50,
    /// 99th percentile latency in seconds.
    LatencyP99,
    /// Requests or jobs that wait.
    QueueDepth,
    /// Share of a disk or volume in use, 0 to 1.
    DiskShare,
}

/// Whom a series is about.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// A service as a whole.
    Service(ServiceKey),
    /// One instance.
    Instance(InstanceId),
    /// A machine.
    Node(NodeName),
}

/// One measured value. A missing moment is missing, never zero.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Point {
    /// When.
    pub at: Time,
    /// The value; always finite.
    pub value: f64,
}

/// A stretch of one series.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Series {
    /// Whom it is about.
    pub subject: Subject,
    /// What it measures.
    pub kind: SignalKind,
    /// The values, oldest first.
    pub points: Vec<Point>,
}

/// Reads the short history of signals.
pub trait SignalReader: Send + Sync {
    /// A stretch of one series, resampled to at most `points` points; empty when nothing is known.
    fn series(
        &self,
        subject: &Subject,
        kind: SignalKind,
        from: Time,
        to: Time,
        points: usize,
    ) -> Series;
    /// Which kinds are known of a subject.
    fn kinds(&self, subject: &Subject) -> Vec<SignalKind>;
}
