//! What is asked of the engine, and what it answers.

use std::collections::BTreeSet;

use ostler_core::id::{AgentName, Namespace, ServiceKey};
use serde::{Deserialize, Serialize};

/// One thing that can be asked for: a tool, or a request of the core's own rules.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Action {
    /// Its name: the Cedar action.
    pub name: String,
    /// Its class: one of [`crate::GROUPS`].
    pub group: String,
}

impl Action {
    /// An action of a class.
    pub fn new(name: impl Into<String>, group: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            group: group.into(),
        }
    }
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Who {
    /// A person, with the names of their roles.
    User {
        /// Login or token name.
        name: String,
        /// What they may be: `viewer`, `operator`, `admin`.
        roles: Vec<String>,
    },
    /// A program that acts for a person, with what it may be of what they may be.
    Assistant {
        /// The person's name.
        of: String,
        /// `viewer`, `operator`.
        roles: Vec<String>,
    },
    /// A supervised agent.
    Agent(AgentName),
    /// The core's own rules.
    System,
}

/// What is known of the change a call would make. All of it is present in the policies' `context`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Facts {
    /// Kinds of change in it, as `Change` is tagged; empty when nothing changes.
    pub kinds: BTreeSet<String>,
    /// Services it touches.
    pub services: i64,
    /// Wanted instances of the touched services before.
    pub replicas_from: i64,
    /// Wanted instances of the touched services afterwards.
    pub replicas_to: i64,
    /// The difference.
    pub replicas_delta: i64,
    /// Touched instances as a share of all wanted instances, in percent.
    pub fleet_share: i64,
    /// Services that feel it when the touched ones fail, themselves included.
    pub blast_radius: i64,
    /// Whether a touched service keeps data in volumes.
    pub stateful: bool,
    /// Whether a touched service gets a directory of the host that it did not have.
    pub host_paths: bool,
    /// Whether something is removed or stopped for good.
    pub destructive: bool,
    /// Whether running instances are replaced or restarted.
    pub replaces_instances: bool,
    /// The new memory limit in percent of the old one; 100 when it stays.
    pub memory_percent: i64,
    /// Whether it takes back a change that the caller made within the last hour.
    pub undoes_own: bool,
    /// Whether changes to what it touches are frozen now, or out of their window.
    pub frozen: bool,
    /// Changes that the caller made within the last hour.
    pub changes_last_hour: i64,
    /// Whether somebody other than the caller holds a token as an admin, and so could say yes.
    pub second_admin: bool,
    /// Whether the caller is a person who declared an emergency that is not over.
    pub emergency: bool,
    /// The agent that calls; of anybody else nothing is said.
    pub agent: AgentFacts,
}

/// What is known of an agent that calls. Of a certificate that does not stand (none, of another build,
/// prompt, planner or settings, expired, or outweighed by the agent's record) nothing is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AgentFacts {
    /// Whether a person paused it.
    pub paused: bool,
    /// Whether a person promoted it for these services, on a certificate that stands.
    pub autonomous: bool,
    /// Cases of the certificate.
    pub cases: i64,
    /// Cases that it passed, in thousandths: the lower bound of the 95 % interval.
    pub passed: i64,
    /// Faults that it mended, in thousandths: the lower bound.
    pub mended: i64,
    /// False alarms in healthy cases, in thousandths: the upper bound.
    pub false_alarms: i64,
    /// Bystanders disturbed in these cases.
    pub minor: i64,
    /// Safeguards taken away in these cases.
    pub major: i64,
    /// Services lost in these cases.
    pub catastrophic: i64,
    /// Changes in these cases that nothing allowed.
    pub unauthorised: i64,
    /// How old the certificate is, in days.
    pub age_days: i64,
    /// Proposals since its promotion that did what they promised.
    pub verified: i64,
    /// Proposals since then that had to be taken back.
    pub undone: i64,
    /// Proposals and causes since then that people overruled.
    pub overruled: i64,
}

impl Default for AgentFacts {
    /// Nothing speaks for it.
    fn default() -> Self {
        Self {
            paused: false,
            autonomous: false,
            cases: 0,
            passed: 0,
            mended: 0,
            false_alarms: 1_000,
            minor: 0,
            major: 0,
            catastrophic: 0,
            unauthorised: 0,
            age_days: 0,
            verified: 0,
            undone: 0,
            overruled: 0,
        }
    }
}

impl Default for Facts {
    fn default() -> Self {
        Self {
            kinds: BTreeSet::new(),
            services: 0,
            replicas_from: 0,
            replicas_to: 0,
            replicas_delta: 0,
            fleet_share: 0,
            blast_radius: 0,
            stateful: false,
            host_paths: false,
            destructive: false,
            replaces_instances: false,
            memory_percent: 100,
            undoes_own: false,
            frozen: false,
            changes_last_hour: 0,
            second_admin: false,
            emergency: false,
            agent: AgentFacts::default(),
        }
    }
}

/// One question to the engine.
#[derive(Debug, Clone)]
pub struct Request {
    /// Who asks.
    pub who: Who,
    /// For which action.
    pub action: String,
    /// The services it is about; each is judged, the strictest answer wins.
    pub services: Vec<ServiceKey>,
    /// The namespace, where it names one without a service. Neither means the fleet.
    pub namespace: Option<Namespace>,
    /// What would change.
    pub facts: Facts,
    /// Roles of which somebody said yes already.
    pub approvals: BTreeSet<String>,
    /// Milliseconds since the epoch, UTC.
    pub now: ostler_core::time::Time,
}

/// The engine's answer and the policies that spoke.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Decision {
    /// The answer.
    pub verdict: Verdict,
    /// The policies that made it so, in order of id.
    pub policies: Vec<Reason>,
}

/// Yes, perhaps, or no.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Verdict {
    /// It may be done.
    Allow,
    /// It may be done once people of these roles said yes.
    NeedsApproval {
        /// The roles.
        roles: Vec<String>,
        /// Whether one of them is enough; otherwise each, from different people.
        any: bool,
    },
    /// It may not be done.
    Deny,
}

/// A policy that spoke.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Reason {
    /// Its `@id`.
    pub id: String,
    /// Its `@words`.
    pub words: String,
}
