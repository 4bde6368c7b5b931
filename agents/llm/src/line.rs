//! The line to the broker: HTTP over the agent's own Unix socket. No key is on this side.

use std::{path::PathBuf, time::Duration};

use crate::{model::ModelError, settings::Settings};

/// The header that names the turn, for the broker's accounts.
pub const TURN_HEADER: &str = "x-ostler-turn";
/// The header that names what the turn is about, for the account of an incident.
pub const SUBJECT_HEADER: &str = "x-ostler-subject";

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const SETTINGS_TIMEOUT: Duration = Duration::from_secs(5);

/// Where the broker is.
#[derive(Debug, Clone)]
pub struct Line {
    socket: PathBuf,
}

/// One turn, as the broker accounts for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    /// Its name.
    pub id: String,
    /// The service that it is about.
    pub subject: String,
}

impl Line {
    /// The line over this socket.
    #[must_use]
    pub fn new(socket: impl Into<PathBuf>) -> Self {
        Self {
            socket: socket.into(),
        }
    }

    /// Where an endpoint of the broker begins. The host is of no meaning.
    #[must_use]
    pub fn base(endpoint: &str) -> String {
        format!("http://broker/endpoints/{endpoint}")
    }

    /// What this agent is to plan with.
    ///
    /// # Errors
    /// When the broker does not answer or answers something else.
    pub async fn settings(&self) -> Result<Settings, ModelError> {
        let asked = async {
            let client = self.client(None)?;
            let sent = client.get("http://broker/settings").send().await;
            let answer = sent.map_err(|error| ModelError::Unavailable(chain(&error)))?;
            let status = answer.status().as_u16();
            let body = answer
                .bytes()
                .await
                .map_err(|error| ModelError::Unavailable(chain(&error)))?;
            if status != 200 {
                let text = String::from_utf8_lossy(&body);
                return Err(ModelError::of_status(Some(status), &text));
            }
            serde_json::from_slice(&body).map_err(|error| ModelError::Garbled(error.to_string()))
        };
        match tokio::time::timeout(SETTINGS_TIMEOUT, asked).await {
            Ok(answered) => answered,
            Err(_) => Err(ModelError::Unavailable("no answer in time".to_owned())),
        }
    }

    /// A client for one turn, as `async-openai` takes it.
    pub(crate) fn client(&self, turn: Option<&Turn>) -> Result<reqwest::Client, ModelError> {
        let mut headers = reqwest::header::HeaderMap::new();
        for (name, value) in marks(turn) {
            let value = reqwest::header::HeaderValue::from_str(&value).map_err(unusable)?;
            headers.insert(name, value);
        }
        // Nothing is encrypted on this line, so no roots are looked for: a sandbox has none.
        reqwest::Client::builder()
            .unix_socket(self.socket.as_path())
            .no_proxy()
            .tls_certs_only([])
            .connect_timeout(CONNECT_TIMEOUT)
            .default_headers(headers)
            .build()
            .map_err(unusable)
    }

    /// As [`Line::client`], in the version that `ollama-rs` takes.
    pub(crate) fn client_012(
        &self,
        turn: Option<&Turn>,
    ) -> Result<reqwest_012::Client, ModelError> {
        let mut headers = reqwest_012::header::HeaderMap::new();
        for (name, value) in marks(turn) {
            let value = reqwest_012::header::HeaderValue::from_str(&value).map_err(unusable)?;
            headers.insert(name, value);
        }
        reqwest_012::Client::builder()
            .unix_socket(self.socket.as_path())
            .no_proxy()
            .connect_timeout(CONNECT_TIMEOUT)
            .default_headers(headers)
            .build()
            .map_err(unusable)
    }
}

fn marks(turn: Option<&Turn>) -> Vec<(&'static str, String)> {
    turn.map_or_else(Vec::new, |turn| {
        vec![
            (TURN_HEADER, turn.id.clone()),
            (SUBJECT_HEADER, turn.subject.clone()),
        ]
    })
}

fn unusable(error: impl std::error::Error) -> ModelError {
    ModelError::Unavailable(chain(&error))
}

/// An error with its causes, in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_words = cause.to_string();
        if !words.contains(&cause_words) {
            words = format!("{words}: {cause_words}");
        }
        next = cause.source();
    }
    ostler_agents_kit::text::clean(&words, 200)
}
