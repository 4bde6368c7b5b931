//! What a process and the machine use, from `/proc`.

use std::{fs, io, path::Path};

use ostler_core::units::{Bytes, MilliCpu};

use crate::{
    backend::{Machine, Usage},
    disk,
};

/// Clock ticks per second in `/proc` (fixed by the kernel's interface).
const TICKS: u64 = 100;

/// One process, without its children.
pub(super) fn of_process(pid: u32) -> Usage {
    let read = |name: &str| fs::read_to_string(format!("/proc/{pid}/{name}")).unwrap_or_default();
    let stat = read("stat");
    let fields: Vec<&str> = stat
        .rsplit_once(')')
        .map_or("", |(_, after)| after)
        .split_whitespace()
        .collect();
    let ticks = |index: usize| {
        fields
            .get(index)
            .and_then(|field| field.parse::<u64>().ok())
            .unwrap_or(0)
    };
    let status = read("status");
    Usage {
        cpu_us: (ticks(11) + ticks(12)) * 1_000_000 / TICKS,
        memory: Bytes(kib(&status, "VmRSS:")),
        pids: u32::try_from(number(&status, "Threads:")).ok(),
        ..Usage::default()
    }
}

/// The machine as a whole.
pub(super) fn of_machine() -> io::Result<Machine> {
    let memory = fs::read_to_string("/proc/meminfo")?;
    let cpus = std::thread::available_parallelism()?.get() as u64;
    Ok(Machine {
        cpu: MilliCpu(cpus * 1_000),
        memory: Bytes(kib(&memory, "MemTotal:")),
        memory_available: Bytes(kib(&memory, "MemAvailable:")),
        disk_share: disk::share(Path::new("/"))?,
        pressure: None,
    })
}

fn number(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok())
        .unwrap_or(0)
}

fn kib(text: &str, name: &str) -> u64 {
    number(text, name).saturating_mul(1024)
}
