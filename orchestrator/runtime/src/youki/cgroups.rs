//! Control groups as the daemon uses them: found once, made and limited before an instance starts,
//! read while it runs, taken away after. v1, v2 and both side by side.

mod leave;
mod limit;

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use ostler_core::spec::Resources;
use sha2::{Digest, Sha256};

pub(super) use self::limit::Unfit;
use super::wire::Cgroups;

/// Controllers without which limits would be promises.
const NEEDED: [&str; 3] = ["cpu", "memory", "pids"];
/// Controllers of v1 that an instance is put under where they exist.
const JOINED: [&str; 8] = [
    "cpu", "cpuacct", "cpuset", "memory", "devices", "freezer", "blkio", "pids",
];
/// Controllers of v2 that are passed down where they exist.
const PASSED: [&str; 5] = ["cpu", "cpuset", "io", "memory", "pids"];
/// Devices that a container may use (v1; on v2 it can make none).
const DEVICES: [&str; 11] = [
    "c *:* m",
    "b *:* m",
    "c 1:3 rwm",
    "c 1:5 rwm",
    "c 1:7 rwm",
    "c 1:8 rwm",
    "c 1:9 rwm",
    "c 5:0 rwm",
    "c 5:1 rwm",
    "c 5:2 rwm",
    "c 136:* rwm",
];

/// Why this machine's control groups cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CgroupError {
    /// Something is not there.
    #[error(
        "the cgroup controller `{0}` is not available: mount cgroup2 on /sys/fs/cgroup, or every v1 controller, and give it to this process"
    )]
    Missing(&'static str),
    /// A file refused.
    #[error("cgroup `{path}`: {source}")]
    Refused {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// `ostler/` and eight characters that stand for the state directory: whose control groups a daemon uses where nobody says so.
pub(super) fn default_parent(root: &Path) -> PathBuf {
    let hash = Sha256::digest(root.as_os_str().as_encoded_bytes());
    let short: String = hash
        .iter()
        .take(4)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    Path::new("ostler").join(short)
}

fn refused(path: &Path) -> impl FnOnce(io::Error) -> CgroupError {
    let path = path.to_owned();
    move |source| CgroupError::Refused { path, source }
}

/// This machine's hierarchies and our place in them.
#[derive(Debug, Clone)]
pub(super) struct Tree {
    /// Controller → mount point, v1. Controllers mounted together share one.
    v1: BTreeMap<String, PathBuf>,
    /// Mount point of v2, if any.
    unified: Option<PathBuf>,
    /// Below each of those.
    parent: PathBuf,
}

impl Tree {
    /// Finds the hierarchies and makes our place in them.
    pub(super) fn open(parent: &Path) -> Result<Self, CgroupError> {
        let path = Path::new("/proc/self/mountinfo");
        let mounts = fs::read_to_string(path).map_err(refused(path))?;
        let tree = Self::from_mounts(&mounts, parent)?;
        tree.make_parent()?;
        Ok(tree)
    }

    fn from_mounts(mountinfo: &str, parent: &Path) -> Result<Self, CgroupError> {
        let mut v1 = BTreeMap::new();
        let mut unified = None;
        for line in mountinfo.lines() {
            let Some((before, after)) = line.split_once(" - ") else {
                continue;
            };
            let (Some(point), mut after) = (before.split(' ').nth(4), after.split(' ')) else {
                continue;
            };
            match (after.next(), after.nth(1)) {
                (Some("cgroup2"), _) => unified = Some(PathBuf::from(point)),
                (Some("cgroup"), Some(options)) => {
                    let known = options.split(',').filter(|option| JOINED.contains(option));
                    v1.extend(known.map(|name| (name.to_owned(), PathBuf::from(point))));
                }
                _ => {}
            }
        }
        let tree = Self {
            v1,
            unified,
            parent: parent.to_owned(),
        };
        let here = tree.controllers();
        for needed in NEEDED {
            if !tree.v1.contains_key(needed) && !here.iter().any(|name| name == needed) {
                return Err(CgroupError::Missing(needed));
            }
        }
        Ok(tree)
    }

    /// What the v2 tree offers.
    fn controllers(&self) -> Vec<String> {
        let file = self
            .unified
            .as_ref()
            .map(|root| root.join("cgroup.controllers"));
        let text = file
            .and_then(|file| fs::read_to_string(file).ok())
            .unwrap_or_default();
        text.split_whitespace().map(str::to_owned).collect()
    }

    fn make_parent(&self) -> Result<(), CgroupError> {
        if let Some(root) = &self.unified {
            let offered = self.controllers();
            let mut dir = root.clone();
            for part in std::iter::once(Path::new("")).chain(self.parent.iter().map(Path::new)) {
                dir.push(part);
                fs::create_dir_all(&dir).map_err(refused(&dir))?;
                for name in PASSED
                    .iter()
                    .filter(|name| offered.iter().any(|offer| offer == *name))
                {
                    let file = dir.join("cgroup.subtree_control");
                    let passed = fs::write(&file, format!("+{name}"));
                    if NEEDED.contains(name) {
                        passed.map_err(refused(&file))?;
                    }
                }
            }
        }
        for (name, root) in &self.v1 {
            self.make_v1(name, root, &self.parent)?;
        }
        Ok(())
    }

    /// Makes a v1 directory; those of cpuset are unusable until they name CPUs and memory nodes.
    fn make_v1(&self, name: &str, root: &Path, place: &Path) -> Result<(), CgroupError> {
        let mut dir = root.to_owned();
        for part in place {
            let above = dir.clone();
            dir.push(part);
            fs::create_dir_all(&dir).map_err(refused(&dir))?;
            for file in ["cpuset.cpus", "cpuset.mems"]
                .iter()
                .filter(|_| name == "cpuset")
            {
                let path = dir.join(file);
                let now = fs::read_to_string(&path).map_err(refused(&path))?;
                if now.trim().is_empty() {
                    let value = fs::read(above.join(file)).map_err(refused(&above))?;
                    fs::write(&path, value).map_err(refused(&path))?;
                }
            }
        }
        Ok(())
    }

    fn v1_dirs(&self, place: &Path) -> Vec<PathBuf> {
        let mut dirs: Vec<PathBuf> = self.v1.values().map(|root| root.join(place)).collect();
        dirs.sort_unstable();
        dirs.dedup();
        dirs
    }

    /// The directories of one instance.
    pub(super) fn of(&self, instance: &str) -> Cgroups {
        let place = self.parent.join(instance);
        let text = |path: PathBuf| path.display().to_string();
        let oom = self.file(instance, "memory", "memory.oom_control", "memory.events");
        Cgroups {
            v1: self.v1_dirs(&place).into_iter().map(text).collect(),
            unified: self.unified.as_ref().map(|root| text(root.join(&place))),
            oom: oom.map(text),
        }
    }

    /// A controller's file, by its v1 or its v2 name.
    pub(super) fn file(
        &self,
        instance: &str,
        controller: &str,
        v1: &str,
        v2: &str,
    ) -> Option<PathBuf> {
        let place = self.parent.join(instance);
        match self.v1.get(controller) {
            Some(root) => Some(root.join(place).join(v1)),
            None => self.unified.as_ref().map(|root| root.join(place).join(v2)),
        }
    }

    /// A file of the v2 tree, whatever controllers it has.
    pub(super) fn unified_file(&self, instance: &str, name: &str) -> Option<PathBuf> {
        self.unified
            .as_ref()
            .map(|root| root.join(&self.parent).join(instance).join(name))
    }

    /// Whether a controller is on v1.
    pub(super) fn is_v1(&self, controller: &str) -> bool {
        self.v1.contains_key(controller)
    }

    /// Makes an instance's groups and sets its limits.
    pub(super) fn prepare(&self, instance: &str, resources: &Resources) -> Result<(), CgroupError> {
        let place = self.parent.join(instance);
        for (name, root) in &self.v1 {
            self.make_v1(name, root, &place)?;
        }
        if let Some(dir) = self.unified.as_ref().map(|root| root.join(&place)) {
            fs::create_dir_all(&dir).map_err(refused(&dir))?;
        }
        self.limit(instance, resources)?;
        self.restrict_devices(instance)
    }

    fn restrict_devices(&self, instance: &str) -> Result<(), CgroupError> {
        let Some(root) = self.v1.get("devices") else {
            return Ok(());
        };
        let dir = root.join(&self.parent).join(instance);
        let (deny, allow) = (dir.join("devices.deny"), dir.join("devices.allow"));
        fs::write(&deny, "a").map_err(refused(&deny))?;
        DEVICES
            .iter()
            .try_for_each(|device| fs::write(&allow, device))
            .map_err(refused(&allow))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hierarchies_are_found_and_a_missing_one_is_named() {
        let v1 = "\
30 25 0:26 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:9 - cgroup cgroup rw,cpu,cpuacct
31 25 0:27 / /sys/fs/cgroup/memory rw,nosuid shared:10 - cgroup cgroup rw,memory
32 25 0:28 / /sys/fs/cgroup/systemd rw,nosuid shared:11 - cgroup cgroup rw,xattr,name=systemd
33 25 0:29 / /nowhere/unified rw,nosuid - cgroup2 cgroup2 rw,nsdelegate
";
        let error = Tree::from_mounts(v1, Path::new("ostler/x")).unwrap_err();
        assert!(matches!(error, CgroupError::Missing("pids")), "{error}");
        let whole = format!("{v1}34 25 0:30 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n");
        let tree = Tree::from_mounts(&whole, Path::new("ostler/x")).unwrap();
        let groups = tree.of("web-1");
        assert_eq!(groups.v1.len(), 3);
        assert_eq!(groups.v1[0], "/sys/fs/cgroup/cpu,cpuacct/ostler/x/web-1");
        assert_eq!(
            groups.unified.as_deref(),
            Some("/nowhere/unified/ostler/x/web-1")
        );
        assert_eq!(
            groups.oom.as_deref(),
            Some("/sys/fs/cgroup/memory/ostler/x/web-1/memory.oom_control")
        );
    }

    #[test]
    fn a_pure_v2_tree_is_used_with_v2_names() {
        let root = tempfile::tempdir().unwrap();
        fs::write(
            root.path().join("cgroup.controllers"),
            "cpu io memory pids\n",
        )
        .unwrap();
        let mounts = format!(
            "30 25 0:26 / {} rw - cgroup2 cgroup2 rw\n",
            root.path().display()
        );
        let tree = Tree::from_mounts(&mounts, Path::new("ostler/x")).unwrap();
        tree.make_parent().unwrap();
        let limits = "{\"limits\":{\"cpu\":\"250m\",\"memory\":\"64Mi\",\"pids\":32}}";
        tree.prepare("web-1", &serde_json::from_str(limits).unwrap())
            .unwrap();
        let read =
            |name| fs::read_to_string(root.path().join("ostler/x/web-1").join(name)).unwrap();
        assert_eq!(
            (read("cpu.max"), read("memory.max"), read("pids.max")),
            ("25000 100000".into(), "67108864".into(), "32".into())
        );
        assert!(tree.of("web-1").oom.unwrap().ends_with("memory.events"));
    }
}
