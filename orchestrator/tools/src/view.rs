//! What a tool can see while it decides: one consistent moment.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use ostler_core::{
    autonomy::{Certificate, Make, Record, Standing},
    autoscale::Recommendation,
    event::Event,
    id::{AgentName, InstanceId, ServiceKey},
    intent::{Intent, Sealed, SecretKey},
    observed::Observed,
    plan::{Judged, ServiceStatus},
    signal::SignalReader,
    time::Time,
    units::Bytes,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    answer::{FeedInfo, UpgradeSeen},
    evals::EvalsSeen,
    price::Prices,
    principal::Principal,
    record::Records,
};

/// One consistent moment.
pub struct View<'a> {
    /// Now.
    pub now: Time,
    /// Who calls.
    pub caller: &'a Principal,
    /// What is wanted.
    pub intent: &'a Intent,
    /// Incidents, proposals, approvals, tokens.
    pub records: &'a Records,
    /// What was seen of the world.
    pub world: &'a WorldView,
    /// Sixty-four random bits, new for every call; ids are made of them.
    pub fresh: u64,
    /// Encrypts a secret before anything else sees it.
    pub sealer: &'a dyn Sealer,
    /// Opens certificates of evals.
    pub notary: &'a dyn Notary,
    /// History of signals.
    pub signals: &'a dyn SignalReader,
}

/// What was seen of the world at one moment.
#[derive(Debug, Clone, Default)]
pub struct WorldView {
    /// Nodes, instances, routes.
    pub observed: Observed,
    /// How each service stands.
    pub report: BTreeMap<ServiceKey, ServiceStatus>,
    /// What the load wanted of each service that scales with it, at the last plan.
    pub scaling: BTreeMap<ServiceKey, Recommendation>,
    /// How new versions do that have a part in their service's traffic, at the last plan.
    pub analysis: BTreeMap<ServiceKey, Judged>,
    /// Recent events, oldest first.
    pub events: VecDeque<Event>,
    /// The agents' processes.
    pub agents: BTreeMap<AgentName, AgentStatus>,
    /// What each agent wrote of late, oldest first.
    pub agent_lines: BTreeMap<AgentName, Arc<VecDeque<AgentLine>>>,
    /// New versions in registries, and what is known of vulnerabilities.
    pub upgrades: Arc<UpgradesSeen>,
    /// Kept reports of eval runs.
    pub evals: Arc<EvalsSeen>,
    /// The daemon.
    pub daemon: DaemonStatus,
}

/// What was last seen of new versions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UpgradesSeen {
    /// By service.
    pub services: BTreeMap<ServiceKey, UpgradeSeen>,
    /// The feed of vulnerabilities.
    pub feed: Option<FeedInfo>,
}

/// An agent's process as the supervisor sees it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AgentStatus {
    /// `starting`, `running`, `paused`, `backing_off`, `given_up` (ended too often: a person must look), `stopped`.
    pub state: String,
    /// Where it lives: `sandbox` or `bare`.
    #[serde(default)]
    pub lodging: String,
    /// Its process.
    pub pid: Option<u32>,
    /// Starts after the first.
    pub restarts: u32,
    /// When it was last heard.
    pub heard_at: Option<Time>,
    /// Why it last ended.
    pub last_end: Option<String>,
    /// How often it ended, by cause: `exited`, `killed`, `out_of_memory`, `hung`, `not_started`.
    #[serde(default)]
    pub ends: BTreeMap<String, u32>,
    /// Memory that it uses, where known.
    #[serde(default)]
    pub memory: Option<Bytes>,
    /// CPU time that this run used in microseconds, where known.
    #[serde(default)]
    pub cpu_us: Option<u64>,
    /// What it may spend on language models and did, where it plans with any.
    #[serde(default)]
    pub budget: Option<AgentBudget>,
    /// What its shadow may spend on language models and did, where one thinks along.
    #[serde(default)]
    pub shadow_budget: Option<AgentBudget>,
    /// What exactly runs, where that is known: of Ostler's own agents.
    #[serde(default)]
    pub make: Option<Make>,
}

/// An agent's budgets for language models.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AgentBudget {
    /// What it plans with, in the order in which they are asked.
    pub planner: Vec<String>,
    /// What the last hour cost; what requests under way may cost at most is in it.
    pub spent_in_hour: Spent,
    /// The most of any hour.
    pub hour: Most,
    /// The most of one incident, within a day.
    pub incident: Most,
    /// The most of one turn.
    pub turn: Most,
    /// Requests that were refused for want of budget since the daemon started.
    pub refused: u64,
}

/// What was spent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Spent {
    /// Tokens in and out.
    pub tokens: u64,
    /// Money in billionths of the currency that prices are in.
    pub nano: u64,
    /// Seconds of waiting for answers.
    pub seconds: u64,
}

/// What may be spent; no limit of its own where absent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Most {
    /// Tokens in and out.
    pub tokens: u64,
    /// Money in billionths of the currency that prices are in.
    pub nano: Option<u64>,
    /// Seconds of waiting for answers.
    pub seconds: Option<u64>,
}

/// One line that an agent wrote; untrusted text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AgentLine {
    /// When it was read.
    pub at: Time,
    /// The text.
    pub text: String,
}

/// The daemon about itself.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DaemonStatus {
    /// Its version.
    pub version: String,
    /// When it started.
    pub started_at: Time,
    /// The backend in use.
    pub backend: String,
    /// The network address of the HTTP door.
    pub http: Option<String>,
    /// Things that are wrong with the daemon itself, in words.
    pub problems: Vec<String>,
    /// What resources cost, where the operator says.
    pub prices: Option<Prices>,
}

/// Encrypts secrets with the daemon's key.
pub trait Sealer: Send + Sync {
    /// Encrypts; bound to the name, so that a sealed value cannot be moved to another.
    ///
    /// # Errors
    /// When the key cannot be used.
    fn seal(&self, name: &SecretKey, value: &[u8]) -> Result<Sealed, crate::contract::Refusal>;
}

/// Opens certificates of evals: only those that somebody signed whom the operator trusts.
pub trait Notary: Send + Sync {
    /// The certificate in a signed note, and the name of who signed it.
    ///
    /// # Errors
    /// When nobody who is trusted signed it, or it is no certificate.
    fn open(&self, note: &str) -> Result<(Certificate, String), crate::contract::Refusal>;
}

impl View<'_> {
    /// How an agent stands, and what it did since it was promoted.
    #[must_use]
    pub fn standing_of(&self, agent: &AgentName) -> (Standing, Record) {
        let autonomy = self.intent.promoted_agents.get(agent);
        let make = self
            .world
            .agents
            .get(agent)
            .and_then(|status| status.make.as_ref());
        let since = autonomy.map_or(Time(0), |autonomy| autonomy.since);
        let (proposals, incidents) = (
            self.records.proposals.values(),
            self.records.incidents.values(),
        );
        let record = Record::of(agent, since, proposals, incidents);
        (Standing::of(autonomy, make, &record, self.now), record)
    }

    /// Instances of a service, in order of id.
    pub fn instances_of<'v>(
        &'v self,
        service: &'v ServiceKey,
    ) -> impl Iterator<Item = (&'v InstanceId, &'v ostler_core::observed::InstanceSeen)> {
        self.world
            .observed
            .instances
            .iter()
            .filter(move |(_, seen)| &seen.service == service)
    }

    /// A new id with this prefix, such as `inc_`: twelve base-32 characters of the call's random bits.
    #[must_use]
    pub fn fresh_tail(&self) -> String {
        const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
        (0..12)
            .map(|index| {
                let five = usize::try_from((self.fresh >> (index * 5)) & 31).unwrap_or(0);
                ALPHABET.get(five).copied().map_or('0', char::from)
            })
            .collect()
    }
}
