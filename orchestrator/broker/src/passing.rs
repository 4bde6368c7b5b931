//! From a reservation to its settlement: an answer on its way to the agent.

use std::sync::Arc;

use axum::{body::Body, response::Response};
use bytes::Bytes;
use futures::{Stream, StreamExt, stream};
use ostler_redact::Redactor;
use serde_json::Value;

use crate::{
    answer::Refused,
    broker::Broker,
    budget::{Cost, Reservation},
    cassette::{Cassette, Recorded},
    config::{Price, Protocol},
    spending::{Outcome, Spending},
    tally,
};

/// Most bytes of one answer.
const ANSWER_LIMIT: usize = 4 << 20;

/// A request whose cost is not settled. Dropped, it costs its worst case: nobody knows better.
pub(crate) struct Open {
    pub broker: Arc<Broker>,
    pub agent: String,
    pub endpoint: String,
    pub price: Price,
    pub worst: Cost,
    pub began_ms: u64,
    /// Nobody waits longer.
    pub deadline: tokio::time::Instant,
    pub reservation: Option<Reservation>,
}

impl Open {
    /// Settles the account; tells the meter where an outcome is given.
    pub(crate) fn close(&mut self, cost: Cost, outcome: Option<Outcome>) {
        let Some(reservation) = self.reservation.take() else {
            return;
        };
        let now = self.broker.now_ms();
        let cost = Cost {
            ms: now.saturating_sub(self.began_ms).min(self.worst.ms),
            ..cost
        };
        self.broker.accounts(&self.agent, |accounts| {
            accounts.settle(reservation, cost, now)
        });
        if let Some(outcome) = outcome {
            let spending = Spending {
                agent: &self.agent,
                endpoint: &self.endpoint,
                outcome,
                tokens: cost.tokens,
                nano: cost.nano,
            };
            self.broker.tell(&spending);
        }
    }

    /// What an answer cost; its worst case where the provider did not count.
    fn cost(&self, counted: Option<tally::Counted>) -> Cost {
        counted.map_or(self.worst, |(tokens_in, tokens_out)| Cost {
            tokens: tokens_in.saturating_add(tokens_out),
            nano: self.price.of(tokens_in, tokens_out),
            ms: self.worst.ms,
        })
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.close(self.worst, Some(Outcome::Interrupted));
    }
}

/// Where a good answer is kept.
pub(crate) struct Keep {
    pub cassette: Cassette,
    pub identity: Value,
    pub kind: String,
    pub redactor: Arc<Redactor>,
}

/// Answers from a recording.
pub(crate) fn replayed(
    cassette: &Cassette,
    identity: &Value,
    mut open: Open,
    protocol: Protocol,
) -> Result<Response, Refused> {
    let found = cassette.find(identity);
    let recorded = match found {
        Ok(Some(recorded)) => recorded,
        Ok(None) => {
            open.close(Cost::default(), None);
            return Err(Refused::NotRecorded(crate::cassette::key(identity)));
        }
        Err(error) => {
            open.close(Cost::default(), None);
            return Err(Refused::NotRecorded(error.to_string()));
        }
    };
    let cost = open.cost(tally::counted(protocol, recorded.body.as_bytes()));
    open.close(cost, Some(Outcome::Replayed));
    let body = stream::once(async move { Ok(Bytes::from(recorded.body)) });
    Ok(streamed(&recorded.content_type, body))
}

/// An answer whose body comes piece by piece.
pub(crate) fn streamed(
    kind: &str,
    body: impl Stream<Item = std::io::Result<Bytes>> + Send + 'static,
) -> Response {
    let built = Response::builder()
        .header("content-type", kind)
        .body(Body::from_stream(body));
    built.unwrap_or_default()
}

/// Passes an answer on as it comes; settles and keeps it when it ends, or when the agent hangs up.
pub(crate) fn metered<S>(
    pieces: S,
    open: Open,
    protocol: Protocol,
    keep: Option<Keep>,
) -> impl Stream<Item = std::io::Result<Bytes>> + Send + 'static
where
    S: Stream<Item = std::io::Result<Bytes>> + Send + 'static,
{
    let passing = Passing {
        open,
        protocol,
        seen: Vec::new(),
        keep,
        ended: false,
    };
    stream::unfold(Some((Box::pin(pieces), passing)), |state| async move {
        let (mut pieces, mut passing) = state?;
        let next = tokio::time::timeout_at(passing.open.deadline, pieces.next()).await;
        let next = next.unwrap_or_else(|_| {
            let words = format!("no whole answer within {} s", passing.open.worst.ms / 1_000);
            Some(Err(std::io::Error::new(
                std::io::ErrorKind::TimedOut,
                words,
            )))
        });
        match next {
            Some(Ok(piece)) if passing.seen.len() + piece.len() <= ANSWER_LIMIT => {
                passing.seen.extend_from_slice(&piece);
                Some((Ok(piece), Some((pieces, passing))))
            }
            Some(Ok(_)) => {
                let words = format!("the answer is longer than {ANSWER_LIMIT} bytes");
                Some((Err(std::io::Error::other(words)), None))
            }
            Some(Err(error)) => Some((Err(error), None)),
            None => {
                passing.ended = true;
                None
            }
        }
    })
}

/// An answer on its way. However it ends, its account is settled.
struct Passing {
    open: Open,
    protocol: Protocol,
    seen: Vec<u8>,
    keep: Option<Keep>,
    ended: bool,
}

/// The last event of a stream; clients stop reading there.
const LAST_EVENT: &[u8] = b"data: [DONE]";

impl Drop for Passing {
    fn drop(&mut self) {
        let counted = tally::counted(self.protocol, &self.seen);
        let whole = self.ended || self.seen.trim_ascii_end().ends_with(LAST_EVENT);
        // What was cut short may have cost more than was counted so far.
        let (cost, outcome) = if whole {
            (self.open.cost(counted), Outcome::Answered)
        } else {
            (self.open.worst, Outcome::Interrupted)
        };
        self.open.close(cost, Some(outcome));
        if let Some(keep) = self.keep.take().filter(|_| whole) {
            keep_answer(keep, &self.seen);
        }
    }
}

fn keep_answer(keep: Keep, body: &[u8]) {
    let recorded = Recorded {
        request: keep.identity,
        content_type: keep.kind,
        body: keep.redactor.text(&String::from_utf8_lossy(body)),
    };
    if let Err(error) = keep.cassette.keep(&recorded) {
        tracing::error!(%error, path = %error.path.display(), "traffic could not be recorded");
    }
}
