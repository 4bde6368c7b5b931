//! The OCI runtime specification of an instance, secure by default. Pure: what it is given decides
//! what it says (<https://github.com/opencontainers/runtime-spec>).

use oci_spec::runtime::Spec;
use ostler_core::{
    observed::{Problem, ProblemKind},
    spec::{Capabilities, ServiceSpec},
};
use serde_json::{Value, json};

use super::{problem::problem, user::User};
use crate::image::ImageConfig;

/// What containers usually may do (the set that container engines grant), without CAP_MKNOD: on
/// cgroup v2 nothing else would keep a device node from being one.
const CAPABILITIES: [&str; 13] = [
    "CAP_AUDIT_WRITE",
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_RAW",
    "CAP_SETFCAP",
    "CAP_SETGID",
    "CAP_SETPCAP",
    "CAP_SETUID",
    "CAP_SYS_CHROOT",
];
/// Parts of the kernel's file systems that say too much.
const MASKED: [&str; 12] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
];
/// Parts that could be written to.
const READ_ONLY: [&str; 5] = [
    "/proc/bus",
    "/proc/fs",
    "/proc/irq",
    "/proc/sys",
    "/proc/sysrq-trigger",
];
const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Everything besides spec and image that a bundle depends on.
pub(super) struct Place<'a> {
    /// The instance's name: host name, cut to what the kernel takes.
    pub(super) instance: &'a str,
    /// The network namespace to enter; a new and empty one when absent.
    pub(super) netns: Option<&'a str>,
    /// Files and directories of the host to mount: from, to, read-only.
    pub(super) binds: Vec<Bind>,
    /// Who it runs as.
    pub(super) user: User,
    /// Highest limit of open files that this process may set.
    pub(super) files_hard: u64,
    /// Whether the machine has cgroup v2 only, so that the container can be shown its own.
    pub(super) cgroup2: bool,
    /// Added to the oom score; containers die before the machine does.
    pub(super) oom_score_adj: i32,
}

/// One bind mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bind {
    /// Absolute path on the host.
    pub(super) from: String,
    /// Absolute path inside.
    pub(super) to: String,
    /// Whether writing is refused.
    pub(super) read_only: bool,
}

/// The name that the container has for itself.
pub(super) fn host_name(instance: &str) -> &str {
    instance.get(..63).unwrap_or(instance).trim_end_matches('-')
}

/// Where its process starts.
pub(super) fn working_dir(spec: &ServiceSpec, image: &ImageConfig) -> String {
    let dir = spec
        .working_dir
        .clone()
        .or_else(|| image.working_dir.clone());
    dir.filter(|dir| dir.starts_with('/'))
        .unwrap_or_else(|| "/".to_owned())
}

/// Writes down what the library shall make.
pub(super) fn bundle(
    spec: &ServiceSpec,
    image: &ImageConfig,
    place: &Place<'_>,
) -> Result<Spec, Problem> {
    let args = command(spec, image);
    if args.is_empty() {
        return Err(problem(
            ProblemKind::CommandNotFound,
            "neither the service nor its image names a command",
        ));
    }
    let user = &place.user;
    // Root holds the set; others could gain from it only through what no_new_privs forbids.
    let bounding: &[&str] = match spec.security.capabilities {
        Capabilities::Usual => &CAPABILITIES,
        Capabilities::None => &[],
    };
    let held = if user.uid == 0 { bounding } else { &[] };
    let files_soft = place.files_hard.min(65_536);
    let limit =
        |kind: &str, soft: u64, hard: u64| json!({"type": kind, "soft": soft, "hard": hard});
    let value = json!({
        "ociVersion": "1.0.2",
        "hostname": host_name(place.instance),
        "root": {"path": super::wire::names::ROOTFS, "readonly": spec.security.read_only_root},
        "process": {
            "terminal": false,
            "user": {"uid": user.uid, "gid": user.gid, "additionalGids": user.groups},
            "args": args,
            "env": environment(spec, image, place),
            "cwd": working_dir(spec, image),
            "noNewPrivileges": true,
            "capabilities": {"bounding": bounding, "effective": held, "permitted": held},
            "rlimits": [limit("RLIMIT_NOFILE", files_soft, place.files_hard), limit("RLIMIT_CORE", 0, 0)],
            "oomScoreAdj": place.oom_score_adj,
        },
        "mounts": mounts(place),
        "linux": {
            "namespaces": namespaces(place.netns),
            "maskedPaths": MASKED,
            "readonlyPaths": READ_ONLY,
            // The shim hides the hierarchies from the library: groups are joined and limited already.
            "cgroupsPath": format!("/ostler/{}", place.instance),
        },
    });
    serde_json::from_value(value)
        .map_err(|error| problem(ProblemKind::Backend, format!("invalid bundle: {error}")))
}

/// `command` replaces the entrypoint and, with it, the image's arguments; `args` replace those only.
fn command(spec: &ServiceSpec, image: &ImageConfig) -> Vec<String> {
    let entrypoint = if spec.command.is_empty() {
        &image.entrypoint
    } else {
        &spec.command
    };
    let args = if spec.command.is_empty() && spec.args.is_empty() {
        &image.cmd
    } else {
        &spec.args
    };
    entrypoint.iter().chain(args).cloned().collect()
}

fn environment(spec: &ServiceSpec, image: &ImageConfig, place: &Place<'_>) -> Vec<String> {
    let mut env: Vec<String> = image
        .env
        .iter()
        .filter(|entry| entry.contains('='))
        .cloned()
        .collect();
    let set = |env: &mut Vec<String>, name: &str, value: &str| {
        env.retain(|entry| entry.split_once('=').map(|(old, _)| old) != Some(name));
        env.push(format!("{name}={value}"));
    };
    set(&mut env, "HOSTNAME", host_name(place.instance));
    for (name, value) in &spec.env {
        set(&mut env, name, value);
    }
    let has = |env: &[String], name: &str| env.iter().any(|entry| entry.starts_with(name));
    if !has(&env, "PATH=") {
        env.push(PATH.to_owned());
    }
    // Always there: the library would look it up with code of the image, outside every filter.
    if !has(&env, "HOME=") {
        env.push(format!("HOME={}", place.user.home));
    }
    env
}

fn mounts(place: &Place<'_>) -> Vec<Value> {
    let mount = |to: &str, kind: &str, options: &[&str]| json!({"destination": to, "type": kind, "source": kind, "options": options});
    let mut mounts = vec![
        mount("/proc", "proc", &["nosuid", "noexec", "nodev"]),
        mount(
            "/dev",
            "tmpfs",
            &["nosuid", "noexec", "strictatime", "mode=755", "size=64k"],
        ),
        mount(
            "/dev/pts",
            "devpts",
            &[
                "nosuid",
                "noexec",
                "newinstance",
                "ptmxmode=0666",
                "mode=0620",
                "gid=5",
            ],
        ),
        mount(
            "/dev/shm",
            "tmpfs",
            &["nosuid", "noexec", "nodev", "mode=1777", "size=64m"],
        ),
        mount("/dev/mqueue", "mqueue", &["nosuid", "noexec", "nodev"]),
        mount("/sys", "sysfs", &["nosuid", "noexec", "nodev", "ro"]),
    ];
    if place.cgroup2 {
        mounts.push(mount(
            "/sys/fs/cgroup",
            "cgroup2",
            &["nosuid", "noexec", "nodev", "ro"],
        ));
    }
    mounts.extend(place.binds.iter().map(|bind| {
        let access = if bind.read_only { "ro" } else { "rw" };
        json!({"destination": bind.to, "type": "bind", "source": bind.from, "options": ["rbind", access, "nosuid", "nodev"]})
    }));
    mounts
}

fn namespaces(netns: Option<&str>) -> Vec<Value> {
    let mut namespaces: Vec<Value> = ["pid", "ipc", "uts", "mount", "cgroup"]
        .iter()
        .map(|kind| json!({"type": kind}))
        .collect();
    namespaces.push(match netns {
        Some(path) => json!({"type": "network", "path": path}),
        None => json!({"type": "network"}),
    });
    namespaces
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(user: User) -> Place<'static> {
        Place {
            instance: "web-1a2b3c4d",
            netns: Some("/run/netns/web"),
            binds: vec![Bind {
                from: "/var/a".into(),
                to: "/data".into(),
                read_only: true,
            }],
            user,
            files_hard: 20_000,
            cgroup2: false,
            oom_score_adj: 100,
        }
    }

    fn spec(text: &str) -> ServiceSpec {
        serde_json::from_str(text).unwrap()
    }

    fn root() -> User {
        User {
            uid: 0,
            gid: 0,
            groups: vec![],
            home: "/root".into(),
        }
    }

    #[test]
    fn a_bundle_is_secure_by_default() {
        let image = ImageConfig {
            cmd: vec!["serve".into()],
            ..ImageConfig::default()
        };
        let made = serde_json::to_value(
            bundle(&spec("{\"image\":\"a\"}"), &image, &place(root())).unwrap(),
        )
        .unwrap();
        assert_eq!(made["process"]["noNewPrivileges"], true);
        assert_eq!(
            made["process"]["capabilities"]["bounding"]
                .as_array()
                .unwrap()
                .len(),
            13
        );
        assert!(
            made["process"]["capabilities"]["ambient"]
                .as_array()
                .is_none_or(Vec::is_empty)
        );
        assert!(
            made["process"]["capabilities"]["inheritable"]
                .as_array()
                .is_none_or(Vec::is_empty)
        );
        let text = made.to_string();
        assert!(!text.contains("CAP_SYS_ADMIN") && !text.contains("CAP_MKNOD"));
        let kinds: Vec<_> = made["linux"]["namespaces"]
            .as_array()
            .unwrap()
            .iter()
            .map(|n| n["type"].as_str().unwrap())
            .collect();
        assert_eq!(kinds, ["pid", "ipc", "uts", "mount", "cgroup", "network"]);
        let sys = made["mounts"]
            .as_array()
            .unwrap()
            .iter()
            .find(|m| m["destination"] == "/sys")
            .unwrap()
            .clone();
        assert!(sys["options"].as_array().unwrap().contains(&json!("ro")));
        assert!(
            made["linux"]["maskedPaths"]
                .as_array()
                .unwrap()
                .contains(&json!("/proc/kcore"))
        );
    }

    #[test]
    fn a_service_may_be_held_tighter() {
        let tight = "{\"image\":\"a\",\"command\":[\"x\"],\"security\":{\"readOnlyRoot\":true,\"capabilities\":\"none\"}}";
        let made = bundle(&spec(tight), &ImageConfig::default(), &place(root())).unwrap();
        let made = serde_json::to_value(made).unwrap();
        assert_eq!(made["root"]["readonly"], true);
        for set in ["bounding", "effective", "permitted"] {
            let held = &made["process"]["capabilities"][set];
            assert!(held.as_array().is_none_or(Vec::is_empty), "{set}: {held}");
        }
    }

    #[test]
    fn other_users_hold_no_capability() {
        let user = User {
            uid: 1000,
            gid: 1000,
            groups: vec![7],
            home: "/".into(),
        };
        let made = bundle(
            &spec("{\"image\":\"a\",\"command\":[\"x\"]}"),
            &ImageConfig::default(),
            &place(user),
        )
        .unwrap();
        let made = serde_json::to_value(made).unwrap();
        assert!(
            made["process"]["capabilities"]["effective"]
                .as_array()
                .is_none_or(Vec::is_empty)
        );
        assert_eq!(made["process"]["user"]["additionalGids"], json!([7]));
    }

    #[test]
    fn command_and_environment_follow_the_usual_rules() {
        let image = ImageConfig {
            entrypoint: vec!["/init".into()],
            cmd: vec!["a".into()],
            env: vec!["A=1".into(), "B=1".into(), "junk".into()],
            ..ImageConfig::default()
        };
        for (text, expected) in [
            ("{\"image\":\"i\"}", vec!["/init", "a"]),
            ("{\"image\":\"i\",\"args\":[\"b\"]}", vec!["/init", "b"]),
            ("{\"image\":\"i\",\"command\":[\"/other\"]}", vec!["/other"]),
            (
                "{\"image\":\"i\",\"command\":[\"/other\"],\"args\":[\"c\"]}",
                vec!["/other", "c"],
            ),
        ] {
            assert_eq!(command(&spec(text), &image), expected, "{text}");
        }
        let env = environment(
            &spec("{\"image\":\"i\",\"env\":{\"B\":\"2\"}}"),
            &image,
            &place(root()),
        );
        assert_eq!(
            env,
            ["A=1", "HOSTNAME=web-1a2b3c4d", "B=2", PATH, "HOME=/root"]
        );
        let nothing = bundle(
            &spec("{\"image\":\"i\"}"),
            &ImageConfig::default(),
            &place(root()),
        )
        .unwrap_err();
        assert_eq!(nothing.kind, ProblemKind::CommandNotFound);
    }
}
