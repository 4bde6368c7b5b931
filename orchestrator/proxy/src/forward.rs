//! One request's way through: two tries at most, the second only where nobody can have seen the first,
//! or where seeing it twice does no harm.

use std::{net::IpAddr, sync::Arc, time::Instant};

use bytes::Bytes;
use http_body_util::{Either, Full};
use hyper::{
    Request, Response, StatusCode,
    body::{Body, Incoming},
    header::{CONNECTION, HeaderValue, RETRY_AFTER},
    http::request::Parts,
};
use tokio::sync::OwnedSemaphorePermit;

use crate::{
    body::{Held, Passed, Progress, Relayed},
    choice::Chosen,
    door::Shared,
    headers::{self, Refusal},
    pass::{self, Ends},
    tally::Attempt,
    upstream::{Failure, UnderWay},
};

const UNREACHABLE: Refusal = Refusal {
    status: StatusCode::BAD_GATEWAY,
    words: "no instance could be reached; nothing was sent to any",
};
const BROKEN: Refusal = Refusal {
    status: StatusCode::BAD_GATEWAY,
    words: "the instance ended the connection before it answered; whether it acted is not known",
};
const TOO_SLOW: Refusal = Refusal {
    status: StatusCode::GATEWAY_TIMEOUT,
    words: "the instance did not answer in time; whether it acted is not known",
};
const UNFINISHED: Refusal = Refusal {
    status: StatusCode::REQUEST_TIMEOUT,
    words: "the request ended early; send it whole",
};

/// A request on its way.
struct Way<'a> {
    shared: &'a Arc<Shared>,
    progress: Progress,
    /// What it takes to send it again, where that does no harm.
    again: Option<Parts>,
    client: Option<hyper::upgrade::OnUpgrade>,
    permit: OwnedSemaphorePermit,
}

/// What one try came to.
enum Tried {
    Answered(Response<Passed>),
    Over(Refusal),
    /// It failed, and may be tried with somebody else; the answer where there is nobody.
    Again(Box<Again>),
}

struct Again {
    request: Request<Passed>,
    attempt: Attempt,
    otherwise: Refusal,
}

/// Answers a request.
pub async fn forward(
    shared: &Arc<Shared>,
    peer: IpAddr,
    request: Request<Incoming>,
) -> Response<Passed> {
    let mut answer = answered(shared, peer, request).await;
    if shared.is_leaving() && answer.status() != StatusCode::SWITCHING_PROTOCOLS {
        let close = HeaderValue::from_static("close");
        answer.headers_mut().insert(CONNECTION, close);
    }
    answer
}

async fn answered(
    shared: &Arc<Shared>,
    peer: IpAddr,
    mut request: Request<Incoming>,
) -> Response<Passed> {
    let Ok(permit) = shared.requests.clone().try_acquire_owned() else {
        return shared.own_answer(Refusal {
            status: StatusCode::SERVICE_UNAVAILABLE,
            words: "too many requests are under way; try again in a moment",
        });
    };
    let websocket = headers::wants_websocket(&request);
    let client = websocket.then(|| hyper::upgrade::on(&mut request));
    if let Err(refusal) = headers::to_instance(&mut request, peer) {
        return plain(refusal);
    }
    let (parts, body) = request.into_parts();
    let bare = body.is_end_stream() && !websocket;
    let again = (bare && headers::is_idempotent(&parts.method)).then(|| parts.clone());
    let progress = Progress::new();
    let body = match body.is_end_stream() {
        true => Either::Left(Full::default()),
        false => {
            let still = shared.limits.still;
            Either::Right(Relayed::request(body, still, progress.clone()))
        }
    };
    let way = Way {
        shared,
        progress,
        again,
        client,
        permit,
    };
    way.go(Request::from_parts(parts, body)).await
}

impl Way<'_> {
    async fn go(mut self, request: Request<Passed>) -> Response<Passed> {
        let Some(first) = self.shared.choose(None) else {
            return self.shared.own_answer(Refusal {
                status: StatusCode::SERVICE_UNAVAILABLE,
                words: "no instance of this service takes requests now; try again in a moment",
            });
        };
        let again = match self.one(&first, request).await {
            Tried::Answered(answer) => return answer,
            Tried::Over(refusal) => return plain(refusal),
            Tried::Again(again) => *again,
        };
        let second = self.shared.choose(Some(&first));
        again.attempt.failed(second.is_some());
        let Some(second) = second else {
            return plain(again.otherwise);
        };
        match self.one(&second, again.request).await {
            Tried::Answered(answer) => answer,
            Tried::Over(refusal) => plain(refusal),
            Tried::Again(again) => {
                again.attempt.failed(false);
                plain(again.otherwise)
            }
        }
    }

    async fn one(&mut self, to: &Chosen, request: Request<Passed>) -> Tried {
        let attempt = Attempt::begin(to.tally.clone());
        let under_way = to.backend.begin();
        let repeatable = self.again.is_some();
        let limits = &self.shared.limits;
        let sent = to.backend.send(request, repeatable, &self.progress, limits);
        match sent.await {
            Ok(answer) => match self.pass_on(to, answer, attempt, under_way) {
                Ok(answer) => Tried::Answered(answer),
                Err(refusal) => Tried::Over(refusal),
            },
            Err(failure) => self.failed(failure, attempt),
        }
    }

    fn failed(&self, failure: Failure, attempt: Attempt) -> Tried {
        let again = |request, attempt, otherwise| {
            Tried::Again(Box::new(Again {
                request,
                attempt,
                otherwise,
            }))
        };
        match failure {
            Failure::NotConnected(request) => again(*request, attempt, UNREACHABLE),
            Failure::Broken(error) => {
                tracing::debug!(%error, "an instance did not answer");
                match self.again.clone() {
                    Some(parts) => {
                        let request = Request::from_parts(parts, Either::Left(Full::default()));
                        again(request, attempt, BROKEN)
                    }
                    None => {
                        attempt.failed(false);
                        Tried::Over(BROKEN)
                    }
                }
            }
            Failure::TooSlow => {
                attempt.failed(false);
                Tried::Over(TOO_SLOW)
            }
            Failure::Client => Tried::Over(UNFINISHED),
        }
    }

    fn pass_on(
        &mut self,
        to: &Chosen,
        mut answer: Response<Incoming>,
        attempt: Attempt,
        under_way: UnderWay,
    ) -> Result<Response<Passed>, Refusal> {
        let good = attempt.answered(answer.status());
        let becomes = answer.status() == StatusCode::SWITCHING_PROTOCOLS;
        headers::to_client(answer.headers_mut());
        *answer.version_mut() = hyper::Version::HTTP_11;
        let held = Held {
            under_way,
            permit: None,
            tally: good.then(|| to.tally.clone()),
        };
        if !becomes {
            let held = Held {
                permit: self.take_permit(),
                ..held
            };
            let still = self.shared.limits.still;
            return Ok(answer.map(|body| Either::Right(Relayed::answer(body, still, held))));
        }
        let Some(client) = self.client.take() else {
            return Err(Refusal {
                status: StatusCode::BAD_GATEWAY,
                words: "the instance wants to change the protocol, and nobody asked for that",
            });
        };
        headers::upgrade(answer.headers_mut());
        let instance = hyper::upgrade::on(&mut answer);
        let held = Held {
            permit: self.take_permit(),
            ..held
        };
        pass::both_ways(
            Ends { client, instance },
            held,
            self.shared.limits.drain,
            &self.shared.closing,
        );
        Ok(answer.map(|_| Either::Left(Full::default())))
    }

    fn take_permit(&mut self) -> Option<OwnedSemaphorePermit> {
        self.permit.split(1)
    }
}

impl Shared {
    fn choose(&self, tried: Option<&Chosen>) -> Option<Chosen> {
        let rotation = self.rotation();
        let mut dice = self.dice();
        rotation.choose(&mut dice, Instant::now(), tried)
    }

    /// An answer that no instance was asked for.
    fn own_answer(&self, refusal: Refusal) -> Response<Passed> {
        self.turned_away();
        let mut answer = plain(refusal);
        let soon = HeaderValue::from_static("1");
        answer.headers_mut().insert(RETRY_AFTER, soon);
        answer
    }
}

fn plain(refusal: Refusal) -> Response<Passed> {
    let words = Bytes::from_static(refusal.words.as_bytes());
    let mut answer = Response::new(Either::Left(Full::new(words)));
    *answer.status_mut() = refusal.status;
    let text = HeaderValue::from_static("text/plain; charset=utf-8");
    let headers = answer.headers_mut();
    headers.insert(hyper::header::CONTENT_TYPE, text);
    answer
}
