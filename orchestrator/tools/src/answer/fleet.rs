//! Answers about the fleet as a whole: status, nodes, agents, events, images, secrets, the graph.

use ostler_core::{
    autonomy::{Autonomy, Record, Standing},
    event::Event,
    id::{AgentName, FreezeName, NodeName, Revision, ServiceKey},
    intent::SecretKey,
    law::Freeze,
    observed::NodeSeen,
    plan::ServiceState,
    shadow::ShadowTally,
    spec::Until,
    time::Time,
    units::{Bytes, MilliCpu},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::view::{AgentLine, AgentStatus};

/// The whole at a glance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Status {
    /// The daemon's version.
    pub version: String,
    /// Now, by the daemon's clock.
    pub now: Time,
    /// When the daemon started.
    pub started_at: Time,
    /// What runs the containers: `youki`, `process`, `sim`.
    pub backend: String,
    /// The address of the HTTP door.
    pub http: Option<String>,
    /// The intent's revision.
    pub revision: Revision,
    /// Services by state.
    pub services: Counts,
    /// Instances that run.
    pub instances_running: u32,
    /// Instances in all, also ended ones not yet removed.
    pub instances: u32,
    /// Nodes that answer and can run instances.
    pub nodes_ready: u32,
    /// Nodes in all.
    pub nodes: u32,
    /// Incidents that are open, proposed, or need a person.
    pub incidents_open: u32,
    /// Approvals that wait for a person.
    pub approvals_waiting: u32,
    /// Agents that run and are not paused.
    pub agents_running: u32,
    /// Agents in all.
    pub agents: u32,
    /// Emergencies that people declared and that are not over.
    #[serde(default)]
    pub emergencies: Vec<Emergency>,
    /// Freezes that people called, now or ahead; those of the configuration are not among them.
    #[serde(default)]
    pub freezes: Vec<FreezeShown>,
    /// Things that are wrong with the daemon itself, in words.
    pub problems: Vec<String>,
    /// Who asks, as the audit log names them.
    pub you: String,
}

/// An emergency: what otherwise waits for an admin's yes does not wait for this person's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Emergency {
    /// Who declared it.
    pub person: String,
    /// Until when.
    pub until: Time,
    /// Why.
    pub reason: String,
}

/// A freeze that somebody called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FreezeShown {
    /// What it is called.
    pub name: FreezeName,
    /// When, where and why.
    #[serde(flatten)]
    pub freeze: Freeze,
}

/// Services by state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Counts {
    /// As wanted.
    pub healthy: u32,
    /// On the way.
    pub progressing: u32,
    /// Takes traffic, but not as wanted.
    pub degraded: u32,
    /// Takes no traffic although it should.
    pub down: u32,
    /// Nothing is wanted and nothing runs.
    pub idle: u32,
}

impl Counts {
    /// Counts one more service in this state.
    pub const fn add(&mut self, state: ServiceState) {
        let field = match state {
            ServiceState::Healthy => &mut self.healthy,
            ServiceState::Progressing => &mut self.progressing,
            ServiceState::Degraded => &mut self.degraded,
            ServiceState::Down => &mut self.down,
            ServiceState::Idle => &mut self.idle,
        };
        *field = field.saturating_add(1);
    }
}

/// Happenings, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Events {
    /// The events that match, the newest where more match than asked for.
    pub events: Vec<Event>,
    /// JSON pointers into this answer whose text came from workloads.
    pub untrusted: Vec<String>,
    /// The highest number given out so far; ask for events after it next time.
    pub last_seq: u64,
    /// Whether older events that would match were forgotten or left out.
    pub truncated: bool,
}

/// The machines.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Nodes {
    /// In order of name.
    pub nodes: Vec<NodeInfo>,
}

/// One machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NodeInfo {
    /// Its name.
    pub node: NodeName,
    /// What was seen of it.
    pub seen: NodeSeen,
    /// Whether it takes no new instances.
    pub cordoned: bool,
    /// Whether it is being emptied.
    pub draining: bool,
    /// Instances on it.
    pub instances: u32,
    /// CPU that its instances reserve.
    pub reserved_cpu: MilliCpu,
    /// Memory that its instances reserve.
    pub reserved_memory: Bytes,
}

/// The agents.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Agents {
    /// In order of name.
    pub agents: Vec<AgentInfo>,
}

/// One agent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AgentInfo {
    /// Its name.
    pub name: AgentName,
    /// Whether a person paused it: then every call that would change something is denied.
    pub paused: bool,
    /// Its process.
    pub status: AgentStatus,
    /// How it stands: whether it may act alone where policy says so.
    pub standing: Standing,
    /// What it was promoted on, by whom and where.
    pub autonomy: Option<Autonomy>,
    /// What it did since it was promoted, or ever.
    pub record: Record,
    /// What shadows that thought beside it came to, over the incidents that are kept; the last first.
    #[serde(default)]
    pub shadows: Vec<ShadowTally>,
}

/// What an agent wrote.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AgentLog {
    /// Oldest first; the agent's own text.
    pub untrusted_lines: Vec<AgentLine>,
}

/// Images in the store.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Images {
    /// In order of name.
    pub images: Vec<Image>,
}

/// One image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Image {
    /// The name it is used by.
    pub name: String,
    /// The manifest's digest.
    pub digest: String,
    /// Unpacked size in bytes.
    pub size: u64,
}

/// What a collection of unused images took away.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Freed {
    /// Images.
    pub images: u32,
    /// Layers.
    pub layers: u32,
    /// Bytes.
    pub bytes: u64,
}

/// Layers whose files are not what was unpacked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Damages {
    /// By layer; none when all is well.
    pub damaged: Vec<DamagedLayer>,
}

/// One damaged layer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DamagedLayer {
    /// The layer's digest.
    pub layer: String,
    /// Names of images that use it.
    pub images: Vec<String>,
}

/// Names of secrets; values are never shown.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Secrets {
    /// In order of name.
    pub secrets: Vec<SecretInfo>,
}

/// One secret's name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SecretInfo {
    /// Its name.
    pub secret: SecretKey,
    /// Whether a value is stored; `false` for one that a service names and nobody put.
    pub exists: bool,
    /// Services that mount it.
    pub used_by: Vec<ServiceKey>,
}

/// Who needs whom.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Graph {
    /// Every service asked about, in order of name.
    pub services: Vec<GraphNode>,
    /// Every need among them.
    pub needs: Vec<GraphEdge>,
}

/// One service in the graph.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GraphNode {
    /// Which.
    pub service: ServiceKey,
    /// How it stands; absent while nothing is known yet.
    pub state: Option<ServiceState>,
    /// How many services would feel its loss: those that need it, directly or not.
    pub blast_radius: u32,
}

/// One need.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GraphEdge {
    /// Who needs.
    pub service: ServiceKey,
    /// Whom.
    pub needs: ServiceKey,
    /// What it must have reached before the first starts.
    pub until: Until,
}
