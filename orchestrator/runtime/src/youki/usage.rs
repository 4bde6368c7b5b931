//! What instances and the machine use, from the kernel's files.

use std::{
    fs,
    path::{Path, PathBuf},
};

use ostler_core::units::{Bytes, MilliCpu};

use super::cgroups::Tree;
use crate::{
    backend::{Machine, Usage},
    disk,
};

/// Most directory entries that are counted for a volume's size.
const ENTRIES: usize = 100_000;

/// What an instance uses now. `volumes` are directories, with the size at which they count as full.
pub(super) fn of_instance(
    tree: &Tree,
    instance: &str,
    volumes: &[(PathBuf, Option<u64>)],
) -> Usage {
    let file = |controller, v1, v2| text(tree.file(instance, controller, v1, v2));
    let stat = file("cpu", "cpu.stat", "cpu.stat");
    let throttled = field(&stat, "nr_throttled").zip(field(&stat, "nr_periods"));
    let used = number(&file("memory", "memory.usage_in_bytes", "memory.current"));
    let cache = file("memory", "memory.stat", "memory.stat");
    let inactive = field(&cache, "total_inactive_file")
        .or_else(|| field(&cache, "inactive_file"))
        .unwrap_or(0);
    let limit = file("memory", "memory.limit_in_bytes", "memory.max")
        .trim()
        .parse::<u64>()
        .ok();
    Usage {
        cpu_us: cpu_us(tree, instance),
        throttled,
        memory: Bytes(used.saturating_sub(inactive)),
        // v1 says "no limit" with a number above any memory there is.
        memory_limit: limit.filter(|bytes| *bytes < 1 << 60).map(Bytes),
        pids: file("pids", "pids.current", "pids.current")
            .trim()
            .parse()
            .ok(),
        pressure: pressure(|kind| text(tree.unified_file(instance, &format!("{kind}.pressure")))),
        volume_share: volumes
            .iter()
            .filter_map(|(path, size)| share(path, *size))
            .reduce(f64::max),
    }
}

/// CPU time that an instance used, in microseconds; zero where the kernel does not tell.
pub(super) fn cpu_us(tree: &Tree, instance: &str) -> u64 {
    let stat = text(tree.file(instance, "cpuacct", "cpuacct.usage", "cpu.stat"));
    match tree.is_v1("cpuacct") {
        true => number(&stat) / 1_000,
        false => field(&stat, "usage_usec").unwrap_or(0),
    }
}

/// What the machine offers and how full it is; `state` is a directory on the disk in question.
pub(super) fn of_machine(state: &Path) -> std::io::Result<Machine> {
    let memory = fs::read_to_string("/proc/meminfo")?;
    let kib = |name: &str| field(&memory, name).unwrap_or(0).saturating_mul(1024);
    let cpus = std::thread::available_parallelism()?.get() as u64;
    Ok(Machine {
        cpu: MilliCpu(cpus * 1_000),
        memory: Bytes(kib("MemTotal:")),
        memory_available: Bytes(kib("MemAvailable:")),
        disk_share: disk::share(state)?,
        pressure: pressure(|kind| text(Some(PathBuf::from(format!("/proc/pressure/{kind}"))))),
    })
}

fn text(path: Option<PathBuf>) -> String {
    path.and_then(|path| fs::read_to_string(path).ok())
        .unwrap_or_default()
}

fn number(text: &str) -> u64 {
    text.trim().parse().unwrap_or(0)
}

/// The number after a name at a line's start.
fn field(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        (words.next() == Some(name))
            .then(|| words.next()?.parse().ok())
            .flatten()
    })
}

/// `some avg10` of CPU, memory and I/O (the kernel's `Documentation/accounting/psi.rst`).
fn pressure(read: impl Fn(&str) -> String) -> Option<[f64; 3]> {
    let share = |kind: &str| -> Option<f64> {
        let text = read(kind);
        let some = text.lines().find_map(|line| line.strip_prefix("some "))?;
        let average = some
            .split(' ')
            .find_map(|word| word.strip_prefix("avg10="))?;
        average.parse::<f64>().ok().map(|percent| percent / 100.0)
    };
    Some([share("cpu")?, share("memory")?, share("io")?])
}

/// How full a directory is: against its own size, or its file system's.
#[expect(
    clippy::cast_precision_loss,
    reason = "a share needs no more than 53 bits"
)]
fn share(path: &Path, size: Option<u64>) -> Option<f64> {
    if let Some(size) = size {
        let mut left = ENTRIES;
        return Some((bytes_below(path, &mut left) as f64 / size.max(1) as f64).min(1.0));
    }
    disk::share(path).ok()
}

fn bytes_below(dir: &Path, left: &mut usize) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let mut bytes = 0;
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        if *left == 0 {
            break;
        }
        *left -= 1;
        let Ok(meta) = entry.metadata() else { continue };
        bytes += meta.blocks() * 512;
        if meta.is_dir() {
            bytes += bytes_below(&entry.path(), left);
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernel_files_are_read() {
        let psi = "some avg10=12.50 avg60=0.00 avg300=0.00 total=1\nfull avg10=1.00 avg60=0.00 avg300=0.00 total=0\n";
        assert_eq!(pressure(|_| psi.to_owned()), Some([0.125; 3]));
        assert_eq!(
            pressure(|kind| if kind == "io" {
                String::new()
            } else {
                psi.to_owned()
            }),
            None
        );
        assert_eq!(
            field("nr_periods 7\nnr_throttled 3\n", "nr_throttled"),
            Some(3)
        );
        assert_eq!(
            field("MemTotal:       24681 kB\n", "MemTotal:"),
            Some(24681)
        );
        let machine = of_machine(Path::new("/")).unwrap();
        assert!(machine.cpu.0 >= 1_000 && machine.memory_available <= machine.memory);
        assert!((0.0..=1.0).contains(&machine.disk_share));
    }

    #[test]
    fn a_volume_is_measured_against_its_own_size() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("data"), vec![1; 512 * 1024]).unwrap();
        let half = share(dir.path(), Some(1 << 20)).unwrap();
        assert!((0.45..=0.6).contains(&half), "{half}");
    }
}
