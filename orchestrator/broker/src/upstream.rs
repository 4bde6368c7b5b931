//! The way to a provider: the key, waiting where it asks to wait, and a breaker when it is down.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures::StreamExt;
use ostler_redact::Redactor;
use zeroize::Zeroizing;

use crate::{
    answer::Refused,
    config::{ConfigError, EndpointConfig, KeySource, Protocol},
};

/// Tries of one request.
const TRIES: u32 = 3;
/// The longest wait that a request bears; a provider that asks for more is left alone that long.
const LONGEST_WAIT: Duration = Duration::from_secs(20);
/// The first wait where the provider names none; doubled each time.
const FIRST_WAIT: Duration = Duration::from_millis(500);
/// Failures in a row after which a provider is left alone.
const FAILURES: u32 = 5;
const REST: Duration = Duration::from_secs(30);
const LONGEST_REST: Duration = Duration::from_secs(300);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Silence of a provider that begins or goes on to answer.
const READ_TIMEOUT: Duration = Duration::from_secs(120);
/// Most bytes of an error that are read.
const ERROR_LIMIT: usize = 8 << 10;

/// A provider that can be asked.
pub(crate) struct Upstream {
    url: String,
    key: Option<Zeroizing<String>>,
    protocol: Protocol,
    client: reqwest::Client,
    breaker: Mutex<Breaker>,
}

/// Why a provider gave nothing, and whether it may have worked all the same.
#[derive(Debug)]
pub(crate) struct Failed {
    pub refused: Refused,
    pub may_cost: bool,
}

/// Leaves a provider alone that failed again and again, or asked for it. Pure: time is given.
#[derive(Debug, Default)]
struct Breaker {
    failures: u32,
    rests: u32,
    until: Option<Instant>,
}

impl Upstream {
    pub(crate) fn open(name: &str, config: &EndpointConfig) -> Result<Self, ConfigError> {
        let refuse = |field: &str, problem: String| ConfigError {
            field: format!("endpoints.{name}.{field}"),
            problem,
        };
        let key = config.key.as_ref().map(read_key).transpose();
        let mut builder = reqwest::Client::builder();
        if !config.url.starts_with("https:") {
            // Nothing is encrypted then; a machine without roots may still use a local server.
            builder = builder.tls_certs_only([]);
        }
        let client = builder
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(READ_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("ostler/", env!("CARGO_PKG_VERSION")))
            .build();
        let path = match config.protocol {
            Protocol::Openai => "/chat/completions",
            Protocol::Ollama => "/api/chat",
        };
        Ok(Self {
            url: format!("{}{path}", config.url.trim_end_matches('/')),
            key: key.map_err(|problem| refuse("key", problem))?,
            protocol: config.protocol,
            client: client.map_err(|error| refuse("url", format!("cannot be asked: {error}")))?,
            breaker: Mutex::default(),
        })
    }

    /// Asks, and tries again where that may help. Dropping the future ends the request.
    pub(crate) async fn ask(
        &self,
        body: Bytes,
        redactor: &Redactor,
    ) -> Result<reqwest::Response, Failed> {
        self.rested()?;
        let mut wait = FIRST_WAIT;
        let mut tried = 1;
        loop {
            let (failed, asked) = match self.once(body.clone(), redactor).await {
                Ok(response) => {
                    self.breaker(Breaker::succeeded);
                    return Ok(response);
                }
                Err(failed) => failed,
            };
            let outage = is_outage(&failed);
            self.breaker(|breaker| match outage {
                true => breaker.failed(Instant::now()),
                false => breaker.succeeded(),
            });
            // What may have cost already is not asked twice: one reservation covers one answer.
            let again = outage && !failed.may_cost;
            let pause = asked.unwrap_or(wait);
            if pause > LONGEST_WAIT {
                self.breaker(|breaker| {
                    breaker.until = Some(Instant::now() + pause.min(LONGEST_REST))
                });
            }
            if !again || tried >= TRIES || pause > LONGEST_WAIT || self.rested().is_err() {
                return Err(failed);
            }
            tokio::time::sleep(pause).await;
            wait = wait.saturating_mul(2);
            tried += 1;
        }
    }

    fn breaker<T>(&self, what: impl FnOnce(&mut Breaker) -> T) -> T {
        what(&mut self.breaker.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn rested(&self) -> Result<(), Failed> {
        let left = self.breaker(|breaker| breaker.left(Instant::now()));
        left.map_or(Ok(()), |left| {
            let words = format!(
                "the provider failed or asked for patience; it is left alone for {} s more",
                left.as_secs().max(1)
            );
            Err(Failed {
                refused: Refused::Resting(words),
                may_cost: false,
            })
        })
    }

    /// One try; on failure also how long the provider asks to wait.
    async fn once(
        &self,
        body: Bytes,
        redactor: &Redactor,
    ) -> Result<reqwest::Response, (Failed, Option<Duration>)> {
        let mut request = self
            .client
            .post(&self.url)
            .header("content-type", "application/json")
            .body(body);
        if let Some(key) = &self.key {
            request = request.bearer_auth(key.as_str());
        }
        let response = request.send().await.map_err(|error| {
            let failed = Failed {
                may_cost: !error.is_connect(),
                refused: Refused::Unreachable(format!(
                    "the provider cannot be reached: {}",
                    causes(&error)
                )),
            };
            (failed, None)
        })?;
        if response.status().is_success() {
            return Ok(response);
        }
        let (status, asked) = (response.status().as_u16(), asked_wait(response.headers()));
        let words = self.words_of(response, redactor).await;
        // A redirect or whatever else is no error status would be taken for an answer.
        let status = if status >= 400 { status } else { 502 };
        let failed = Failed {
            refused: Refused::Provider { status, words },
            may_cost: false,
        };
        Err((failed, asked))
    }

    /// What an error says, without the key that some providers repeat.
    async fn words_of(&self, response: reqwest::Response, redactor: &Redactor) -> String {
        let mut bytes = Vec::new();
        let mut stream = response.bytes_stream();
        while let Some(Ok(piece)) = stream.next().await {
            bytes.extend_from_slice(&piece);
            if bytes.len() >= ERROR_LIMIT {
                break;
            }
        }
        let whole = String::from_utf8_lossy(&bytes).into_owned();
        let said = serde_json::from_str::<serde_json::Value>(&whole)
            .ok()
            .and_then(|value| {
                let error = value.get("error")?;
                let words = error.get("message").unwrap_or(error).as_str()?;
                Some(words.to_owned())
            });
        let mut words = said.unwrap_or(whole);
        if let Some(key) = self.key.as_ref().filter(|key| !key.is_empty()) {
            words = words.replace(key.as_str(), "[redacted]");
        }
        let words: String = redactor
            .text(&words)
            .chars()
            .filter(|c| !c.is_control())
            .take(300)
            .collect();
        format!("the provider answers: {words}")
    }

    pub(crate) const fn protocol(&self) -> Protocol {
        self.protocol
    }
}

fn read_key(source: &KeySource) -> Result<Zeroizing<String>, String> {
    let text = match source {
        KeySource::File(path) => std::fs::read_to_string(path)
            .map_err(|error| format!("cannot be read from `{}`: {error}", path.display()))?,
        KeySource::Env(name) => {
            std::env::var(name).map_err(|_| format!("is not in the environment as `{name}`"))?
        }
    };
    let text = Zeroizing::new(text);
    let key = Zeroizing::new(text.trim().to_owned());
    if key.is_empty() || key.chars().any(char::is_control) {
        return Err("is empty or has more than one line".to_owned());
    }
    Ok(key)
}

/// Whether the provider is to blame, not the request.
fn is_outage(failed: &Failed) -> bool {
    match &failed.refused {
        Refused::Unreachable(_) => true,
        Refused::Provider { status, .. } => matches!(status, 408 | 429 | 500 | 502 | 503 | 504),
        _ => false,
    }
}

/// How long a provider asks to wait: `retry-after-ms`, or `retry-after` in seconds or as a date.
fn asked_wait(headers: &reqwest::header::HeaderMap) -> Option<Duration> {
    let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    if let Some(milliseconds) = text("retry-after-ms").and_then(|text| text.parse().ok()) {
        return Some(Duration::from_millis(milliseconds));
    }
    let after = text("retry-after")?;
    if let Ok(seconds) = after.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = httpdate::parse_http_date(after).ok()?;
    Some(
        at.duration_since(std::time::SystemTime::now())
            .unwrap_or_default(),
    )
}

impl Breaker {
    fn succeeded(&mut self) {
        *self = Self::default();
    }

    fn failed(&mut self, now: Instant) {
        self.failures = self.failures.saturating_add(1);
        if self.failures >= FAILURES {
            let rest = REST
                .saturating_mul(1 << self.rests.min(6))
                .min(LONGEST_REST);
            self.until = Some(now + rest);
            self.rests = self.rests.saturating_add(1);
            // After the rest one try decides: its failure rests again, its success forgets all.
            self.failures = FAILURES - 1;
        }
    }

    fn left(&self, now: Instant) -> Option<Duration> {
        let left = self.until?.saturating_duration_since(now);
        (!left.is_zero()).then_some(left)
    }
}

/// An error with its causes, in one line.
fn causes(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let more = cause.to_string();
        if !words.contains(&more) {
            words = format!("{words}: {more}");
        }
        next = cause.source();
    }
    words
        .chars()
        .filter(|c| !c.is_control())
        .take(300)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_provider_that_fails_again_and_again_is_left_alone_ever_longer() {
        let (mut breaker, start) = (Breaker::default(), Instant::now());
        for _ in 0..FAILURES - 1 {
            breaker.failed(start);
            assert_eq!(breaker.left(start), None);
        }
        breaker.failed(start);
        assert_eq!(breaker.left(start), Some(REST));
        assert_eq!(breaker.left(start + REST), None);
        breaker.failed(start + REST);
        assert_eq!(breaker.left(start + REST), Some(REST * 2));
        breaker.succeeded();
        assert_eq!(breaker.left(start + REST), None);
        breaker.failed(start + REST);
        assert_eq!(breaker.left(start + REST), None);
    }

    #[test]
    fn waits_are_read_in_every_form() {
        let wait = |name: &'static str, value: &str| {
            let mut headers = reqwest::header::HeaderMap::new();
            headers.insert(name, value.parse().unwrap());
            asked_wait(&headers)
        };
        assert_eq!(wait("retry-after", "7"), Some(Duration::from_secs(7)));
        assert_eq!(
            wait("retry-after-ms", "1500"),
            Some(Duration::from_millis(1_500))
        );
        assert_eq!(
            wait("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT"),
            Some(Duration::ZERO)
        );
        assert_eq!(wait("retry-after", "soon"), None);
    }
}
