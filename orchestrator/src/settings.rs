//! What an operator writes in the file of `--config`: language models, agents that plan with them,
//! agents of the operator's own, and what the HTTP door needs to know.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use ostler_broker::config::{Config as Models, EndpointConfig, Recording};
use ostler_core::id::AgentName;
use ostler_gate::{Calendar, note::Verifier};
use ostler_planning::Entry;
use ostler_runtime::image::SignatureRules;
use ostler_signals::prometheus::Prometheus;
use ostler_tools::price::Prices;
use serde::Deserialize;

use crate::{
    calendar::{FreezeEntry, WindowEntry, calendar},
    images::ImagesConfig,
    notify::{NotifyConfig, NotifySettings},
    observe::registries::{Looking, settings::UpgradesConfig},
    serve::{
        oidc::{Oidc, OidcConfig},
        tls::{TlsConfig, TlsSettings},
    },
    supervise::guest::Guest,
};

/// Most agents of the operator's own.
const GUESTS_LIMIT: usize = 20;

/// The file's content, checked.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Language models, and who plans with them.
    pub models: Models,
    /// Agents of the operator's own.
    pub guests: BTreeMap<AgentName, Guest>,
    /// What models are told, where the operator says it in their own words; by names as in `models`.
    pub prompts: BTreeMap<String, String>,
    /// An existing Prometheus that manifests may have asked.
    pub prometheus: Option<Prometheus>,
    /// Whose certificates of evals are believed.
    pub evaluators: Vec<Verifier>,
    /// An issuer whose tokens are believed at the HTTP door.
    pub oidc: Option<Oidc>,
    /// What the HTTP door speaks TLS with.
    pub tls: Option<TlsSettings>,
    /// Where the audit log's heads are kept as well, best on another disk.
    pub witness: Option<PathBuf>,
    /// Who else is told that a request waits for a yes.
    pub notify: NotifySettings,
    /// When changes may be made.
    pub calendar: Calendar,
    /// What resources cost.
    pub prices: Option<Prices>,
    /// What images must be to run.
    pub signatures: SignatureRules,
    /// How new versions are looked for.
    pub looking: Looking,
    /// Where reports of eval runs are kept.
    pub eval_reports: Option<PathBuf>,
}

/// The file as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    endpoints: BTreeMap<String, EndpointConfig>,
    #[serde(default)]
    agents: BTreeMap<AgentName, Entry<Guest>>,
    #[serde(default)]
    recording: Recording,
    /// Where a Prometheus listens: `http://host:port`.
    #[serde(default)]
    prometheus: Option<String>,
    /// Public keys as `ostler eval key` prints them.
    #[serde(default)]
    evaluators: Vec<String>,
    #[serde(default)]
    audit: Audit,
    #[serde(default)]
    identity: Identity,
    #[serde(default)]
    tls: Option<TlsConfig>,
    #[serde(default)]
    notify: Option<NotifyConfig>,
    #[serde(default)]
    freezes: Vec<FreezeEntry>,
    #[serde(default)]
    change_windows: Vec<WindowEntry>,
    #[serde(default)]
    prices: Option<Prices>,
    #[serde(default)]
    images: ImagesConfig,
    #[serde(default)]
    upgrades: Option<UpgradesConfig>,
    #[serde(default)]
    evals: Evals,
}

/// What is said of evals.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Evals {
    /// The folder of reports; relative to the configuration's own folder.
    #[serde(default)]
    reports: Option<PathBuf>,
}

/// Who else says who somebody is.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Identity {
    #[serde(default)]
    oidc: Option<OidcConfig>,
}

/// What is said of the audit log.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Audit {
    /// The file of the witness; relative to the configuration's own folder.
    #[serde(default)]
    witness: Option<PathBuf>,
}

impl Settings {
    /// Reads the file; nothing is set without one.
    ///
    /// # Errors
    /// When it cannot be read or says something that is not acceptable; names the field.
    pub fn read(file: Option<&Path>) -> anyhow::Result<Self> {
        let Some(file) = file else {
            return Ok(Self::default());
        };
        let name = file.display();
        let text = fs::read_to_string(file).with_context(|| format!("cannot read `{name}`"))?;
        let folder = file.parent().unwrap_or(Path::new("."));
        Self::parse(&text, folder).with_context(|| format!("`{name}` is not a configuration"))
    }

    /// Reads the file's text; files that it names are looked for in `folder`.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn parse(text: &str, folder: &Path) -> anyhow::Result<Self> {
        let File {
            endpoints,
            agents,
            recording,
            prometheus,
            evaluators,
            audit,
            identity,
            tls,
            notify,
            freezes,
            change_windows,
            prices,
            images,
            upgrades,
            evals,
        } = serde_saphyr::from_str(text)?;
        let mut settings = Self {
            models: Models {
                endpoints,
                agents: BTreeMap::new(),
                recording,
            },
            prometheus: prometheus.as_deref().map(source).transpose()?,
            evaluators: evaluators
                .iter()
                .map(|key| evaluator(key))
                .collect::<Result<_, _>>()?,
            oidc: (identity.oidc).map(|oidc| oidc.check(folder)).transpose()?,
            tls: tls.map(|tls| tls.check(folder)).transpose()?,
            notify: notify
                .map_or_else(|| Ok(NotifySettings::default()), |told| told.check(folder))?,
            witness: audit.witness.map(|file| folder.join(file)),
            calendar: calendar(freezes, change_windows)?,
            prices: prices.map(priced).transpose()?,
            signatures: images.check(folder)?,
            eval_reports: evals.reports.map(|reports| folder.join(reports)),
            looking: upgrades.map_or_else(|| Ok(Looking::default()), |said| said.check(folder))?,
            ..Self::default()
        };
        for (name, entry) in agents {
            for mind in entry.minds(&name, folder)? {
                mind.join(&mut settings.models, &mut settings.prompts);
            }
            settings.house(name, entry)?;
        }
        if settings.guests.len() > GUESTS_LIMIT {
            bail!(
                "`agents` brings {} programs: {GUESTS_LIMIT} at most",
                settings.guests.len()
            );
        }
        settings.models.check()?;
        Ok(settings)
    }

    fn house(&mut self, name: AgentName, entry: Entry<Guest>) -> anyhow::Result<()> {
        let ours = ostler_agents::registry().iter().map(|agent| agent.name);
        match (
            entry.program,
            ours.clone().any(|ours| ours == name.as_str()),
        ) {
            (Some(_), true) => {
                bail!(
                    "`agents.{name}.program`: `{name}` is an agent of Ostler's; take another name"
                )
            }
            (None, false) => bail!(
                "`agents.{name}`: there is no such agent; agents are: {}. To bring one of your own, give its `program`",
                ours.collect::<Vec<_>>().join(", ")
            ),
            (Some(guest), false) => {
                let checked = guest.check();
                checked.with_context(|| format!("`agents.{name}.program` is not acceptable"))?;
                self.guests.insert(name.clone(), guest);
            }
            (None, true) if entry.planner.is_none() => {
                bail!("`agents.{name}.planner` is missing: such as [ rules ]")
            }
            (None, true) => {}
        }
        Ok(())
    }
}

/// Prices that make sense.
fn priced(prices: Prices) -> anyhow::Result<Prices> {
    let sane = |price: f64| (0.0..=1_000_000.0).contains(&price);
    let named = (1..=8).contains(&prices.currency.chars().count())
        && prices.currency.chars().all(char::is_alphanumeric);
    if !sane(prices.cpu_hour) || !sane(prices.gib_hour) || !named {
        bail!(
            "`prices`: give `cpu_hour` and `gib_hour` from 0 to 1000000 and a `currency` of 1 to 8 letters, such as EUR"
        );
    }
    Ok(prices)
}

/// A Prometheus that may be asked.
fn source(url: &str) -> anyhow::Result<Prometheus> {
    Prometheus::parse(url).map_err(|words| anyhow::anyhow!("`prometheus`: {words}"))
}

/// Someone whose certificates are believed.
fn evaluator(key: &str) -> anyhow::Result<Verifier> {
    Verifier::parse(key).with_context(|| {
        let shown: String = key.chars().take(80).collect();
        format!("`evaluators`: `{shown}` is not a public key as `ostler eval key` prints it")
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::Settings;

    fn refused(text: &str) -> String {
        format!("{:#}", Settings::parse(text, Path::new(".")).unwrap_err())
    }

    #[test]
    fn agents_of_ones_own_stand_beside_models() {
        let text = "
endpoints:
  local: { protocol: ollama, url: 'http://127.0.0.1:11434', models: { m: {} } }
agents:
  healer: { planner: [ 'local:m', rules ] }
  watcher:
    program: { command: [ /usr/bin/python3, /agent/watcher.py ], mounts: { /usr: /usr } }
";
        let settings = Settings::parse(text, Path::new(".")).unwrap();
        assert_eq!(
            settings.models.agents.keys().collect::<Vec<_>>(),
            ["healer"]
        );
        let guests: Vec<&str> = settings.guests.keys().map(|name| name.as_str()).collect();
        assert_eq!(guests, ["watcher"]);
    }

    /// What an eval certifies by this file is what the daemon runs by it.
    #[test]
    fn evals_read_the_same_of_models_as_the_daemon() {
        let folder = tempfile::tempdir().unwrap();
        let text = "
prices: { cpu_hour: 1, gib_hour: 1, currency: EUR }
endpoints:
  local: { protocol: ollama, url: 'http://127.0.0.1:11434', models: { m: {} } }
recording: { replay: answers }
agents:
  healer:
    planner: [ 'local:m', rules ]
    prompt: own.md
    turn: { calls: 3 }
    budget: { turn: { tokens: 9000 } }
    shadow: { planner: [ 'local:m' ], prompt: own.md }
  watcher: { program: { command: [ /usr/bin/python3 ], mounts: { /usr: /usr } } }
";
        std::fs::write(folder.path().join("own.md"), "Be brief.").unwrap();
        std::fs::write(folder.path().join("config.yaml"), text).unwrap();
        let daemon = Settings::parse(text, folder.path()).unwrap();
        let file = folder.path().join("config.yaml");
        let evals = ostler_planning::Planning::read(&file).unwrap();
        assert_eq!(
            (evals.models, evals.prompts),
            (daemon.models, daemon.prompts)
        );
    }

    #[test]
    fn what_is_wrong_is_named_with_what_is_accepted() {
        let cases = [
            (
                "agents: { haeler: { planner: [ rules ] } }",
                "agents are: healer",
            ),
            (
                "agents: { healer: {} }",
                "`agents.healer.planner` is missing",
            ),
            (
                "agents: { healer: { program: { command: [ /x ] } } }",
                "take another name",
            ),
            (
                "agents: { mine: { program: { command: [] } } }",
                "`command` is empty",
            ),
            (
                "agents: { mine: { program: { command: [ x ] } } }",
                "not an absolute path",
            ),
            (
                "agents: { mine: { program: { command: [ /x ], mounts: { /: /srv } } } }",
                "`/` cannot be mounted over",
            ),
            (
                "agents: { mine: { program: { command: [ /x ], mounts: { /run/ostler: /srv } } } }",
                "holds the agent's sockets",
            ),
            ("agents: { mine: { programme: {} } }", "programme"),
            (
                "prices: { cpu_hour: -1, gib_hour: 0, currency: EUR }",
                "`prices`",
            ),
        ];
        for (text, words) in cases {
            let said = refused(text);
            assert!(said.contains(words), "{text}: {said}");
        }
    }
}
