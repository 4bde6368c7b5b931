//! Bodies on their way through: passed on as they come, never gathered, cut off when nothing comes.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http_body_util::{Either, Full};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::{sync::OwnedSemaphorePermit, time::Sleep};

use crate::{tally::Tally, upstream::UnderWay};

/// What is sent either way: words of our own, or what the other side sends.
pub type Passed = Either<Full<Bytes>, Relayed>;

/// Why a body ended early.
#[derive(Debug, thiserror::Error)]
pub enum CutShort {
    /// The connection that it came over failed.
    #[error("the body's connection failed")]
    Connection(#[source] hyper::Error),
    /// Nothing came for too long.
    #[error("nothing more of the body came")]
    Still,
}

/// When something of a body was last passed on.
#[derive(Debug, Clone)]
pub struct Progress(Arc<Mutex<Instant>>);

impl Progress {
    /// Now.
    pub fn new() -> Self {
        Self(Arc::new(Mutex::new(Instant::now())))
    }

    /// When it was.
    pub fn last(&self) -> Instant {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn made(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }
}

/// What an answer under way holds, and who is told when it is cut short.
#[derive(Debug)]
#[expect(dead_code, reason = "two of its parts are held, not read")]
pub struct Held {
    /// Its instance has one more under way.
    pub under_way: UnderWay,
    /// Its front too.
    pub permit: Option<OwnedSemaphorePermit>,
    /// Told once, unless the answer counts as failed already.
    pub tally: Option<Arc<Tally>>,
}

/// A body that is passed on.
#[derive(Debug)]
pub struct Relayed {
    inner: Incoming,
    still: Duration,
    waiting: Option<Pin<Box<Sleep>>>,
    progress: Option<Progress>,
    held: Option<Held>,
}

impl Relayed {
    /// A request's.
    pub fn request(inner: Incoming, still: Duration, progress: Progress) -> Self {
        Self {
            inner,
            still,
            waiting: None,
            progress: Some(progress),
            held: None,
        }
    }

    /// An answer's.
    pub fn answer(inner: Incoming, still: Duration, held: Held) -> Self {
        // What has ended holds nothing any more.
        let held = (!inner.is_end_stream()).then_some(held);
        Self {
            inner,
            still,
            waiting: None,
            progress: None,
            held,
        }
    }

    fn cut(&mut self, why: CutShort) -> Poll<Option<Result<Frame<Bytes>, CutShort>>> {
        let held = self.held.take();
        if let Some(tally) = held.and_then(|held| held.tally) {
            tally.cut_short();
        }
        Poll::Ready(Some(Err(why)))
    }
}

impl Body for Relayed {
    type Data = Bytes;
    type Error = CutShort;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, CutShort>>> {
        match Pin::new(&mut self.inner).poll_frame(context) {
            Poll::Ready(frame) => {
                self.waiting = None;
                if let Some(progress) = &self.progress {
                    progress.made();
                }
                match frame {
                    Some(Ok(frame)) => Poll::Ready(Some(Ok(frame))),
                    Some(Err(error)) => self.cut(CutShort::Connection(error)),
                    None => {
                        self.held = None;
                        Poll::Ready(None)
                    }
                }
            }
            Poll::Pending => {
                let still = self.still;
                let waiting = self
                    .waiting
                    .get_or_insert_with(|| Box::pin(tokio::time::sleep(still)));
                ready!(waiting.as_mut().poll(context));
                self.cut(CutShort::Still)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
