//! What an operator writes: endpoints, models with prices, and which agent plans with what.

use std::{collections::BTreeMap, path::PathBuf};

use serde::{Deserialize, Serialize};

use crate::budget::{Budget, Limit};

/// The planner that needs no model; may stand at the end of a chain.
pub const RULES: &str = "rules";

/// Everything about language models.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Providers by name.
    #[serde(default)]
    pub endpoints: BTreeMap<String, EndpointConfig>,
    /// Agents by name; one that is not here plans with rules.
    #[serde(default)]
    pub agents: BTreeMap<String, AgentConfig>,
    /// Whether traffic is recorded or replayed.
    #[serde(default)]
    pub recording: Recording,
}

/// A provider.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EndpointConfig {
    /// What it speaks.
    pub protocol: Protocol,
    /// Where its API begins, such as `https://api.openai.com/v1` or `http://127.0.0.1:11434`.
    pub url: String,
    /// Where its key is; none for servers that want none.
    #[serde(default)]
    pub key: Option<KeySource>,
    /// Models that may be asked, with their prices.
    pub models: BTreeMap<String, Price>,
    /// Whether answers are streamed; Ollama's never are.
    #[serde(default = "yes")]
    pub stream: bool,
}

/// Wire protocols.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// OpenAI's chat completions.
    Openai,
    /// Ollama's `/api/chat`.
    Ollama,
}

/// Where a key is read from, at each start.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum KeySource {
    /// A file that holds nothing but the key.
    File(PathBuf),
    /// A variable of the daemon's environment.
    Env(String),
}

/// Prices of a million tokens, in the currency that all prices and budgets are in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// Into the model.
    #[serde(default)]
    pub input: f64,
    /// Out of it.
    #[serde(default)]
    pub output: f64,
}

/// How one agent plans.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgentConfig {
    /// Planners in the order in which they are asked: `ENDPOINT:MODEL`, and `rules` at the end.
    pub planner: Vec<String>,
    /// Limits of one turn's work.
    #[serde(default)]
    pub turn: TurnConfig,
    /// Budgets.
    #[serde(default)]
    pub budget: BudgetConfig,
}

/// Limits of one turn's work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TurnConfig {
    /// Answers of a model, repairs included.
    pub rounds: u32,
    /// Tool calls.
    pub calls: u32,
    /// Seconds for each planner of the chain.
    pub seconds: u64,
    /// Tokens of one answer.
    pub answer_tokens: u32,
}

impl Default for TurnConfig {
    fn default() -> Self {
        Self {
            rounds: 10,
            calls: 20,
            seconds: 60,
            answer_tokens: 4_000,
        }
    }
}

/// Budgets of one agent.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BudgetConfig {
    /// Of one turn.
    pub turn: LimitConfig,
    /// Of any hour.
    pub hour: LimitConfig,
    /// Of one incident, within a day.
    pub incident: LimitConfig,
}

impl Default for BudgetConfig {
    fn default() -> Self {
        let tokens = |tokens| LimitConfig {
            tokens,
            money: None,
            seconds: None,
        };
        Self {
            turn: tokens(400_000),
            hour: tokens(2_000_000),
            incident: tokens(1_000_000),
        }
    }
}

/// One budget.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitConfig {
    /// Tokens in and out.
    pub tokens: u64,
    /// Money; as much as the tokens cost when absent.
    #[serde(default)]
    pub money: Option<f64>,
    /// Seconds of waiting for answers; as many as they take when absent.
    #[serde(default)]
    pub seconds: Option<u64>,
}

/// Whether traffic is recorded or replayed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Recording {
    /// Neither.
    #[default]
    Off,
    /// Every good answer is kept in this folder.
    Record(PathBuf),
    /// Answers come from this folder; what is not there is an error, and no provider is asked.
    Replay(PathBuf),
}

const fn yes() -> bool {
    true
}

/// What is wrong with a configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{field}` {problem}")]
pub struct ConfigError {
    /// The field.
    pub field: String,
    /// What is wrong, and what is accepted.
    pub problem: String,
}

impl Config {
    /// Checks what types cannot say.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check(&self) -> Result<(), ConfigError> {
        for (name, endpoint) in &self.endpoints {
            check_endpoint(name, endpoint)?;
        }
        for (name, agent) in &self.agents {
            for (place, planner) in agent.planner.iter().enumerate() {
                self.check_planner(name, place, planner, place + 1 == agent.planner.len())?;
            }
            agent.budget.limits(name)?;
        }
        Ok(())
    }

    fn check_planner(
        &self,
        agent: &str,
        place: usize,
        planner: &str,
        last: bool,
    ) -> Result<(), ConfigError> {
        let refuse = |problem: String| ConfigError {
            field: format!("agents.{agent}.planner[{place}]"),
            problem,
        };
        if planner == RULES {
            return if last {
                Ok(())
            } else {
                Err(refuse("`rules` always answers: write it last".into()))
            };
        }
        let Some((endpoint, model)) = planner.split_once(':') else {
            return Err(refuse(format!(
                "`{planner}` is not a planner: write `ENDPOINT:MODEL` or `rules`"
            )));
        };
        let Some(known) = self.endpoints.get(endpoint) else {
            return Err(refuse(format!("there is no endpoint `{endpoint}`")));
        };
        if !known.models.contains_key(model) {
            let models: Vec<&str> = known.models.keys().map(String::as_str).collect();
            return Err(refuse(format!(
                "endpoint `{endpoint}` has no model `{model}`, but {}",
                models.join(", ")
            )));
        }
        Ok(())
    }
}

fn check_endpoint(name: &str, endpoint: &EndpointConfig) -> Result<(), ConfigError> {
    let refuse = |field: &str, problem: String| {
        Err(ConfigError {
            field: format!("endpoints.{name}{field}"),
            problem,
        })
    };
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if name.is_empty() || name.len() > 40 || !name.chars().all(plain) {
        return refuse(
            "",
            "must be named with lower-case letters, digits and hyphens, 40 at most".into(),
        );
    }
    let Ok(url) = reqwest::Url::parse(&endpoint.url) else {
        return refuse(".url", format!("`{}` is not a URL", endpoint.url));
    };
    let local = url.host_str().is_some_and(|host| {
        host == "localhost"
            || host
                .trim_matches(['[', ']'])
                .parse::<std::net::IpAddr>()
                .is_ok_and(|ip| ip.is_loopback())
    });
    if !matches!(url.scheme(), "http" | "https")
        || url.query().is_some()
        || !url.username().is_empty()
    {
        return refuse(
            ".url",
            format!(
                "`{}` must be http or https, without a user or a query",
                endpoint.url
            ),
        );
    }
    if url.scheme() == "http" && endpoint.key.is_some() && !local {
        return refuse(".url", "would send a key in the clear: use https".into());
    }
    if endpoint.models.is_empty() {
        return refuse(".models", "must list at least one model".into());
    }
    for (model, price) in &endpoint.models {
        if nano(price.input).is_none() || nano(price.output).is_none() {
            return refuse(
                &format!(".models.{model}"),
                "must have prices from 0 to 1,000,000".into(),
            );
        }
    }
    Ok(())
}

impl BudgetConfig {
    /// The budgets in whole numbers.
    ///
    /// # Errors
    /// When an amount of money is not one.
    pub fn limits(&self, agent: &str) -> Result<Budget, ConfigError> {
        let limit = |name: &str, limit: LimitConfig| {
            let nano = match limit.money {
                None => None,
                Some(money) => Some(nano(money).ok_or_else(|| ConfigError {
                    field: format!("agents.{agent}.budget.{name}.money"),
                    problem: "must lie between 0 and 1,000,000".to_owned(),
                })?),
            };
            Ok(Limit {
                tokens: limit.tokens,
                nano,
                ms: limit.seconds.map(|seconds| seconds.saturating_mul(1_000)),
            })
        };
        Ok(Budget {
            turn: limit("turn", self.turn)?,
            hour: limit("hour", self.hour)?,
            incident: limit("incident", self.incident)?,
        })
    }
}

impl Price {
    /// What tokens cost, in billionths, rounded up.
    #[must_use]
    pub fn of(self, tokens_in: u64, tokens_out: u64) -> u64 {
        let cost = |tokens: u64, price: f64| {
            u128::from(tokens).saturating_mul(u128::from(nano(price).unwrap_or(u64::MAX)))
        };
        let total = cost(tokens_in, self.input).saturating_add(cost(tokens_out, self.output));
        u64::try_from(total.div_ceil(1_000_000)).unwrap_or(u64::MAX)
    }
}

/// Money in billionths.
fn nano(money: f64) -> Option<u64> {
    if !(0.0..=1_000_000.0).contains(&money) {
        return None;
    }
    // At most 10^15: exact in both types.
    Some((money * 1e9).round() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(url: &str, key: Option<KeySource>) -> EndpointConfig {
        EndpointConfig {
            protocol: Protocol::Openai,
            url: url.to_owned(),
            key,
            models: BTreeMap::from([(
                "gpt".to_owned(),
                Price {
                    input: 0.25,
                    output: 2.0,
                },
            )]),
            stream: true,
        }
    }

    fn config(planner: &[&str]) -> Config {
        let agent = AgentConfig {
            planner: planner.iter().map(|text| (*text).to_owned()).collect(),
            turn: TurnConfig::default(),
            budget: BudgetConfig::default(),
        };
        Config {
            endpoints: BTreeMap::from([(
                "openai".to_owned(),
                endpoint("https://llm.example/v1", None),
            )]),
            agents: BTreeMap::from([("healer".to_owned(), agent)]),
            recording: Recording::Off,
        }
    }

    #[test]
    fn chains_name_known_endpoints_and_models_and_end_with_rules() {
        assert_eq!(config(&["openai:gpt", "rules"]).check(), Ok(()));
        assert_eq!(config(&["rules"]).check(), Ok(()));
        for (planner, words) in [
            (&["rules", "openai:gpt"][..], "write it last"),
            (&["gpt"], "write `ENDPOINT:MODEL` or `rules`"),
            (&["other:gpt"], "there is no endpoint `other`"),
            (&["openai:big"], "has no model `big`, but gpt"),
        ] {
            let problem = config(planner).check().unwrap_err().to_string();
            assert!(
                problem.contains(words) && problem.contains("agents.healer.planner[0]"),
                "{problem}"
            );
        }
    }

    #[test]
    fn keys_go_to_nobody_in_the_clear() {
        let key = || Some(KeySource::Env("KEY".to_owned()));
        let check = |url, key| check_endpoint("openai", &endpoint(url, key));
        assert!(check("http://llm.example/v1", key()).is_err());
        assert!(check("http://127.0.0.1.llm.example/v1", key()).is_err());
        assert!(check("http://127.0.0.1:9/v1", key()).is_ok());
        assert!(check("http://[::1]:9/v1", key()).is_ok());
        assert!(check("https://llm.example/v1", key()).is_ok());
        assert!(check("ftp://llm.example", None).is_err());
        assert!(check("https://user:pass@llm.example", None).is_err());
    }

    #[test]
    fn prices_are_exact_and_rounded_up() {
        let price = Price {
            input: 0.25,
            output: 2.0,
        };
        assert_eq!(price.of(1_000_000, 1_000_000), 2_250_000_000);
        assert_eq!(price.of(1, 0), 250);
        assert_eq!(
            Price {
                input: 0.000_000_1,
                output: 0.0
            }
            .of(1, 0),
            1
        );
        assert_eq!(Price::default().of(u64::MAX, u64::MAX), 0);
    }
}
