//! What exactly an agent is: its code, what its models are told, what it plans with. A certificate
//! speaks of one make and of no other.

use ostler_agents_llm::{
    prompt::{Prompt, hex},
    settings::Settings,
};
use ostler_core::{
    autonomy::Make,
    id::{AgentName, InvalidName},
};
use sha2::{Digest as _, Sha256};

use crate::AgentSpec;

/// What the agents of this program are built from: SHA-256 in hex.
pub const BUILD: &str = env!("OSTLER_AGENTS_BUILD");

/// An agent as it runs with these settings.
///
/// # Errors
/// When the agent's registered name is not one.
pub fn of(spec: &AgentSpec, settings: &Settings) -> Result<Make, InvalidName> {
    // Without a model nothing else that models are given is of any effect.
    let none = Settings::default();
    let told = if settings.models.is_empty() {
        &none
    } else {
        settings
    };
    let models = told.models.iter().map(|choice| choice.name());
    let rest = Settings {
        prompt: None,
        ..told.clone()
    };
    let bytes = serde_json::to_vec(&rest).unwrap_or_default();
    Ok(Make {
        agent: AgentName::new(spec.name)?,
        build: BUILD.to_owned(),
        prompt: prompt(spec, settings).hash().to_owned(),
        planner: models.chain(["rules".to_owned()]).collect(),
        settings: hex(&Sha256::digest(bytes)),
    })
}

/// An agent as it runs where nothing is configured: with its rules.
///
/// # Errors
/// As [`of`].
pub fn with_rules(spec: &AgentSpec) -> Result<Make, InvalidName> {
    of(spec, &Settings::default())
}

/// What models that think for an agent are told: the operator's words, or those it ships with.
#[must_use]
pub fn prompt(spec: &AgentSpec, settings: &Settings) -> Prompt {
    let own = settings.prompt.clone();
    Prompt::new(own.unwrap_or_else(|| spec.prompt.to_owned()))
}

#[cfg(test)]
mod tests {
    use ostler_agents_llm::settings::{ModelChoice, Protocol};

    use super::*;

    fn make(settings: &Settings) -> Make {
        of(&crate::registry()[0], settings).unwrap()
    }

    #[test]
    fn every_setting_that_has_an_effect_is_part_of_it() {
        let plain = make(&Settings::default());
        assert_eq!((plain.build.len(), &*plain.planner[0]), (64, "rules"));
        let model = Settings {
            models: vec![ModelChoice {
                endpoint: "local".into(),
                protocol: Protocol::Ollama,
                model: "m".into(),
                stream: false,
            }],
            ..Settings::default()
        };
        assert_eq!(make(&model).differences(&plain), ["planner", "settings"]);
        let line = format!("{}\nBe bold.\n", crate::healer::PROMPT);
        for settings in [Settings::default(), model.clone()] {
            let told = Settings {
                prompt: Some(line.clone()),
                ..settings.clone()
            };
            assert_eq!(make(&told).differences(&make(&settings)), ["prompt"]);
        }
        let mut patient = model.clone();
        patient.limits.rounds += 1;
        assert_eq!(make(&patient).differences(&make(&model)), ["settings"]);
    }
}
