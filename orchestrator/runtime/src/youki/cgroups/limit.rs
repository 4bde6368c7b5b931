//! What an instance may use, as files of its control groups: written before it starts, and again
//! while it runs. Nothing here ends a process: a memory limit below what is in use is refused.
//!
//! On v1 the kernel refuses such a limit itself (EBUSY) once it has reclaimed what it could. On v2 it
//! would kill: there `memory.high`, which reclaims and slows down but never kills, goes first
//! (the kernel's `admin-guide/cgroup-v2.rst`, "Memory Interface Files").

use std::{fs, io, path::PathBuf};

use ostler_core::{
    spec::Resources,
    units::{Bytes, MilliCpu},
};

use super::{CgroupError, Tree, refused};

/// Processes and threads of an instance that sets no limit.
const PIDS: u32 = 4096;
/// The scheduler's period in microseconds.
const PERIOD_US: u64 = 100_000;
/// What v2 calls no limit.
const MAX: &str = "max";
/// What v1 calls no limit.
const NONE: &str = "-1";

/// Why an instance does not get other resources.
#[derive(Debug, thiserror::Error)]
pub(in crate::youki) enum Unfit {
    /// It uses more than the limit, after what could be reclaimed was.
    #[error("{used} of memory are in use, more than the new limit of {limit}")]
    MemoryInUse {
        /// What it uses.
        used: Bytes,
        /// What it was to be limited to.
        limit: Bytes,
    },
    /// A file refused.
    #[error(transparent)]
    Refused(#[from] CgroupError),
}

/// A file of one controller: its name and value on v1, and on v2.
type Setting = (&'static str, (&'static str, String), (&'static str, String));

impl Tree {
    /// Limits new groups, in which nothing runs and nothing is limited.
    pub(super) fn limit(&self, instance: &str, resources: &Resources) -> Result<(), CgroupError> {
        let limits = &resources.limits;
        if let Some(memory) = limits.memory {
            self.write(instance, &memory_max(Some(memory)))?;
            self.swap(instance, Some(memory))?;
        }
        let cpu = limits.cpu.map(|cpu| quota(Some(cpu)));
        let weight = resources.requests.cpu.map(|cpu| weight(Some(cpu)));
        let rest = [Some(processes(limits.pids)), cpu, weight];
        rest.iter()
            .flatten()
            .try_for_each(|setting| self.write(instance, setting))
    }

    /// Sets all limits anew while the instance runs, also those that are taken away. Blocks while
    /// memory is reclaimed. What may be refused goes first: then all stays as it was.
    pub(in crate::youki) fn resize(
        &self,
        instance: &str,
        resources: &Resources,
    ) -> Result<(), Unfit> {
        let limits = &resources.limits;
        match self.is_v1("memory") {
            true => self.resize_memory_v1(instance, limits.memory)?,
            false => self.resize_memory_v2(instance, limits.memory)?,
        }
        for setting in [
            processes(limits.pids),
            quota(limits.cpu),
            weight(resources.requests.cpu),
        ] {
            self.write(instance, &setting)?;
        }
        Ok(())
    }

    /// Memory, then memory and swap together, which must never be less: growing goes the other way.
    fn resize_memory_v1(&self, instance: &str, limit: Option<Bytes>) -> Result<(), Unfit> {
        let in_use = |error: CgroupError| self.in_use(instance, limit, error);
        let max = memory_max(limit);
        match self.write(instance, &max) {
            Err(error) if code(&error) == Some(libc::EINVAL) => {
                self.swap(instance, limit)?;
                self.write(instance, &max).map_err(in_use)
            }
            written => {
                written.map_err(in_use)?;
                self.swap(instance, limit).map_err(in_use)
            }
        }
    }

    fn resize_memory_v2(&self, instance: &str, limit: Option<Bytes>) -> Result<(), Unfit> {
        let high = |value: &str| {
            let setting = (
                "memory",
                ("", String::new()),
                ("memory.high", value.to_owned()),
            );
            self.write(instance, &setting)
        };
        if let Some(limit) = limit {
            high(&limit.0.to_string())?;
            let used = self.memory_used(instance);
            if used > limit {
                high(MAX)?;
                return Err(Unfit::MemoryInUse { used, limit });
            }
        }
        self.write(instance, &memory_max(limit))?;
        self.swap(instance, limit)?;
        Ok(high(MAX)?)
    }

    /// No swap on top of memory; absent where the kernel does not account for it.
    fn swap(&self, instance: &str, limit: Option<Bytes>) -> Result<(), CgroupError> {
        let (v1, v2) = ("memory.memsw.limit_in_bytes", "memory.swap.max");
        let path = self.file(instance, "memory", v1, v2);
        if path.is_none_or(|path| !path.exists()) {
            return Ok(());
        }
        let (_, (_, all), _) = memory_max(limit);
        let swap = limit.map_or(MAX, |_| "0").to_owned();
        self.write(instance, &("memory", (v1, all), (v2, swap)))
    }

    fn in_use(&self, instance: &str, limit: Option<Bytes>, error: CgroupError) -> Unfit {
        match limit.filter(|_| code(&error) == Some(libc::EBUSY)) {
            Some(limit) => Unfit::MemoryInUse {
                used: self.memory_used(instance),
                limit,
            },
            None => Unfit::Refused(error),
        }
    }

    /// What it uses, page cache included.
    fn memory_used(&self, instance: &str) -> Bytes {
        let path = self.file(
            instance,
            "memory",
            "memory.usage_in_bytes",
            "memory.current",
        );
        let text = path.and_then(|path| fs::read_to_string(path).ok());
        let used = text.and_then(|text| text.trim().parse().ok());
        Bytes(used.unwrap_or(0))
    }

    fn write(&self, instance: &str, setting: &Setting) -> Result<(), CgroupError> {
        let (controller, old, new) = setting;
        let (_, value) = if self.is_v1(controller) { old } else { new };
        let path: PathBuf = self
            .file(instance, controller, old.0, new.0)
            .ok_or(CgroupError::Missing(controller))?;
        fs::write(&path, value).map_err(refused(&path))
    }
}

fn code(error: &CgroupError) -> Option<i32> {
    match error {
        CgroupError::Refused { source, .. } => io::Error::raw_os_error(source),
        CgroupError::Missing(_) => None,
    }
}

fn memory_max(limit: Option<Bytes>) -> Setting {
    let bytes = limit.map(|limit| limit.0.to_string());
    let value = |none: &str| bytes.clone().unwrap_or_else(|| none.to_owned());
    let old = ("memory.limit_in_bytes", value(NONE));
    ("memory", old, ("memory.max", value(MAX)))
}

fn processes(limit: Option<u32>) -> Setting {
    let pids = limit.unwrap_or(PIDS).to_string();
    ("pids", ("pids.max", pids.clone()), ("pids.max", pids))
}

fn quota(limit: Option<MilliCpu>) -> Setting {
    // The kernel's least quota is one millisecond.
    let quota = limit.map(|cpu| {
        (cpu.0.saturating_mul(PERIOD_US) / 1_000)
            .max(1_000)
            .to_string()
    });
    let value = |none: &str| quota.clone().unwrap_or_else(|| none.to_owned());
    let new = format!("{} {PERIOD_US}", value(MAX));
    ("cpu", ("cpu.cfs_quota_us", value(NONE)), ("cpu.max", new))
}

/// Share of the CPU where that is short: 1024 on v1 and 100 on v2 unless something is reserved.
fn weight(request: Option<MilliCpu>) -> Setting {
    let shares = request.map(|cpu| (cpu.0.saturating_mul(1024) / 1_000).clamp(2, 262_144));
    let weight = shares.map(|shares| 1 + (shares - 2) * 9_999 / 262_142);
    let old = ("cpu.shares", shares.unwrap_or(1024).to_string());
    (
        "cpu",
        old,
        ("cpu.weight", weight.unwrap_or(100).to_string()),
    )
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn resources(text: &str) -> Resources {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn a_pure_v2_tree_is_resized_and_refuses_what_would_kill() {
        let root = tempfile::tempdir().unwrap();
        let offered = root.path().join("cgroup.controllers");
        fs::write(offered, "cpu io memory pids\n").unwrap();
        let mounts = format!(
            "30 25 0:26 / {} rw - cgroup2 cgroup2 rw\n",
            root.path().display()
        );
        let tree = Tree::from_mounts(&mounts, Path::new("ostler/x")).unwrap();
        tree.make_parent().unwrap();
        let small = resources("{\"limits\":{\"cpu\":\"250m\",\"memory\":\"64Mi\"}}");
        tree.prepare("web-1", &small).unwrap();
        let dir = root.path().join("ostler/x/web-1");
        let read = |name| fs::read_to_string(dir.join(name)).unwrap();
        fs::write(dir.join("memory.current"), "50000000\n").unwrap();

        let error = tree.resize("web-1", &resources("{\"limits\":{\"memory\":\"32Mi\"}}"));
        let error = error.unwrap_err();
        assert!(
            matches!(
                error,
                Unfit::MemoryInUse {
                    used: Bytes(50_000_000),
                    ..
                }
            ),
            "{error}"
        );
        assert_eq!(
            (read("memory.max"), read("memory.high"), read("cpu.max")),
            ("67108864".into(), "max".into(), "25000 100000".into()),
            "all is as it was"
        );
        let other = "{\"requests\":{\"cpu\":\"1\"},\"limits\":{\"memory\":\"48Mi\",\"pids\":9}}";
        tree.resize("web-1", &resources(other)).unwrap();
        assert_eq!(
            (read("memory.max"), read("memory.high"), read("cpu.max")),
            ("50331648".into(), "max".into(), "max 100000".into())
        );
        assert_eq!(
            (read("pids.max"), read("cpu.weight")),
            ("9".into(), "39".into())
        );
        tree.resize("web-1", &resources("{}")).unwrap();
        assert_eq!(
            (read("memory.max"), read("pids.max"), read("cpu.weight")),
            ("max".into(), "4096".into(), "100".into())
        );
    }
}
