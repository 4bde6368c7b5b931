//! What was seen, when, and what is not known. Kept in memory only, never stored durably.

use std::{collections::BTreeMap, net::Ipv4Addr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    analysis::Measured,
    autoscale::Load,
    id::{Generation, InstanceId, NodeName, ServiceKey},
    time::{Span, Time},
    units::{Bytes, MilliCpu},
};

/// Everything seen at one moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Observed {
    /// Every known machine.
    pub nodes: BTreeMap<NodeName, NodeSeen>,
    /// Every instance that exists on any of them, also ended ones not yet removed.
    pub instances: BTreeMap<InstanceId, InstanceSeen>,
    /// Which instances take a service's traffic now.
    pub routes: BTreeMap<ServiceKey, Vec<InstanceId>>,
    /// Room held by instances that are not listed; only the fork of a part of a fleet has such.
    pub taken: BTreeMap<NodeName, Taken>,
    /// The load of services that scale with it; a service that is not there is not known of.
    pub load: BTreeMap<ServiceKey, Load>,
    /// What was counted by version of services whose traffic is measured, since their rollout's stage
    /// began; see [`crate::analysis::Measured`] for what whoever counts promises.
    pub measured: BTreeMap<ServiceKey, Measured>,
}

/// Room on a machine that instances hold which are not listed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Taken {
    /// CPU they reserve.
    pub cpu: MilliCpu,
    /// Memory they reserve.
    pub memory: Bytes,
    /// How many they are.
    pub instances: u32,
}

impl Taken {
    /// One more instance that is not listed.
    pub fn add(&mut self, seen: &InstanceSeen) {
        self.cpu = MilliCpu(self.cpu.0.saturating_add(seen.cpu.0));
        self.memory = Bytes(self.memory.0.saturating_add(seen.memory.0));
        self.instances = self.instances.saturating_add(1);
    }
}

/// A machine as seen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NodeSeen {
    /// Whether it answers and can run instances.
    pub ready: bool,
    /// CPU that may be requested on it.
    pub cpu: MilliCpu,
    /// Memory that may be requested on it.
    pub memory: Bytes,
    /// Most instances on it.
    pub max_instances: u32,
    /// When it was last heard.
    pub seen_at: Time,
}

/// An instance as seen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct InstanceSeen {
    /// Whose.
    pub service: ServiceKey,
    /// Where.
    pub node: NodeName,
    /// Which generation of the spec it was made from.
    pub generation: Generation,
    /// CPU it reserves.
    pub cpu: MilliCpu,
    /// Memory it reserves.
    pub memory: Bytes,
    /// What it is doing.
    pub phase: Phase,
    /// When the phase began.
    pub since: Time,
    /// How often it was started; the first start is 1.
    pub attempt: u32,
    /// When the current or last attempt began running.
    pub started_at: Option<Time>,
    /// When it was first placed.
    pub created_at: Time,
    /// Its ends, oldest first, the last sixteen.
    pub exits: Vec<Exit>,
    /// Answers of the probes.
    pub health: Health,
    /// Its address on the service network, where there is one.
    pub address: Option<Ipv4Addr>,
    /// The main process on its node, while running.
    pub pid: Option<u32>,
    /// What came of its last resize in place, as far as that is remembered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resize: Option<Resize>,
}

/// What came of giving an instance the resources of another generation while it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Resize {
    /// The generation whose resources it was to get.
    pub to: Generation,
    /// When that was done, or tried last.
    pub at: Time,
    /// Why it has them not; absent when it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<ResizeTrouble>,
}

impl Resize {
    /// When it got the resources that it has now.
    #[must_use]
    pub fn done_at(&self) -> Option<Time> {
        self.trouble.is_none().then_some(self.at)
    }
}

/// Why an instance does not have other resources yet.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum ResizeTrouble {
    /// It uses more memory now than the new limit allows; it would be killed.
    MemoryInUse,
    /// No node has room for what it would reserve.
    NoRoom,
    /// The backend tried and could not.
    Failed,
    /// The backend cannot change what runs.
    Unsupported,
}

impl ResizeTrouble {
    /// The trouble for people.
    #[must_use]
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::MemoryInUse => "it uses more memory than the new limit",
            Self::NoRoom => "no node has room for what it would reserve",
            Self::Failed => "the backend could not do it",
            Self::Unsupported => "the backend cannot resize what runs",
        }
    }
}

/// How many ends of an instance are remembered.
pub const EXITS_LIMIT: usize = 16;

/// What an instance is doing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "phase", rename_all = "snake_case")]
pub enum Phase {
    /// Being prepared: image, mounts, network.
    Starting,
    /// Its process runs.
    Running,
    /// Asked to end; still there.
    Stopping,
    /// Its process ended; see the last of `exits`.
    Ended,
    /// It could not be started.
    Failed {
        /// Why.
        problem: Problem,
    },
    /// Its node does not answer.
    Unknown,
}

/// Why an instance could not be started. `detail` may carry untrusted text; it is capped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Problem {
    /// The kind, which rules act on.
    pub kind: ProblemKind,
    /// In words, 500 characters at most.
    pub detail: String,
}

/// The kinds of start failures.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum ProblemKind {
    /// The image reference names nothing.
    ImageNotFound,
    /// The registry could not be reached or refused.
    RegistryUnavailable,
    /// The image's content does not match its digest, or cannot be unpacked.
    ImageCorrupt,
    /// The operator's rules about signatures do not let the image run.
    ImageRefused,
    /// A secret that the spec names does not exist.
    SecretMissing,
    /// The command does not exist in the image or may not be executed.
    CommandNotFound,
    /// A host path of a volume does not exist.
    VolumeMissing,
    /// No space left.
    DiskFull,
    /// A published port is in use.
    PortTaken,
    /// The network could not be set up.
    Network,
    /// Anything else the backend reported.
    Backend,
}

/// One end of an instance's process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Exit {
    /// Which attempt ended.
    pub attempt: u32,
    /// When.
    pub at: Time,
    /// How long it ran.
    pub ran: Span,
    /// Exit code, when it exited.
    pub code: Option<i32>,
    /// Signal number, when it was killed.
    pub signal: Option<i32>,
    /// Whether the kernel killed it for exceeding its memory limit.
    pub out_of_memory: bool,
    /// Whether Ostler asked for it (stop, restart, failed liveness); such ends are no failures.
    pub asked: bool,
    /// Whether a failed liveness probe was the reason it was asked.
    #[serde(default)]
    pub liveness: bool,
}

impl Exit {
    /// Whether it counts towards back-off and crash loops.
    #[must_use]
    pub fn is_failure(&self) -> bool {
        self.liveness || !self.asked
    }

    /// Whether the process ended by itself with exit code 0.
    #[must_use]
    pub fn is_success(&self) -> bool {
        self.code == Some(0) && self.signal.is_none() && !self.out_of_memory && !self.liveness
    }

    /// `exit code 1`, `SIGKILL (out of memory)`, `SIGSEGV`.
    #[must_use]
    pub fn in_words(&self) -> String {
        match (self.code, self.signal) {
            _ if self.out_of_memory => "out of memory (SIGKILL)".to_owned(),
            (_, Some(signal)) => signal_name(signal),
            (Some(code), _) => format!("exit code {code}"),
            (None, None) => "exit status unknown".to_owned(),
        }
    }
}

fn signal_name(signal: i32) -> String {
    let name = match signal {
        1 => "SIGHUP",
        2 => "SIGINT",
        3 => "SIGQUIT",
        4 => "SIGILL",
        6 => "SIGABRT",
        7 => "SIGBUS",
        8 => "SIGFPE",
        9 => "SIGKILL",
        11 => "SIGSEGV",
        13 => "SIGPIPE",
        14 => "SIGALRM",
        15 => "SIGTERM",
        31 => "SIGSYS",
        _ => return format!("signal {signal}"),
    };
    name.to_owned()
}

/// Answers of the three probes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Health {
    /// Has it started?
    pub startup: Answer,
    /// Does it live?
    pub liveness: Answer,
    /// May it take traffic?
    pub readiness: Answer,
}

/// One probe's standing answer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum Answer {
    /// Not asked yet, or nothing to ask: counts as yes only where no probe is configured.
    #[default]
    Unknown,
    /// Passing since.
    Yes {
        /// When it began to pass.
        since: Time,
    },
    /// Failing since.
    No {
        /// When it began to fail.
        since: Time,
        /// What the last try said; untrusted, capped at 200 characters.
        reason: String,
    },
}

impl InstanceSeen {
    /// Its ends since it has the resources that it has, oldest first: those before say nothing about
    /// whether these are enough.
    pub fn exits_as_it_is(&self) -> impl Iterator<Item = &Exit> {
        self.exits.iter().filter(|exit| !self.is_of_before(exit))
    }

    /// Whether an end was one with other resources than it has now.
    #[must_use]
    pub fn is_of_before(&self, exit: &Exit) -> bool {
        let sized = self.resize.and_then(|last| last.done_at());
        sized.is_some_and(|sized| exit.at < sized)
    }

    /// Whether it may take traffic: running, and every configured probe says yes.
    #[must_use]
    pub fn is_ready(&self, probes: &crate::spec::Probes) -> bool {
        let passes =
            |configured: bool, answer: &Answer| !configured || matches!(answer, Answer::Yes { .. });
        self.phase == Phase::Running
            && passes(probes.startup.is_some(), &self.health.startup)
            && passes(probes.readiness.is_some(), &self.health.readiness)
            && !matches!(self.health.liveness, Answer::No { .. })
    }
}
