//! What the daemon's configuration says of language models. Everything else in it is the daemon's to judge.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use ostler_agents_llm::settings::Settings;
use ostler_broker::config::{Config, ConfigError, EndpointConfig, Recording};
use ostler_core::id::AgentName;
use serde::{Deserialize, de::IgnoredAny};

use crate::{
    entry::{Entry, EntryError, shadow_of},
    told,
};

/// Language models, and who plans with them.
#[derive(Debug, Clone, Default)]
pub struct Planning {
    /// Providers, and which agent asks which.
    pub models: Config,
    /// What models are told, where the operator says it in their own words; by names as in `models`.
    pub prompts: BTreeMap<String, String>,
}

/// Why a file's words on language models are not taken.
#[derive(Debug, thiserror::Error)]
pub enum PlanningError {
    /// The file cannot be read.
    #[error("cannot read `{file}`")]
    Read {
        /// Which.
        file: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It is not a configuration.
    #[error("`{file}` is not a configuration: {problem}")]
    Form {
        /// Which.
        file: PathBuf,
        /// What is wrong, with line and field.
        problem: String,
    },
    /// What it says of models is not acceptable.
    #[error(transparent)]
    Models(#[from] ConfigError),
    /// What is said of an agent's minds is not acceptable.
    #[error(transparent)]
    Entry(#[from] EntryError),
}

/// The parts of the file that matter here.
#[derive(Deserialize)]
struct File {
    #[serde(default)]
    endpoints: BTreeMap<String, EndpointConfig>,
    #[serde(default)]
    agents: BTreeMap<AgentName, Entry<IgnoredAny>>,
    #[serde(default)]
    recording: Recording,
}

impl Planning {
    /// Reads the daemon's configuration file.
    ///
    /// # Errors
    /// When it cannot be read, or what it says of models is not acceptable; names the field.
    pub fn read(file: &Path) -> Result<Self, PlanningError> {
        let text = fs::read_to_string(file).map_err(|source| PlanningError::Read {
            file: file.to_owned(),
            source,
        })?;
        let File {
            endpoints,
            agents,
            recording,
        } = serde_saphyr::from_str(&text).map_err(|error| PlanningError::Form {
            file: file.to_owned(),
            problem: error.to_string(),
        })?;
        let folder = file.parent().unwrap_or(Path::new("."));
        let mut planning = Self {
            models: Config {
                endpoints,
                agents: BTreeMap::new(),
                recording,
            },
            prompts: BTreeMap::new(),
        };
        for (name, entry) in agents {
            for mind in entry.minds(&name, folder)? {
                mind.join(&mut planning.models, &mut planning.prompts);
            }
        }
        planning.models.check()?;
        Ok(planning)
    }

    /// What an agent is told to plan with; rules alone where the file says nothing of it.
    #[must_use]
    pub fn settings(&self, agent: &AgentName) -> Settings {
        let known = self.models.agents.get(agent.as_str());
        known.map_or_else(Settings::default, |config| {
            told::of_agent(&self.models, config, self.prompts.get(agent.as_str()))
        })
    }

    /// As if the agent's shadow stood in its place; nothing where it has none.
    #[must_use]
    pub fn promoted(mut self, agent: &AgentName) -> Option<Self> {
        let shadow = shadow_of(agent);
        let config = self.models.agents.remove(&shadow)?;
        self.models.agents.insert(agent.to_string(), config);
        match self.prompts.remove(&shadow) {
            Some(prompt) => self.prompts.insert(agent.to_string(), prompt),
            None => self.prompts.remove(agent.as_str()),
        };
        Some(self)
    }

    /// What matters to one agent alone: others' providers are not asked, and need no key.
    #[must_use]
    pub fn of(mut self, agent: &AgentName) -> Self {
        self.prompts.retain(|name, _| name == agent.as_str());
        self.models.agents.retain(|name, _| name == agent.as_str());
        let planners = self
            .models
            .agents
            .values()
            .flat_map(|config| &config.planner);
        let asked: Vec<String> = planners
            .filter_map(|planner| Some(planner.split_once(':')?.0.to_owned()))
            .collect();
        self.models.endpoints.retain(|name, _| asked.contains(name));
        self
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::Planning;
    use crate::told::of_all;

    const FILE: &str = "
prometheus: http://127.0.0.1:9090
endpoints:
  local: { protocol: ollama, url: 'http://127.0.0.1:11434', models: { m: {} } }
  other: { protocol: openai, url: 'http://127.0.0.1:1/v1', models: { n: {} } }
agents:
  healer:
    planner: [ 'local:m', rules ]
    prompt: words.md
    turn: { seconds: 7 }
    shadow: { planner: [ 'other:n', rules ], turn: { seconds: 9 } }
  upgrader: { planner: [ 'other:n', rules ] }
  watcher: { program: { command: [ /usr/bin/true ] } }
";

    #[test]
    fn what_an_agent_is_told_is_read_as_the_daemon_tells_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.yaml");
        fs::write(&file, FILE).unwrap();
        let missing = Planning::read(&file).unwrap_err().to_string();
        assert!(missing.contains("agents.healer.prompt"), "{missing}");
        fs::write(folder.path().join("words.md"), "Be brief.\n").unwrap();
        let planning = Planning::read(&file).unwrap();
        let healer = "healer".parse().unwrap();
        let settings = planning.settings(&healer);
        assert_eq!(settings.prompt.as_deref(), Some("Be brief.\n"));
        assert_eq!(settings.models[0].name(), "local:m");
        assert_eq!(settings.limits.seconds, 7);
        let told = of_all(&planning.models, &planning.prompts).unwrap();
        assert_eq!(told["healer"], serde_json::to_value(&settings).unwrap());
        assert!(
            planning
                .settings(&"watcher".parse().unwrap())
                .models
                .is_empty()
        );
        assert_eq!(told["healer.shadow"]["models"][0]["model"], "n");
        let promoted = planning
            .clone()
            .promoted(&healer)
            .unwrap()
            .settings(&healer);
        assert_eq!(
            (promoted.models[0].name(), promoted.limits.seconds),
            ("other:n".to_owned(), 9)
        );
        assert_eq!(promoted.prompt, None);
        assert!(
            planning
                .clone()
                .promoted(&"scaler".parse().unwrap())
                .is_none()
        );
        let own = planning.of(&healer);
        assert_eq!(own.models.endpoints.keys().collect::<Vec<_>>(), ["local"]);
        assert_eq!(own.models.agents.len(), 1);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.yaml");
        let refused = |text: &str| {
            fs::write(&file, text).unwrap();
            Planning::read(&file).unwrap_err().to_string()
        };
        let said = refused("agents: { healer: { planner: [ 'gone:m' ] } }");
        assert!(said.contains("there is no endpoint `gone`"), "{said}");
        let said = refused("agents: { healer: { plan: [ rules ] } }");
        assert!(
            said.contains("is not a configuration") && said.contains("plan"),
            "{said}"
        );
        let said = refused("agents: { healer: { shadow: { planner: [ 'gone:m' ] } } }");
        assert!(
            said.contains("agents.healer.shadow.planner[0]") && said.contains("`gone`"),
            "{said}"
        );
        let said = refused("agents: { healer: { shadow: { planner: [ rules ] } } }");
        assert!(said.contains("names no model"), "{said}");
        let said = refused("agents: { own: { program: {}, shadow: { planner: [ 'a:b' ] } } }");
        assert!(said.contains("only agents of Ostler's"), "{said}");
    }
}
