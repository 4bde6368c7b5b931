//! Who is supervised, where they live, and what each of them is given.

use std::{collections::BTreeMap, sync::Arc};

use nix::unistd::Uid;
use ostler_agents::{AgentSpec, make};
use ostler_agents_llm::settings::Settings;
use ostler_core::id::AgentName;
use ostler_gate::Gate;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{
    Supervisor,
    bare::Bare,
    guest::Guest,
    lodging::{Lodging, Outfit},
    sandbox::Sandbox,
};
use crate::{broker::Access, cli::AgentsArg, fleet::Fleet, state_dir::StateDir};

/// Every agent under supervision.
pub struct Household {
    fleet: Arc<Fleet>,
    wanted: AgentsArg,
    /// Absent where agents cannot be housed, or are not wanted.
    supervisor: Option<Supervisor>,
    members: BTreeMap<AgentName, Member>,
}

struct Member {
    outfit: Outfit,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

/// Every agent of Ostler's own.
fn registered() -> impl Iterator<Item = AgentName> {
    let name = |agent: &ostler_agents::AgentSpec| {
        AgentName::new(agent.name)
            .inspect_err(|error| tracing::error!(%error, "an agent's name is not valid"))
            .ok()
    };
    ostler_agents::registry().iter().filter_map(name)
}

impl Household {
    /// Prepares the place where agents live. Where they cannot be housed the fleet does without
    /// them; that is told, not fatal.
    pub async fn open(
        fleet: &Arc<Fleet>,
        gate: &Arc<Gate>,
        state: &StateDir,
        wanted: AgentsArg,
    ) -> Self {
        let lodging = lodging(fleet, state, wanted).await;
        Self {
            fleet: fleet.clone(),
            wanted,
            supervisor: lodging.map(|lodging| Supervisor {
                fleet: fleet.clone(),
                gate: gate.clone(),
                lodging,
                sockets: state.agent_sockets(),
            }),
            members: BTreeMap::new(),
        }
    }

    /// Runs these agents from now on: who is new begins, who is gone ends, who is given something
    /// else begins anew, and nobody else notices.
    pub async fn settle(
        &mut self,
        models: &BTreeMap<AgentName, Access>,
        guests: &BTreeMap<AgentName, Guest>,
    ) {
        let Some(supervisor) = self.supervisor.clone() else {
            return;
        };
        let mut outfits: BTreeMap<AgentName, Outfit> = registered()
            .chain(self.housed(guests).cloned())
            .map(|name| {
                let outfit = Outfit {
                    models: models.get(&name).cloned(),
                    guest: guests.get(&name).cloned(),
                };
                (name, outfit)
            })
            .collect();
        self.end(|name, member| outfits.get(name) != Some(&member.outfit))
            .await;
        for spec in ostler_agents::registry() {
            note_make(&supervisor, spec, models);
        }
        outfits.retain(|name, _| !self.members.contains_key(name));
        for (name, outfit) in outfits {
            let stop = CancellationToken::new();
            supervisor.note(&name, |status| {
                "starting".clone_into(&mut status.state);
            });
            let keeping = supervisor
                .clone()
                .keep(name.clone(), outfit.clone(), stop.clone());
            let task = tokio::spawn(keeping);
            self.members.insert(name, Member { outfit, stop, task });
        }
    }

    /// Ends every agent and leaves nothing of theirs on the machine.
    pub async fn close(mut self) {
        self.end(|_, _| true).await;
        if let Some(supervisor) = &self.supervisor {
            supervisor.lodging.leave().await;
        }
    }

    /// Ends these agents, all at once.
    async fn end(&mut self, whom: impl Fn(&AgentName, &Member) -> bool) {
        let ending: Vec<_> = self
            .members
            .extract_if(.., |name, member| whom(name, member))
            .collect();
        for (_, member) in &ending {
            member.stop.cancel();
        }
        for (name, member) in ending {
            if let Err(error) = member.task.await {
                tracing::error!(agent = %name, %error, "the supervision of an agent broke off");
            }
            self.fleet.write(|table| table.agents.remove(&name));
        }
    }

    /// The operator's own agents that will run: what Ostler did not build is never run bare.
    fn housed<'a>(
        &self,
        guests: &'a BTreeMap<AgentName, Guest>,
    ) -> impl Iterator<Item = &'a AgentName> + use<'a> {
        let sandboxed = self.wanted == AgentsArg::Sandbox;
        if !sandboxed && !guests.is_empty() {
            let names: Vec<&str> = guests.keys().map(AgentName::as_str).collect();
            let left_out = names.join(", ");
            problem(
                &self.fleet,
                format!("agents of your own run only in a sandbox; left out: {left_out}"),
            );
        }
        guests.keys().filter(move |_| sandboxed)
    }
}

async fn lodging(fleet: &Fleet, state: &StateDir, wanted: AgentsArg) -> Option<Arc<dyn Lodging>> {
    match wanted {
        AgentsArg::None => None,
        AgentsArg::Bare => {
            tracing::warn!("agents have no sandbox: for development only");
            if !Uid::effective().is_root() {
                tracing::warn!("agents run as the daemon's own user, who may do everything");
            }
            Some(Arc::new(Bare::new()))
        }
        AgentsArg::Sandbox => match Sandbox::open(state).await {
            Ok(sandbox) => Some(Arc::new(sandbox)),
            Err(error) => {
                let words = format!(
                    "no agent runs, for want of a sandbox: {error:#}; `--agents bare` runs them without one"
                );
                problem(fleet, words);
                for name in registered() {
                    fleet.write(|table| {
                        let status = table.agents.entry(name).or_default();
                        "stopped".clone_into(&mut status.state);
                    });
                }
                None
            }
        },
    }
}

/// Remembers what exactly runs as an agent of Ostler's own: by that its certificate stands or falls.
fn note_make(supervisor: &Supervisor, spec: &AgentSpec, models: &BTreeMap<AgentName, Access>) {
    let told = models.iter().find(|(name, _)| name.as_str() == spec.name);
    let settings = told.map_or_else(
        || Ok(Settings::default()),
        |(_, access)| serde_json::from_value(access.told.clone()),
    );
    let made = settings
        .map_err(anyhow::Error::from)
        .and_then(|settings| Ok(make::of(spec, &settings)?));
    match made {
        Ok(make) => supervisor.note(&make.agent.clone(), |status| status.make = Some(make)),
        Err(error) => tracing::error!(agent = spec.name, %error, "what runs is not known"),
    }
}

/// Tells, once, what is wrong with the daemon.
fn problem(fleet: &Fleet, words: String) {
    tracing::error!("{words}");
    fleet.write(|table| {
        if !table.daemon.problems.contains(&words) {
            table.daemon.problems.push(words);
        }
    });
}
