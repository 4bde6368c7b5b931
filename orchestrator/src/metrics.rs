//! The daemon's own metrics, in the Prometheus text format. Labels are closed sets.

use std::sync::{Arc, atomic::AtomicU64};

use ostler_core::event::Happening;
use ostler_gate::ports::Called;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::Registry,
};

use crate::front::golden::{self, Book};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Kind {
    kind: &'static str,
}

/// Agents and endpoints: as many as an operator configured.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Model {
    agent: String,
    endpoint: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Asked {
    agent: String,
    endpoint: String,
    outcome: &'static str,
}

/// Tools and outcomes: the catalogue's, and what the gate answers.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Call {
    tool: &'static str,
    outcome: &'static str,
}

/// Webhooks: as many as an operator configured.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Webhook {
    webhook: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Posted {
    webhook: String,
    outcome: &'static str,
}

/// Everything the daemon counts about itself.
pub struct Metrics {
    /// What the proxy counted, which is shown with the rest.
    pub golden: Arc<Book>,
    registry: Registry,
    happenings: Family<Kind, Counter>,
    steps: Family<Kind, Counter>,
    instances: Family<Kind, Gauge>,
    services: Family<Kind, Gauge>,
    reconcile_seconds: Histogram,
    start_seconds: Histogram,
    calls: Family<Call, Counter>,
    call_seconds: Family<Kind, Histogram>,
    refused_plans: Counter,
    agent_restarts: Counter,
    signal_series: Gauge,
    http_turned_away: Gauge<u64, AtomicU64>,
    model_requests: Family<Asked, Counter>,
    model_tokens: Family<Model, Counter>,
    model_money: Family<Model, Counter<f64, AtomicU64>>,
    webhook_posts: Family<Posted, Counter>,
    webhook_waiting: Family<Webhook, Gauge>,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Self {
            golden: Arc::default(),
            registry: Registry::with_prefix("ostler"),
            happenings: Family::default(),
            steps: Family::default(),
            instances: Family::default(),
            services: Family::default(),
            reconcile_seconds: Histogram::new(exponential_buckets(0.000_05, 4.0, 9)),
            start_seconds: Histogram::new(exponential_buckets(0.002, 2.0, 12)),
            calls: Family::default(),
            call_seconds: Family::new_with_constructor(call_seconds),
            refused_plans: Counter::default(),
            agent_restarts: Counter::default(),
            signal_series: Gauge::default(),
            http_turned_away: Gauge::default(),
            model_requests: Family::default(),
            model_tokens: Family::default(),
            model_money: Family::default(),
            webhook_posts: Family::default(),
            webhook_waiting: Family::default(),
        };
        metrics.register();
        metrics
    }
}

fn call_seconds() -> Histogram {
    Histogram::new(exponential_buckets(0.000_05, 1.6, 20))
}

/// Names and help texts of all metrics, for the reference page.
pub fn reference() -> impl Iterator<Item = (&'static str, &'static str)> {
    OWN.into_iter().chain(golden::REFERENCE)
}

/// Those that the daemon counts itself.
pub const OWN: [(&str, &str); 17] = [
    (
        "ostler_happenings_total",
        "Happenings in the fleet, by kind",
    ),
    (
        "ostler_steps_total",
        "Steps handed to the executor, by kind",
    ),
    ("ostler_instances", "Instances, by phase"),
    ("ostler_services", "Services, by state"),
    (
        "ostler_reconcile_seconds",
        "Time that one decision about the fleet took",
    ),
    (
        "ostler_start_seconds",
        "Time from the order to a running instance",
    ),
    (
        "ostler_calls_total",
        "Calls of tools by somebody known, by tool and outcome",
    ),
    (
        "ostler_call_seconds",
        "Time that the gate took for a call, with the wait for the disk, by kind of tool",
    ),
    (
        "ostler_refused_plans_total",
        "Plans that broke an invariant and were not executed",
    ),
    (
        "ostler_agent_restarts_total",
        "Restarts of agents' processes",
    ),
    ("ostler_signal_series", "Series kept in memory"),
    (
        "ostler_http_turned_away",
        "Requests turned away for want of a good token since the start",
    ),
    (
        "ostler_model_requests_total",
        "Requests of agents to language models, by agent, endpoint and outcome",
    ),
    (
        "ostler_model_tokens_total",
        "Tokens that agents spent, in and out, by agent and endpoint",
    ),
    (
        "ostler_model_money_total",
        "Money that agents spent at configured prices, by agent and endpoint",
    ),
    (
        "ostler_webhook_posts_total",
        "Posts to webhooks, by webhook and outcome",
    ),
    (
        "ostler_webhook_waiting",
        "Notices that a webhook is yet to be told, by webhook",
    ),
];

fn help(name: &str) -> &'static str {
    let full = |known: &str| {
        known
            .trim_start_matches("ostler_")
            .trim_end_matches("_total")
            == name
    };
    OWN.iter()
        .find(|(known, _)| full(known))
        .map_or("", |(_, help)| help)
}

impl Metrics {
    fn register(&mut self) {
        let registry = &mut self.registry;
        registry.register_collector(Box::new(self.golden.clone()));
        registry.register("happenings", help("happenings"), self.happenings.clone());
        registry.register("steps", help("steps"), self.steps.clone());
        registry.register("instances", help("instances"), self.instances.clone());
        registry.register("services", help("services"), self.services.clone());
        registry.register(
            "reconcile_seconds",
            help("reconcile_seconds"),
            self.reconcile_seconds.clone(),
        );
        registry.register(
            "start_seconds",
            help("start_seconds"),
            self.start_seconds.clone(),
        );
        registry.register("calls", help("calls"), self.calls.clone());
        registry.register(
            "call_seconds",
            help("call_seconds"),
            self.call_seconds.clone(),
        );
        registry.register(
            "refused_plans",
            help("refused_plans"),
            self.refused_plans.clone(),
        );
        registry.register(
            "agent_restarts",
            help("agent_restarts"),
            self.agent_restarts.clone(),
        );
        registry.register(
            "signal_series",
            help("signal_series"),
            self.signal_series.clone(),
        );
        registry.register(
            "http_turned_away",
            help("http_turned_away"),
            self.http_turned_away.clone(),
        );
        registry.register(
            "model_requests",
            help("model_requests"),
            self.model_requests.clone(),
        );
        registry.register(
            "model_tokens",
            help("model_tokens"),
            self.model_tokens.clone(),
        );
        registry.register("model_money", help("model_money"), self.model_money.clone());
        registry.register(
            "webhook_posts",
            help("webhook_posts"),
            self.webhook_posts.clone(),
        );
        registry.register(
            "webhook_waiting",
            help("webhook_waiting"),
            self.webhook_waiting.clone(),
        );
    }

    /// Counts a request to a language model; money in billionths.
    pub fn model_asked(
        &self,
        agent: &str,
        endpoint: &str,
        outcome: &'static str,
        tokens: u64,
        nano: u64,
    ) {
        let (agent, endpoint) = (agent.to_owned(), endpoint.to_owned());
        let asked = Asked {
            agent: agent.clone(),
            endpoint: endpoint.clone(),
            outcome,
        };
        self.model_requests.get_or_create(&asked).inc();
        let model = Model { agent, endpoint };
        self.model_tokens.get_or_create(&model).inc_by(tokens);
        // A counter of money is for people: the last digits may go.
        let money = nano as f64 / 1e9;
        self.model_money.get_or_create(&model).inc_by(money);
    }

    /// Counts a post to a webhook.
    pub fn webhook_posted(&self, webhook: &str, outcome: &'static str) {
        let webhook = webhook.to_owned();
        let posted = Posted { webhook, outcome };
        self.webhook_posts.get_or_create(&posted).inc();
    }

    /// Sets how many notices a webhook is yet to be told.
    pub fn set_webhook_waiting(&self, webhook: &str, count: usize) {
        let webhook = webhook.to_owned();
        let gauge = self.webhook_waiting.get_or_create(&Webhook { webhook });
        gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// Counts a happening.
    pub fn happened(&self, what: &Happening) {
        self.happenings
            .get_or_create(&Kind {
                kind: crate::happening::kind(what),
            })
            .inc();
        if let Happening::Started { took, .. } = what {
            self.start_seconds.observe(took.as_secs_f64());
        }
    }

    /// Counts a step.
    pub fn stepped(&self, kind: &'static str) {
        self.steps.get_or_create(&Kind { kind }).inc();
    }

    /// Records how long a decision took.
    pub fn reconciled(&self, seconds: f64) {
        self.reconcile_seconds.observe(seconds);
    }

    /// Counts a call at the gate.
    pub fn called(&self, call: &Called) {
        let Called { outcome, class, .. } = *call;
        let tool = call.tool.unwrap_or("(unknown)");
        self.calls.get_or_create(&Call { tool, outcome }).inc();
        let seconds = self.call_seconds.get_or_create(&Kind { kind: class });
        seconds.observe(call.took.as_secs_f64());
    }

    /// Counts a plan that was not executed.
    pub fn refused_plan(&self) {
        self.refused_plans.inc();
    }

    /// Counts a restart of an agent.
    pub fn agent_restarted(&self) {
        self.agent_restarts.inc();
    }

    /// Sets the number of instances in each phase.
    pub fn set_instances(&self, counts: &[(&'static str, i64)]) {
        for (kind, count) in counts {
            self.instances.get_or_create(&Kind { kind }).set(*count);
        }
    }

    /// Sets the number of services in each state.
    pub fn set_services(&self, counts: &[(&'static str, i64)]) {
        for (kind, count) in counts {
            self.services.get_or_create(&Kind { kind }).set(*count);
        }
    }

    /// Sets the number of series kept.
    pub fn set_series(&self, count: usize) {
        self.signal_series
            .set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// Sets the number of requests that were turned away.
    pub fn set_turned_away(&self, count: u64) {
        self.http_turned_away.set(count);
    }

    /// The exposition.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut text = String::new();
        match prometheus_client::encoding::text::encode(&mut text, &self.registry) {
            Ok(()) => text,
            Err(error) => format!("# the metrics cannot be written: {error}\n"),
        }
    }
}
