//! The planner of an agent that may ask models: one after the other, the rules last.
//!
//! The rules think first, as that costs nothing: what is healthy to them is asked of no model, and
//! what a model concludes is weighed against theirs.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use ostler_agents_kit::{
    client::ToolInfo,
    planner::{Choice, Mind, Planner, PlannerError, Thought, Verdict},
    reader::Reader,
    situation::Situation,
    text,
};
use tokio::time::Instant;

use crate::{
    fence::Fence,
    investigate::{Case, Failed, Spent, investigate},
    line::{Line, Turn},
    model::{Model, ModelError},
    ollama::Ollama,
    openai::OpenAi,
    patience::{Patient, late},
    prompt::Prompt,
    settings::{ModelChoice, Protocol, Settings, TurnLimits},
    weigh::weigh,
};

/// A model that failed is left alone for this long, doubled with each failure in a row.
const REST: Duration = Duration::from_secs(10);
/// The longest that a model is left alone.
const LONGEST_REST: Duration = Duration::from_secs(300);

/// Asks models before the rules.
pub struct Chain {
    line: Line,
    settings: Option<Settings>,
    health: Mutex<BTreeMap<String, Health>>,
    rules: Arc<dyn Planner>,
    prompt: Prompt,
    proposable: &'static [&'static str],
    seed: u64,
    turns: AtomicU64,
}

/// What an agent brings to its chain.
pub struct Parts {
    /// What it thinks with when no model gives anything.
    pub rules: Arc<dyn Planner>,
    /// What models are told.
    pub prompt: Prompt,
    /// Names of the tools that its proposals may consist of.
    pub proposable: &'static [&'static str],
}

/// What a model is told of its work, and how much of it it may do.
#[derive(Clone, Copy)]
struct Told<'a> {
    prompt: &'a Prompt,
    limits: TurnLimits,
}

/// How a model did lately: a breaker, so that a dead one costs each turn nothing.
#[derive(Debug, Clone, Copy, Default)]
struct Health {
    failures: u32,
    rests_until: Option<Instant>,
}

impl Chain {
    /// A chain over the broker. Without settings the broker is asked for them before each turn. The
    /// seed makes markers: it must be fresh where workloads could know it.
    #[must_use]
    pub fn new(line: Line, settings: Option<Settings>, parts: Parts, seed: u64) -> Self {
        Self {
            line,
            settings,
            health: Mutex::default(),
            rules: parts.rules,
            prompt: parts.prompt,
            proposable: parts.proposable,
            seed,
            turns: AtomicU64::new(0),
        }
    }

    async fn settings(&self) -> Result<Settings, ModelError> {
        match &self.settings {
            Some(settings) => Ok(settings.clone()),
            None => self.line.settings().await,
        }
    }

    fn health(&self) -> MutexGuard<'_, BTreeMap<String, Health>> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One model's verdict, within its time; a model that failed lately is left alone.
    async fn one(
        &self,
        choice: &ModelChoice,
        told: Told<'_>,
        look: (&Situation, &Reader<'_>),
        number: u64,
        spent: &mut Spent,
    ) -> Result<Verdict, String> {
        let name = choice.name();
        let health = self.health().get(&name).copied().unwrap_or_default();
        if health
            .rests_until
            .is_some_and(|until| Instant::now() < until)
        {
            return Err(format!(
                "it failed {} times in a row and is left alone for a while",
                health.failures
            ));
        }
        let time = told.limits.time();
        let asked = self.ask(choice, told, look, number, spent);
        let outcome = match tokio::time::timeout(time, asked).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Failed::Model(late(time))),
        };
        let unavailable = matches!(&outcome, Err(Failed::Model(ModelError::Unavailable(_))));
        if unavailable {
            self.health().insert(name, health.after_failure());
        } else {
            self.health().remove(&name);
        }
        outcome.map_err(|failed| failed.to_string())
    }

    async fn ask(
        &self,
        choice: &ModelChoice,
        told: Told<'_>,
        (situation, reader): (&Situation, &Reader<'_>),
        number: u64,
        spent: &mut Spent,
    ) -> Result<Verdict, Failed> {
        let may = |tool: &&ToolInfo| self.proposable.contains(&tool.name.as_str());
        let proposable: Vec<ToolInfo> = reader.changing().filter(may).cloned().collect();
        let turn = Turn {
            id: format!("{:016x}-{number}", self.seed),
            subject: situation.subject.to_string(),
        };
        let model = open(&self.line, choice, &turn)?;
        let model = Patient::new(model, told.limits.time());
        let case = Case {
            situation,
            reader,
            prompt: told.prompt,
            proposable: &proposable,
            fence: &Fence::new(self.seed, number),
            limits: told.limits,
        };
        investigate(&model, case, spent).await
    }
}

impl Health {
    /// The first failure may be chance: the next turn tries again.
    fn after_failure(self) -> Self {
        let failures = self.failures.saturating_add(1);
        let doubled = REST.saturating_mul(1 << failures.saturating_sub(2).min(8));
        let rests = (failures >= 2).then(|| Instant::now() + doubled.min(LONGEST_REST));
        Self {
            failures,
            rests_until: rests,
        }
    }
}

fn open(line: &Line, choice: &ModelChoice, turn: &Turn) -> Result<Box<dyn Model>, ModelError> {
    Ok(match choice.protocol {
        Protocol::Openai => Box::new(OpenAi::new(line, choice, turn)?),
        Protocol::Ollama => Box::new(Ollama::new(line, choice, turn)?),
    })
}

#[async_trait]
impl Planner for Chain {
    async fn think(
        &self,
        situation: &Situation,
        reader: &Reader<'_>,
    ) -> Result<Thought, PlannerError> {
        let rules = self.rules.think(situation, reader).await?;
        if rules.verdict == Verdict::Healthy {
            return Ok(rules);
        }
        let number = self.turns.fetch_add(1, Ordering::Relaxed);
        let mut mind = Mind::default();
        let settings = match self.settings().await {
            Ok(settings) => settings,
            Err(error) => {
                mind.passed_over
                    .push(format!("every model (the broker: {error})"));
                Settings::default()
            }
        };
        let own = settings.prompt.clone().map(Prompt::new);
        let told = Told {
            prompt: own.as_ref().unwrap_or(&self.prompt),
            limits: settings.limits,
        };
        if !settings.models.is_empty() {
            mind.choice = Some(Choice {
                models: settings.models.iter().map(ModelChoice::name).collect(),
                prompt: told.prompt.hash().to_owned(),
            });
        }
        for choice in &settings.models {
            let mut spent = Spent::default();
            let look = (situation, reader);
            let verdict = self.one(choice, told, look, number, &mut spent).await;
            mind.rounds = mind.rounds.saturating_add(spent.rounds);
            mind.tokens_in = mind.tokens_in.saturating_add(spent.usage.tokens_in);
            mind.tokens_out = mind.tokens_out.saturating_add(spent.usage.tokens_out);
            mind.overreached.append(&mut spent.overreached);
            if spent.rounds > 0 {
                mind.prompt = Some(told.prompt.hash().to_owned());
            }
            match verdict {
                Ok(verdict) => {
                    mind.planner = choice.name();
                    let verdict = weigh(rules.verdict, verdict);
                    return Ok(Thought { verdict, mind });
                }
                Err(why) => {
                    let why = format!("{} ({})", choice.name(), text::cut(&why, 200));
                    tracing::warn!(why, "a model gave no verdict");
                    mind.passed_over.push(why);
                }
            }
        }
        mind.planner = rules.mind.planner;
        Ok(Thought {
            verdict: rules.verdict,
            mind,
        })
    }
}
