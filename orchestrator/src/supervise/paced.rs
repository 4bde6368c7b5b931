//! A reader that takes in no more messages a second than an agent can sensibly send: whatever an
//! agent floods its line with waits in the agent's own buffers.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, ReadBuf},
    time::{Instant, Sleep, sleep_until},
};

/// Messages that may come at once.
const BURST: f64 = 400.0;
/// Messages a second in the long run.
const RATE: f64 = 200.0;

/// Wraps the reading half of a line; messages end with a newline.
pub struct Paced<R> {
    inner: R,
    left: f64,
    counted_at: Instant,
    pause: Option<Pin<Box<Sleep>>>,
}

impl<R> Paced<R> {
    /// Starts with a full burst.
    pub fn new(inner: R) -> Self {
        Self {
            inner,
            left: BURST,
            counted_at: Instant::now(),
            pause: None,
        }
    }

    /// Counts what came; too much leads to a pause.
    fn count(&mut self, bytes: &[u8]) {
        let now = Instant::now();
        let refill = now.duration_since(self.counted_at).as_secs_f64() * RATE;
        self.counted_at = now;
        let messages = bytes.iter().filter(|byte| **byte == b'\n').count();
        self.left = (self.left + refill).min(BURST)
            - f64::from(u32::try_from(messages).unwrap_or(u32::MAX));
        if self.left < 0.0 {
            let wait = Duration::from_secs_f64(-self.left / RATE);
            self.pause = Some(Box::pin(sleep_until(now + wait)));
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
        self.count(new);
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_flood_waits_and_a_trickle_does_not() {
        let flood = vec![b'\n'; 2_400];
        let mut paced = Paced::new(flood.as_slice());
        let began = Instant::now();
        let mut buffer = [0; 400];
        paced.read_exact(&mut buffer).await.unwrap();
        assert_eq!(began.elapsed(), Duration::ZERO, "a burst passes");
        let mut rest = Vec::new();
        paced.read_to_end(&mut rest).await.unwrap();
        assert_eq!(rest.len(), 2_000, "nothing is lost");
        assert!(
            began.elapsed() >= Duration::from_secs(9),
            "{:?}",
            began.elapsed()
        );
    }
}
