//! What an agent is told: models and limits, no keys, no prices.

use std::collections::BTreeMap;

use ostler_agents_llm::settings::{ModelChoice, Protocol, Settings, TurnLimits};
use ostler_broker::config::{self, AgentConfig, Config, RULES};
use serde_json::Value;

/// What each agent is told, as JSON; `prompts` are the operator's own.
///
/// # Errors
/// When it cannot be written as JSON.
pub fn of_all(
    config: &Config,
    prompts: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, Value>, serde_json::Error> {
    let told = |(name, agent): (&String, &AgentConfig)| {
        let told = of_agent(config, agent, prompts.get(name));
        Ok((name.clone(), serde_json::to_value(told)?))
    };
    config.agents.iter().map(told).collect()
}

/// What one agent is told; `prompt` is the operator's own.
#[must_use]
pub fn of_agent(config: &Config, agent: &AgentConfig, prompt: Option<&String>) -> Settings {
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
        prompt: prompt.cloned(),
    }
}
