//! A reader that takes in no more messages a second than an agent can sensibly send: whatever an
//! agent floods its line with waits in the agent's own buffers.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncRead, ReadBuf},
    time::{Sleep, sleep},
};

/// Messages that may come at once.
const BURST: f64 = 400.0;
/// Messages a second in the long run.
const RATE: f64 = 200.0;

/// Wraps the reading half of a line; messages end with a newline.
pub struct Paced<R> {
    inner: R,
    allowance: Allowance,
    pause: Option<Pin<Box<Sleep>>>,
}

impl<R> Paced<R> {
    /// Starts with a full burst.
    pub fn new(inner: R) -> Self {
        Self {
            inner,
            allowance: Allowance::new(Instant::now()),
            pause: None,
        }
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for Paced<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(pause) = &mut self.pause {
            ready!(pause.as_mut().poll(cx));
            self.pause = None;
        }
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(cx, buffer))?;
        let new = buffer.filled().get(before..).unwrap_or_default();
        let messages = new.iter().filter(|byte| **byte == b'\n').count();
        let wait = self.allowance.spend(messages, Instant::now());
        self.pause = wait.map(|wait| Box::pin(sleep(wait)));
        Poll::Ready(Ok(()))
    }
}

/// A bucket of messages that refills steadily.
struct Allowance {
    left: f64,
    counted_at: Instant,
}

impl Allowance {
    const fn new(now: Instant) -> Self {
        Self {
            left: BURST,
            counted_at: now,
        }
    }

    /// Takes messages that came; answers how long to take no more, if the bucket is overdrawn.
    fn spend(&mut self, messages: usize, now: Instant) -> Option<Duration> {
        let refill = now.duration_since(self.counted_at).as_secs_f64() * RATE;
        self.counted_at = now;
        let messages = f64::from(u32::try_from(messages).unwrap_or(u32::MAX));
        self.left = (self.left + refill).min(BURST) - messages;
        (self.left < 0.0).then(|| Duration::from_secs_f64(-self.left / RATE))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_waits_and_a_trickle_does_not() {
        let began = Instant::now();
        let mut allowance = Allowance::new(began);
        assert_eq!(allowance.spend(400, began), None, "a burst passes");
        assert_eq!(
            allowance.spend(2_000, began),
            Some(Duration::from_secs(10)),
            "the rest comes at the rate"
        );
        let later = began + Duration::from_secs(60);
        assert_eq!(allowance.spend(400, later), None, "it refills");
        let trickle = (1..100).map(|second| later + Duration::from_secs(second));
        for now in trickle {
            assert_eq!(allowance.spend(100, now), None);
        }
    }
}
