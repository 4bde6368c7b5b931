//! Agents under supervision: each in a place of its own with nothing but a line to the gate,
//! watched, ended when it hangs or is paused, started again with patience; one's end is nobody
//! else's. With every agent dead the fleet still runs: nothing here is on the path of a restart.

mod bare;
pub mod guest;
mod household;
mod line;
mod lodging;
mod paced;
mod patience;
mod program;
mod sandbox;
pub mod sockets;

use std::{path::PathBuf, sync::Arc, time::Duration};

use ostler_core::{event::Happening, id::AgentName, intent::Intent, time::Span};
use ostler_gate::Gate;
use ostler_tools::{
    principal::Principal,
    view::{AgentLine, AgentStatus},
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub use self::household::Household;
use self::{
    line::Line,
    lodging::{Cause, End, Lodging, Outfit, Started},
    patience::{BUDGET, Next, Patience, WINDOW},
};
use crate::{clock, fleet::Fleet};

/// The user and group that own nothing.
pub const NOBODY: u32 = 65_534;
/// An agent that did not answer for this long hangs.
const SILENCE: Span = Span::seconds(15);
/// Time between two looks at a run: its heartbeat, its use, its log.
const LOOK: Duration = Duration::from_secs(1);
/// Longest text of a line that is kept, in characters.
const LINE_LIMIT: usize = 4 << 10;

/// What every agent's supervision needs.
#[derive(Clone)]
struct Supervisor {
    /// What is known, and told.
    fleet: Arc<Fleet>,
    /// What judges the agents.
    gate: Arc<Gate>,
    /// Where they live.
    lodging: Arc<dyn Lodging>,
    /// Where each has the folder of its sockets.
    sockets: PathBuf,
}

impl Supervisor {
    /// Keeps one agent running until told to stop.
    async fn keep(self, name: AgentName, outfit: Outfit, stop: CancellationToken) {
        let folder = sockets::folder(&self.sockets, &name);
        let line = match folder.and_then(|folder| Line::open(&folder)) {
            Ok(line) => line,
            Err(error) => {
                self.note(&name, |status| "stopped".clone_into(&mut status.state));
                return self.tell(&name, format!("has no line to the gate: {error}"));
            }
        };
        self.keep_running(&name, &outfit, &line, &stop).await;
        self.lodging.close(&name).await;
    }

    async fn keep_running(
        &self,
        name: &AgentName,
        outfit: &Outfit,
        line: &Line,
        stop: &CancellationToken,
    ) {
        let mut patience = Patience::default();
        for run in 1.. {
            if !self.until_wanted(name, stop).await {
                return;
            }
            if run > 1 {
                self.fleet.metrics.agent_restarted();
            }
            let began = clock::now();
            let end = self.run_once(name, outfit, run, line, stop).await;
            self.tell(name, format!("ended: {}", end.words));
            if end.cause == Cause::Asked {
                patience = Patience::default();
                continue;
            }
            self.ended(name, &end);
            match patience.ended(began, clock::now(), rand::random()) {
                Next::After(wait) => tokio::select! {
                    () = stop.cancelled() => return,
                    () = tokio::time::sleep(wait) => {}
                },
                Next::Person => {
                    self.call_a_person(name);
                    if !self.until_paused_and_resumed(name, stop).await {
                        return;
                    }
                    patience = Patience::default();
                }
            }
        }
    }

    /// One run, from its start to its end.
    async fn run_once(
        &self,
        name: &AgentName,
        outfit: &Outfit,
        run: u32,
        line: &Line,
        stop: &CancellationToken,
    ) -> End {
        let Started { pid, line: given } = match self.lodging.start(name, outfit, run).await {
            Ok(started) => started,
            Err(words) => {
                return End {
                    cause: Cause::NotStarted,
                    words,
                };
            }
        };
        line.begin();
        self.note(name, |status| {
            "running".clone_into(&mut status.state);
            self.lodging.name().clone_into(&mut status.lodging);
            status.pid = pid;
            status.heard_at = Some(line.heard_at());
        });
        self.tell(name, "started".to_owned());
        let caller = Principal::Agent { name: name.clone() };
        let end = tokio::select! {
            end = self.lodging.ended(name) => end,
            end = self.watch(name, line, stop) => {
                self.lodging.kill(name).await;
                end
            }
            () = line.serve(given, &self.gate, &caller) => End {
                cause: Cause::Exited,
                words: "its line was closed".to_owned(),
            },
        };
        self.pass_on(name).await;
        end
    }

    /// Looks after a running agent until there is a reason to end it.
    async fn watch(&self, name: &AgentName, line: &Line, stop: &CancellationToken) -> End {
        let mut intents = self.fleet.intents();
        let asked = |words: &str| End {
            cause: Cause::Asked,
            words: words.to_owned(),
        };
        let mut tick = tokio::time::interval(LOOK);
        loop {
            tokio::select! {
                () = stop.cancelled() => return asked("it is not wanted any more, or with another configuration"),
                true = until_paused(&mut intents, name, true) => return asked("a person paused it"),
                _ = tick.tick() => {
                    self.pass_on(name).await;
                    self.measure(name, line).await;
                    let silent = clock::now().since(line.heard_at());
                    if silent > SILENCE {
                        return End {
                            cause: Cause::Hung,
                            words: format!("it did not answer for {silent}"),
                        };
                    }
                }
            }
        }
    }

    async fn measure(&self, name: &AgentName, line: &Line) {
        let usage = self.lodging.usage(name).await;
        self.note(name, |status| {
            status.heard_at = Some(line.heard_at());
            if let Some(usage) = usage {
                status.memory = Some(usage.memory);
                status.cpu_us = Some(usage.cpu_us);
            }
        });
    }

    /// What the agent wrote goes to the daemon's log and to who asks for it.
    async fn pass_on(&self, name: &AgentName) {
        let lines = self.lodging.new_lines(name).await;
        if lines.is_empty() {
            return;
        }
        let at = clock::now();
        let clean = |line: String| AgentLine {
            at,
            text: line
                .chars()
                .filter(|c| !c.is_control())
                .take(LINE_LIMIT)
                .collect(),
        };
        let lines: Vec<AgentLine> = lines.into_iter().map(clean).collect();
        for line in &lines {
            tracing::info!(target: "ostler::agent", agent = %name, line = line.text);
        }
        self.fleet.write(|table| table.heard_from(name, lines));
    }

    fn ended(&self, name: &AgentName, end: &End) {
        self.note(name, |status| {
            "backing_off".clone_into(&mut status.state);
            status.pid = None;
            status.memory = None;
            status.restarts += 1;
            *status
                .ends
                .entry(end.cause.as_str().to_owned())
                .or_default() += 1;
            status.last_end = Some(end.words.clone());
        });
    }

    fn call_a_person(&self, name: &AgentName) {
        self.note(name, |status| "given_up".clone_into(&mut status.state));
        self.tell(
            name,
            format!(
                "ended more than {BUDGET} times within {WINDOW} and is left alone: look at `ostler agents logs {name}`, \
                 then `ostler agents pause {name}` and `ostler agents resume {name}`"
            ),
        );
    }

    /// Waits while the agent is paused; false when told to stop.
    async fn until_wanted(&self, name: &AgentName, stop: &CancellationToken) -> bool {
        let mut intents = self.fleet.intents();
        if intents.borrow().paused_agents.contains(name) {
            self.note(name, |status| {
                "paused".clone_into(&mut status.state);
                status.pid = None;
                status.memory = None;
            });
        }
        tokio::select! {
            biased;
            () = stop.cancelled() => false,
            wanted = until_paused(&mut intents, name, false) => wanted,
        }
    }

    async fn until_paused_and_resumed(&self, name: &AgentName, stop: &CancellationToken) -> bool {
        let mut intents = self.fleet.intents();
        tokio::select! {
            biased;
            () = stop.cancelled() => false,
            paused = until_paused(&mut intents, name, true) => paused,
        }
    }

    fn note(&self, name: &AgentName, change: impl FnOnce(&mut AgentStatus)) {
        self.fleet
            .write(|table| change(table.agents.entry(name.clone()).or_default()));
    }

    fn tell(&self, name: &AgentName, what: String) {
        let agent = name.to_string();
        self.fleet
            .tell(None, None, Happening::Agent { agent, what });
    }
}

/// Waits until the agent is paused, or is not; false when the intent will never move again.
async fn until_paused(
    intents: &mut watch::Receiver<Arc<Intent>>,
    name: &AgentName,
    paused: bool,
) -> bool {
    intents
        .wait_for(|intent| intent.paused_agents.contains(name) == paused)
        .await
        .is_ok()
}
