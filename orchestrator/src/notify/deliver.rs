//! Delivers to one webhook: one post at a time, again after a while when it fails, for a while. A webhook
//! that is slow or away holds up nobody but itself.

use std::{collections::BTreeMap, error::Error, sync::Arc, time::Duration};

use ostler_broker::Secrets as _;
use ostler_gate::{Gate, Reception as _};
use reqwest::{StatusCode, header};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{
    book::Book,
    notice::{Notice, due},
    payload,
    settings::Hook,
};
use crate::{broker::OfGate, clock, fleet::Fleet};

/// How long a post may take, from connecting to the answer's first line.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Tries of one notice until it is given up; with the waits between them, about half an hour.
const TRIES: u32 = 12;
/// Before the second try; it doubles from there.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(10 * 60);
/// How long nothing is looked at when nobody hints: requests expire by the clock alone.
const ANYWAY: Duration = Duration::from_secs(5);

/// One webhook's deliveries.
pub struct Delivery {
    pub(super) hook: Hook,
    pub(super) book: Book,
    pub(super) fleet: Arc<Fleet>,
    pub(super) gate: Arc<Gate>,
    pub(super) secrets: Arc<OfGate>,
}

/// How often a notice was tried, and when it may be tried again.
struct Tried {
    times: u32,
    next: Instant,
}

/// Why a post failed: in words without the address, which may be a secret.
struct Failure {
    words: String,
    /// What the receiver asked for.
    wait: Option<Duration>,
    /// It wants no more of it.
    gone: bool,
}

impl Delivery {
    /// Delivers until told to stop.
    pub async fn run(mut self, stop: CancellationToken) {
        // What cannot be made now cannot be made later: it is the operating system's trust that is missing.
        let client = match client() {
            Ok(client) => client,
            Err(error) => {
                let words = format!("the webhook `{}` cannot be told anything", self.hook.name);
                tracing::error!(%error, "{words}");
                self.fleet.problem(&words.clone(), Some(words));
                return;
            }
        };
        let _stopped = stop.run_until_cancelled(self.deliver(&client)).await;
        self.fleet.metrics.set_webhook_waiting(&self.hook.name, 0);
    }

    async fn deliver(&mut self, client: &reqwest::Client) {
        let mut hints = self.gate.hints();
        let mut tried: BTreeMap<String, Tried> = BTreeMap::new();
        loop {
            let records = self.gate.records();
            let notices = due(&records, self.book.told(), clock::now());
            self.fleet
                .metrics
                .set_webhook_waiting(&self.hook.name, notices.len());
            tried.retain(|id, _| notices.iter().any(|notice| notice.id() == *id));
            let now = Instant::now();
            let next = |notice: &Notice| tried.get(&notice.id()).map_or(now, |tried| tried.next);
            match notices.iter().find(|notice| next(notice) <= now) {
                Some(notice) => {
                    if self.send(client, notice, &mut tried).await {
                        self.book.tell(notice, &records);
                    }
                }
                None => {
                    let soonest = notices.iter().map(next).min();
                    let wake = soonest.map_or(now + ANYWAY, |next| next.min(now + ANYWAY));
                    let _moved_or_due = tokio::time::timeout_at(wake, hints.changed()).await;
                }
            }
        }
    }

    /// Posts once; whether there is nothing more to be tried with this notice.
    async fn send(
        &self,
        client: &reqwest::Client,
        notice: &Notice,
        tried: &mut BTreeMap<String, Tried>,
    ) -> bool {
        let (id, hook) = (notice.id(), &self.hook.name);
        let count = |outcome| self.fleet.metrics.webhook_posted(hook, outcome);
        let Err(failure) = self.post(client, notice, &id).await else {
            tracing::debug!(webhook = %hook, id, "a webhook was told");
            count("delivered");
            tried.remove(&id);
            return true;
        };
        let times = tried.get(&id).map_or(0, |tried| tried.times) + 1;
        let words = failure.words;
        if failure.gone || times >= TRIES {
            tracing::error!(webhook = %hook, id, times, words, "a webhook could not be told, which is given up");
            count("given_up");
            tried.remove(&id);
            return true;
        }
        tracing::warn!(webhook = %hook, id, times, words, "a webhook could not be told; it is tried again");
        count("failed");
        let wait = wait(times).max(failure.wait.unwrap_or_default());
        let next = Instant::now() + wait.min(LONGEST_WAIT);
        tried.insert(id, Tried { times, next });
        false
    }

    async fn post(
        &self,
        client: &reqwest::Client,
        notice: &Notice,
        id: &str,
    ) -> Result<(), Failure> {
        let hook = &self.hook;
        let redactor = self.secrets.redactor();
        let body = payload::body(notice, hook.format, hook.console.as_ref(), &redactor).to_string();
        let seconds = clock::now().0 / 1_000;
        let mut post = client
            .post(hook.url.clone())
            .header(header::CONTENT_TYPE, "application/json")
            .header("webhook-id", id)
            .header("webhook-timestamp", seconds);
        if let Some(signature) = hook.secrets.sign(id, seconds, body.as_bytes()) {
            post = post.header("webhook-signature", signature);
        }
        let answer = post.body(body).send().await.map_err(|error| Failure {
            words: without_address(error),
            wait: None,
            gone: false,
        })?;
        let status = answer.status();
        if status.is_success() {
            return Ok(());
        }
        let asked = answer.headers().get(header::RETRY_AFTER);
        let asked = asked.and_then(|seconds| seconds.to_str().ok()?.parse().ok());
        Err(Failure {
            words: match status.is_redirection() {
                true => format!("it answered {status}; nobody is followed elsewhere"),
                false => format!("it answered {status}"),
            },
            wait: asked.map(Duration::from_secs),
            gone: status == StatusCode::GONE,
        })
    }
}

fn client() -> reqwest::Result<reqwest::Client> {
    reqwest::Client::builder()
        .timeout(TIMEOUT)
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("ostler/", env!("CARGO_PKG_VERSION")))
        .build()
}

/// Doubles with every try.
fn wait(times: u32) -> Duration {
    let factor = 2_u32.saturating_pow(times.saturating_sub(1));
    FIRST_WAIT.saturating_mul(factor).min(LONGEST_WAIT)
}

/// What went wrong, down to the cause. The address of the post is not among it.
fn without_address(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        words.push_str(": ");
        words.push_str(&inner.to_string());
        cause = inner.source();
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tries_are_further_and_further_apart_within_bounds() {
        let waits: Vec<u64> = (1..=TRIES).map(|times| wait(times).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600]);
    }

    #[tokio::test]
    async fn a_failure_does_not_show_the_address() {
        let _first = rustls::crypto::ring::default_provider().install_default();
        let client = client().unwrap();
        let sent = client.post("http://127.0.0.1:1/services/T0/secret?key=secret");
        let words = without_address(sent.send().await.unwrap_err());
        assert!(!words.contains("secret") && !words.is_empty(), "{words}");
    }
}
