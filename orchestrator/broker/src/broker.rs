//! The broker itself: one request from an agent's socket to an answer, with its accounts.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use axum::response::Response;
use bytes::Bytes;
use futures::StreamExt;
use ostler_redact::Redactor;
use serde_json::Value;

use crate::{
    answer::{Refused, Unanswered, json_answer},
    budget::{Account, Accounts, Cost},
    cassette::{Cassette, identity},
    config::{Config, ConfigError, Price, Protocol, RULES, Recording},
    ledger::{BEGINNING_MS, Before, Kept, Ledger, Standing},
    passing::{Keep, Open, metered, replayed, streamed},
    request::{self, Request},
    spending::{Meter, Outcome, Secrets, Spending},
    upstream::Upstream,
};

/// What the broker needs of the daemon.
pub struct Parts {
    /// What the operator wrote.
    pub config: Config,
    /// What each agent is told to plan with.
    pub settings: BTreeMap<String, Value>,
    /// Knows the secrets that must not leave.
    pub secrets: Arc<dyn Secrets>,
    /// Hears what is spent.
    pub meter: Arc<dyn Meter>,
    /// What agents spent before: it goes on counting.
    pub before: Before,
}

/// Between agents and language models.
pub struct Broker {
    endpoints: BTreeMap<String, (Upstream, BTreeMap<String, Price>)>,
    agents: BTreeMap<String, Agent>,
    replay: Option<Cassette>,
    record: Option<Cassette>,
    secrets: Arc<dyn Secrets>,
    meter: Arc<dyn Meter>,
    began: Instant,
}

struct Agent {
    /// `(endpoint, model)` pairs that it may ask.
    may: BTreeSet<(String, String)>,
    planner: Vec<String>,
    /// Longest time for which one request is waited for.
    patience: Duration,
    settings: Value,
    ledger: Arc<Ledger>,
}

impl Broker {
    /// Opens the broker: reads the keys, makes the clients.
    ///
    /// # Errors
    /// What is wrong with the configuration.
    pub fn open(parts: Parts) -> Result<Arc<Self>, ConfigError> {
        let Parts {
            config,
            mut settings,
            secrets,
            meter,
            before,
        } = parts;
        config.check()?;
        let mut endpoints = BTreeMap::new();
        for (name, endpoint) in &config.endpoints {
            let mut endpoint = endpoint.clone();
            if matches!(config.recording, Recording::Replay(_)) {
                // Nobody is asked: no key is needed.
                endpoint.key = None;
            }
            endpoints.insert(
                name.clone(),
                (Upstream::open(name, &endpoint)?, endpoint.models),
            );
        }
        let mut agents = BTreeMap::new();
        for (name, agent) in &config.agents {
            let models = agent.planner.iter().filter(|planner| *planner != RULES);
            let pair = |planner: &String| {
                let (endpoint, model) = planner.split_once(':')?;
                Some((endpoint.to_owned(), model.to_owned()))
            };
            let agent = Agent {
                may: models.filter_map(pair).collect(),
                planner: agent.planner.clone(),
                patience: Duration::from_secs(agent.turn.seconds),
                settings: settings.remove(name).unwrap_or(Value::Null),
                ledger: before.ledger(name, agent.budget.limits(name)?),
            };
            agents.insert(name.clone(), agent);
        }
        let (record, replay) = match &config.recording {
            Recording::Off => (None, None),
            Recording::Record(folder) => (Some(Cassette::new(folder)), None),
            Recording::Replay(folder) => (None, Some(Cassette::new(folder))),
        };
        Ok(Arc::new(Self {
            endpoints,
            agents,
            replay,
            record,
            secrets,
            meter,
            began: before.began(),
        }))
    }

    /// The agents that may ask at all.
    pub fn agents(&self) -> impl Iterator<Item = &str> {
        self.agents.keys().map(String::as_str)
    }

    /// How each agent stands with its budgets.
    #[must_use]
    pub fn standings(&self) -> Vec<Standing> {
        let now = self.now_ms();
        let standing = |(name, agent): (&String, &Agent)| {
            let mut accounts = agent.ledger.accounts();
            Standing {
                agent: name.clone(),
                planner: agent.planner.clone(),
                budget: accounts.budget(),
                hour: accounts.in_hour(now),
                refused: agent.ledger.refused.load(Ordering::Relaxed),
            }
        };
        self.agents.iter().map(standing).collect()
    }

    /// What an agent is told to plan with.
    pub(crate) fn settings(&self, agent: &str) -> Response {
        match self.agents.get(agent) {
            Some(agent) => json_answer(200, &agent.settings),
            None => Refused::NotAllowed("this agent may ask no model".to_owned())
                .answer(Protocol::Openai),
        }
    }

    /// One request of an agent.
    pub(crate) async fn ask(
        self: &Arc<Self>,
        agent: &str,
        endpoint: &str,
        protocol: Protocol,
        account: Account,
        bytes: &[u8],
    ) -> Response {
        match self.asked(agent, endpoint, protocol, account, bytes).await {
            Ok(response) => response,
            Err(Unanswered { refused, paid }) => {
                let outcome = match &refused {
                    Refused::Request(_) | Refused::NotAllowed(_) => Outcome::Refused,
                    Refused::Budget(_) => Outcome::OverBudget,
                    _ => Outcome::Failed,
                };
                if let (Outcome::OverBudget, Some(agent)) = (outcome, self.agents.get(agent)) {
                    agent.ledger.refused.fetch_add(1, Ordering::Relaxed);
                }
                tracing::warn!(agent, endpoint, outcome = outcome.name(), "{refused}");
                // A name that no operator wrote is no label.
                let endpoint = if self.endpoints.contains_key(endpoint) {
                    endpoint
                } else {
                    "unknown"
                };
                self.meter.spent(&Spending {
                    agent,
                    endpoint,
                    outcome,
                    tokens: paid.tokens,
                    nano: paid.nano,
                });
                refused.answer(protocol)
            }
        }
    }

    async fn asked(
        self: &Arc<Self>,
        agent: &str,
        endpoint: &str,
        protocol: Protocol,
        account: Account,
        bytes: &[u8],
    ) -> Result<Response, Unanswered> {
        let mut request = request::read(protocol, bytes)?;
        let (upstream, price) = self.allowed(agent, endpoint, protocol, &request)?;
        let redactor = self.secrets.redactor();
        for field in ["messages", "tools"] {
            if let Some(value) = request.body.get_mut(field) {
                redactor.value(value);
            }
        }
        let body = Bytes::from(request.body.to_string());
        request.most_in = request
            .most_in
            .max(u64::try_from(body.len()).unwrap_or(u64::MAX));
        let mut open = self.reserve(agent, endpoint, account, price, &request)?;
        let path = match protocol {
            Protocol::Openai => "/chat/completions",
            Protocol::Ollama => "/api/chat",
        };
        let identity = identity(endpoint, path, &request.body);
        if let Some(cassette) = &self.replay {
            return Ok(replayed(cassette, &identity, open, protocol)?);
        }
        let asked = tokio::time::timeout_at(open.deadline, upstream.ask(body, &redactor)).await;
        let (refused, may_cost) = match asked {
            Ok(Ok(answer)) => return Ok(self.passed_on(answer, open, protocol, identity, redactor)),
            Ok(Err(failed)) => (failed.refused, failed.may_cost),
            // Nobody knows what it would have cost.
            Err(_) => (Refused::Late(open.worst.ms / 1_000), true),
        };
        let paid = if may_cost {
            open.worst
        } else {
            Cost::default()
        };
        open.close(paid, None);
        Err(Unanswered { refused, paid })
    }

    /// An answer on its way to the agent.
    fn passed_on(
        &self,
        answer: reqwest::Response,
        open: Open,
        protocol: Protocol,
        identity: Value,
        redactor: Arc<Redactor>,
    ) -> Response {
        let kind = answer
            .headers()
            .get("content-type")
            .and_then(|kind| kind.to_str().ok())
            .unwrap_or("application/json")
            .to_owned();
        let pieces = answer
            .bytes_stream()
            .map(|piece| piece.map_err(std::io::Error::other));
        let keep = self.record.clone().map(|cassette| Keep {
            cassette,
            identity,
            kind: kind.clone(),
            redactor,
        });
        streamed(&kind, metered(pieces, open, protocol, keep))
    }

    /// Whether an agent may ask this model of this endpoint, in this protocol.
    fn allowed(
        &self,
        agent: &str,
        endpoint: &str,
        protocol: Protocol,
        request: &Request,
    ) -> Result<(&Upstream, Price), Refused> {
        let refuse = || {
            let model: String = request
                .model
                .chars()
                .filter(|c| !c.is_control())
                .take(80)
                .collect();
            let endpoint: String = endpoint
                .chars()
                .filter(|c| !c.is_control())
                .take(40)
                .collect();
            Refused::NotAllowed(format!("agent `{agent}` may not ask `{endpoint}:{model}`"))
        };
        let may = &self.agents.get(agent).ok_or_else(refuse)?.may;
        if !may.contains(&(endpoint.to_owned(), request.model.clone())) {
            return Err(refuse());
        }
        let (upstream, models) = self.endpoints.get(endpoint).ok_or_else(refuse)?;
        if upstream.protocol() != protocol {
            return Err(Refused::Request(format!(
                "endpoint `{endpoint}` speaks another protocol"
            )));
        }
        let price = models.get(&request.model).ok_or_else(refuse)?;
        Ok((upstream, *price))
    }

    fn reserve(
        self: &Arc<Self>,
        agent: &str,
        endpoint: &str,
        account: Account,
        price: Price,
        request: &Request,
    ) -> Result<Open, Refused> {
        let worst = Cost {
            tokens: request.most_in.saturating_add(request.most_out),
            nano: price.of(request.most_in, request.most_out),
            ms: self.patience(agent),
        };
        let now = self.now_ms();
        let reserved = self.accounts(agent, |accounts| accounts.reserve(account, worst, now));
        let reservation = match reserved {
            Some(Ok(reservation)) => reservation,
            Some(Err(exhausted)) => return Err(Refused::Budget(exhausted.to_string())),
            None => {
                return Err(Refused::NotAllowed(format!(
                    "agent `{agent}` has no account"
                )));
            }
        };
        Ok(Open {
            broker: Arc::clone(self),
            agent: agent.to_owned(),
            endpoint: endpoint.to_owned(),
            price,
            worst,
            began_ms: now,
            deadline: tokio::time::Instant::now() + Duration::from_millis(worst.ms),
            reservation: Some(reservation),
        })
    }

    /// Milliseconds for which a request of an agent is waited for at most.
    fn patience(&self, agent: &str) -> u64 {
        let patience = self.agents.get(agent).map(|agent| agent.patience);
        u64::try_from(patience.unwrap_or_default().as_millis()).unwrap_or(u64::MAX)
    }

    /// Tells the meter.
    pub(crate) fn tell(&self, spending: &Spending<'_>) {
        self.meter.spent(spending);
    }

    pub(crate) fn accounts<T>(
        &self,
        agent: &str,
        what: impl FnOnce(&mut Accounts) -> T,
    ) -> Option<T> {
        let agent = self.agents.get(agent)?;
        Some(what(&mut agent.ledger.accounts()))
    }

    /// What an agent spent within the last hour, promises included; nothing for one that is not known.
    #[must_use]
    pub fn in_hour(&self, agent: &str) -> Option<Cost> {
        let now = self.now_ms();
        self.accounts(agent, |accounts| accounts.in_hour(now))
    }

    /// An agent's ledger.
    pub(crate) fn ledger(&self, agent: &str) -> Option<Arc<Ledger>> {
        Some(Arc::clone(&self.agents.get(agent)?.ledger))
    }

    /// When the clock of the accounts began.
    pub(crate) const fn began(&self) -> Instant {
        self.began
    }

    /// What to write down, for the broker of the next daemon.
    #[must_use]
    pub fn kept(&self) -> Kept {
        let now = self.now_ms();
        let agents = self.agents.iter();
        agents
            .map(|(name, agent)| (name.clone(), agent.ledger.accounts().kept(now)))
            .collect()
    }

    /// Milliseconds on the clock of the accounts, which began long enough ago for what was kept.
    pub(crate) fn now_ms(&self) -> u64 {
        let here = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        here.saturating_add(BEGINNING_MS)
    }
}
