//! From the operator's words to what an agent is told: models and limits, no keys, no prices.

use std::collections::BTreeMap;

use ostler_agents_llm::settings::{ModelChoice, Protocol, Settings, TurnLimits};
use ostler_broker::config::{self, AgentConfig, Config, RULES};
use serde_json::Value;

/// What each agent is told.
pub(super) fn of_all(config: &Config) -> anyhow::Result<BTreeMap<String, Value>> {
    let told = |(name, agent): (&String, &AgentConfig)| {
        let settings = serde_json::to_value(of_agent(config, agent))?;
        Ok((name.clone(), settings))
    };
    config.agents.iter().map(told).collect()
}

fn of_agent(config: &Config, agent: &AgentConfig) -> Settings {
    let choice = |planner: &String| {
        let (endpoint, model) = planner.split_once(':')?;
        let known = config.endpoints.get(endpoint)?;
        Some(ModelChoice {
            endpoint: endpoint.to_owned(),
            protocol: match known.protocol {
                config::Protocol::Openai => Protocol::Openai,
                config::Protocol::Ollama => Protocol::Ollama,
            },
            model: model.to_owned(),
            stream: known.stream,
        })
    };
    let models = agent.planner.iter().filter(|planner| *planner != RULES);
    Settings {
        models: models.filter_map(choice).collect(),
        limits: TurnLimits {
            rounds: agent.turn.rounds,
            calls: agent.turn.calls,
            tokens: agent.budget.turn.tokens,
            seconds: agent.turn.seconds,
            answer_tokens: agent.turn.answer_tokens,
        },
    }
}
