//! What instances and machines use, as backends tell it.

use ostler_core::units::{Bytes, MilliCpu};

/// What an instance uses. Counters only grow within one attempt.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Usage {
    /// CPU time used, in microseconds.
    pub cpu_us: u64,
    /// Scheduling periods in which it was throttled, and periods in all.
    pub throttled: Option<(u64, u64)>,
    /// Memory in use without reclaimable page cache.
    pub memory: Bytes,
    /// Its memory limit.
    pub memory_limit: Option<Bytes>,
    /// Processes and threads.
    pub pids: Option<u32>,
    /// PSI `some avg10` for CPU, memory, I/O as shares from 0 to 1, where the kernel tells.
    pub pressure: Option<[f64; 3]>,
    /// Fullest volume: share in use from 0 to 1.
    pub volume_share: Option<f64>,
}

/// What the machine offers and how full it is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Machine {
    /// CPUs.
    pub cpu: MilliCpu,
    /// Memory.
    pub memory: Bytes,
    /// Memory that programs can still get.
    pub memory_available: Bytes,
    /// Share in use of the disk that holds instances, 0 to 1.
    pub disk_share: f64,
    /// PSI `some avg10` for CPU, memory, I/O as shares from 0 to 1, where the kernel tells.
    pub pressure: Option<[f64; 3]>,
}
