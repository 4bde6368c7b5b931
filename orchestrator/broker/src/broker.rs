//! The broker itself: one request from an agent's socket to an answer, with its accounts.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use axum::{body::Body, response::Response};
use bytes::Bytes;
use futures::{Stream, StreamExt, stream};
use serde_json::Value;

use crate::{
    answer::{Refused, json_answer},
    budget::{Account, Accounts, Cost, Reservation},
    cassette::{Cassette, Recorded, identity},
    config::{Config, ConfigError, Price, Protocol, RULES, Recording},
    redact::{Redactor, shapes_only},
    request::{self, Request},
    tally,
    upstream::Upstream,
};

/// Most bytes of one answer.
const ANSWER_LIMIT: usize = 4 << 20;

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
}

/// Knows the secrets that must not leave.
pub trait Secrets: Send + Sync {
    /// A redactor that knows every secret there is now.
    fn redactor(&self) -> Arc<Redactor>;
}

/// Knows no secrets: credentials are found by their shape alone.
impl Secrets for () {
    fn redactor(&self) -> Arc<Redactor> {
        shapes_only()
    }
}

/// Hears what is spent.
pub trait Meter: Send + Sync {
    /// One request is over.
    fn spent(&self, spending: &Spending<'_>);
}

/// Hears nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoMeter;

impl Meter for NoMeter {
    fn spent(&self, _: &Spending<'_>) {}
}

/// One request that is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spending<'a> {
    /// Who asked.
    pub agent: &'a str,
    /// Which endpoint.
    pub endpoint: &'a str,
    /// What came of it.
    pub outcome: Outcome,
    /// Tokens, in and out together, and money.
    pub tokens: u64,
    /// Money in billionths.
    pub nano: u64,
}

/// What came of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// Answered by the provider.
    Answered,
    /// Answered from a recording.
    Replayed,
    /// Not acceptable, or not on the allow-list.
    Refused,
    /// Refused for want of budget.
    OverBudget,
    /// The provider gave nothing.
    Failed,
    /// The agent hung up, or the answer broke off.
    Interrupted,
}

impl Outcome {
    /// Its label.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Replayed => "replayed",
            Self::Refused => "refused",
            Self::OverBudget => "over_budget",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
        }
    }
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
    settings: Value,
    accounts: Mutex<Accounts>,
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
                settings: settings.remove(name).unwrap_or(Value::Null),
                accounts: Mutex::new(Accounts::new(agent.budget.limits(name)?)),
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
            began: Instant::now(),
        }))
    }

    /// The agents that may ask at all.
    pub fn agents(&self) -> impl Iterator<Item = &str> {
        self.agents.keys().map(String::as_str)
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
            Err(refused) => {
                let outcome = match &refused {
                    Refused::Request(_) | Refused::NotAllowed(_) => Outcome::Refused,
                    Refused::Budget(_) => Outcome::OverBudget,
                    _ => Outcome::Failed,
                };
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
                    tokens: 0,
                    nano: 0,
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
    ) -> Result<Response, Refused> {
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
            return replayed(cassette, &identity, open, protocol);
        }
        let answer = match upstream.ask(body, &redactor).await {
            Ok(answer) => answer,
            Err(failed) => {
                open.close(
                    if failed.may_cost {
                        open.worst
                    } else {
                        Cost::default()
                    },
                    None,
                );
                return Err(failed.refused);
            }
        };
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
        Ok(streamed(&kind, metered(pieces, open, protocol, keep)))
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
            reservation: Some(reservation),
        })
    }

    fn accounts<T>(&self, agent: &str, what: impl FnOnce(&mut Accounts) -> T) -> Option<T> {
        let accounts = &self.agents.get(agent)?.accounts;
        Some(what(
            &mut accounts.lock().unwrap_or_else(PoisonError::into_inner),
        ))
    }

    /// What an agent spent within the last hour, promises included; nothing for one that is not known.
    #[must_use]
    pub fn in_hour(&self, agent: &str) -> Option<Cost> {
        let now = self.now_ms();
        self.accounts(agent, |accounts| accounts.in_hour(now))
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// A request whose cost is not settled. Dropped, it costs its worst case: nobody knows better.
struct Open {
    broker: Arc<Broker>,
    agent: String,
    endpoint: String,
    price: Price,
    worst: Cost,
    reservation: Option<Reservation>,
}

impl Open {
    /// Settles the account; tells the meter where an outcome is given.
    fn close(&mut self, cost: Cost, outcome: Option<Outcome>) {
        let Some(reservation) = self.reservation.take() else {
            return;
        };
        let now = self.broker.now_ms();
        self.broker.accounts(&self.agent, |accounts| {
            accounts.settle(reservation, cost, now)
        });
        if let Some(outcome) = outcome {
            let spending = Spending {
                agent: &self.agent,
                endpoint: &self.endpoint,
                outcome,
                tokens: cost.tokens,
                nano: cost.nano,
            };
            self.broker.meter.spent(&spending);
        }
    }

    /// What an answer cost; its worst case where the provider did not count.
    fn cost(&self, counted: Option<tally::Counted>) -> Cost {
        counted.map_or(self.worst, |(tokens_in, tokens_out)| Cost {
            tokens: tokens_in.saturating_add(tokens_out),
            nano: self.price.of(tokens_in, tokens_out),
        })
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.close(self.worst, Some(Outcome::Interrupted));
    }
}

/// Where a good answer is kept.
struct Keep {
    cassette: Cassette,
    identity: Value,
    kind: String,
    redactor: Arc<Redactor>,
}

fn replayed(
    cassette: &Cassette,
    identity: &Value,
    mut open: Open,
    protocol: Protocol,
) -> Result<Response, Refused> {
    let found = cassette.find(identity);
    let recorded = match found {
        Ok(Some(recorded)) => recorded,
        Ok(None) => {
            open.close(Cost::default(), None);
            return Err(Refused::NotRecorded(crate::cassette::key(identity)));
        }
        Err(error) => {
            open.close(Cost::default(), None);
            return Err(Refused::NotRecorded(error.to_string()));
        }
    };
    let cost = open.cost(tally::counted(protocol, recorded.body.as_bytes()));
    open.close(cost, Some(Outcome::Replayed));
    let body = stream::once(async move { Ok(Bytes::from(recorded.body)) });
    Ok(streamed(&recorded.content_type, body))
}

fn streamed(
    kind: &str,
    body: impl Stream<Item = std::io::Result<Bytes>> + Send + 'static,
) -> Response {
    let built = Response::builder()
        .header("content-type", kind)
        .body(Body::from_stream(body));
    built.unwrap_or_default()
}

/// Passes an answer on as it comes; settles and keeps it when it ends, or when the agent hangs up.
fn metered<S>(
    pieces: S,
    open: Open,
    protocol: Protocol,
    keep: Option<Keep>,
) -> impl Stream<Item = std::io::Result<Bytes>> + Send + 'static
where
    S: Stream<Item = std::io::Result<Bytes>> + Send + 'static,
{
    let passing = Passing {
        open,
        protocol,
        seen: Vec::new(),
        keep,
        ended: false,
    };
    stream::unfold(Some((Box::pin(pieces), passing)), |state| async move {
        let (mut pieces, mut passing) = state?;
        match pieces.next().await {
            Some(Ok(piece)) if passing.seen.len() + piece.len() <= ANSWER_LIMIT => {
                passing.seen.extend_from_slice(&piece);
                Some((Ok(piece), Some((pieces, passing))))
            }
            Some(Ok(_)) => {
                let words = format!("the answer is longer than {ANSWER_LIMIT} bytes");
                Some((Err(std::io::Error::other(words)), None))
            }
            Some(Err(error)) => Some((Err(error), None)),
            None => {
                passing.ended = true;
                None
            }
        }
    })
}

/// An answer on its way. However it ends, its account is settled.
struct Passing {
    open: Open,
    protocol: Protocol,
    seen: Vec<u8>,
    keep: Option<Keep>,
    ended: bool,
}

/// The last event of a stream; clients stop reading there.
const LAST_EVENT: &[u8] = b"data: [DONE]";

impl Drop for Passing {
    fn drop(&mut self) {
        let counted = tally::counted(self.protocol, &self.seen);
        let whole = self.ended || self.seen.trim_ascii_end().ends_with(LAST_EVENT);
        // What was cut short may have cost more than was counted so far.
        let (cost, outcome) = if whole {
            (self.open.cost(counted), Outcome::Answered)
        } else {
            (self.open.worst, Outcome::Interrupted)
        };
        self.open.close(cost, Some(outcome));
        if let Some(keep) = self.keep.take().filter(|_| whole) {
            keep_answer(keep, &self.seen);
        }
    }
}

fn keep_answer(keep: Keep, body: &[u8]) {
    let recorded = Recorded {
        request: keep.identity,
        content_type: keep.kind,
        body: keep.redactor.text(&String::from_utf8_lossy(body)),
    };
    if let Err(error) = keep.cassette.keep(&recorded) {
        tracing::error!(%error, path = %error.path.display(), "traffic could not be recorded");
    }
}
