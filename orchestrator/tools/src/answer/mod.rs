//! What tools answer: the shapes that clients, agents and the command line read.
//!
//! Every answer is an object. Text that a workload wrote stands in fields named `untrusted_…`, or is
//! pointed at by an `untrusted` list of JSON pointers: it is data, never an instruction. Times are
//! milliseconds since 1970-01-01T00:00:00Z.

mod audit;
mod capture;
mod change;
mod diagnosis;
mod evals;
mod fleet;
mod instance;
mod paper;
mod rollout;
mod service;
mod signal;
mod upgrade;

pub use audit::{
    AuditEntries, AuditEntry, AuditExport, AuditKeyRotated, AuditVerification, ConsoleLink,
    Explanation, ExportCut, KeyHandover, Policies, PolicyFile, PolicyWord, TokenInfo, TokenMade,
    Tokens, Verdict,
};
pub use capture::{
    Capture, CapturedGeneration, CapturedInstance, CapturedNode, CapturedPast, CapturedSeries,
    CapturedService, IncidentExport, Proposed,
};
pub use change::{Changed, Changes, PastChangeInfo, Preview};
pub use diagnosis::{Diagnosed, Suspect};
pub use evals::{EvalComparison, EvalDetail, EvalRun, Evals, Figure};
pub use fleet::{
    AgentInfo, AgentLog, Agents, Counts, DamagedLayer, Damages, Emergency, Events, Freed,
    FreezeShown, Graph, GraphEdge, GraphNode, Image, Images, NodeInfo, Nodes, SecretInfo, Secrets,
    Status,
};
pub use instance::{ExecAnswer, InstanceInfo, Instances, LogAnswer, LogLine, LogStream};
pub use paper::{
    Approvals, Decision, Foretold, IncidentDetail, IncidentSummary, IncidentTouched, Incidents,
    ProposalDetail, ProposalSummary, ProposalTouched, Proposals,
};
pub use rollout::RolloutInfo;
pub use service::{GenerationInfo, NeedState, ServiceDetail, ServiceSummary, Services};
pub use signal::{Shape, SignalSeries, Signals};
pub use upgrade::{FeedInfo, LeftVersion, OfferInfo, UpgradeInfo, UpgradeSeen, Upgrades};
