//! Counting one version's requests. Each is counted once, whatever becomes of it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use hyper::StatusCode;
use ostler_core::golden::{Golden, LATENCY_BUCKETS};

/// One version's counts.
#[derive(Debug, Default)]
pub struct Tally {
    errors: AtomicU64,
    retried: AtomicU64,
    micros: AtomicU64,
    buckets: [AtomicU64; LATENCY_BUCKETS],
}

impl Tally {
    /// The counts now.
    pub fn read(&self) -> Golden {
        let mut golden = Golden {
            // Read before the requests: never more errors than requests.
            errors: self.errors.load(Ordering::Acquire),
            retried: self.retried.load(Ordering::Acquire),
            micros: self.micros.load(Ordering::Acquire),
            ..Golden::default()
        };
        for (bucket, counted) in golden.buckets.iter_mut().zip(&self.buckets) {
            *bucket = counted.load(Ordering::Acquire);
        }
        golden.requests = golden.buckets.iter().sum();
        golden.errors = golden.errors.min(golden.requests);
        golden
    }

    /// An answer that had counted as good was cut short.
    pub fn cut_short(&self) {
        self.errors.fetch_add(1, Ordering::AcqRel);
    }

    fn count(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        if let Some(bucket) = self.buckets.get(Golden::bucket_of(micros)) {
            bucket.fetch_add(1, Ordering::AcqRel);
        }
        self.micros.fetch_add(micros, Ordering::AcqRel);
    }
}

/// A request on its way to a version.
#[derive(Debug)]
pub struct Attempt {
    tally: Arc<Tally>,
    began: Instant,
    open: bool,
}

impl Attempt {
    /// Begins now.
    pub fn begin(tally: Arc<Tally>) -> Self {
        let began = Instant::now();
        Self {
            tally,
            began,
            open: true,
        }
    }

    /// The head of an answer came. Whether it counts as good.
    pub fn answered(mut self, status: StatusCode) -> bool {
        let good = !status.is_server_error();
        self.close(!good);
        good
    }

    /// No answer came, and it is the instance that failed.
    pub fn failed(mut self, retried: bool) {
        self.close(true);
        if retried {
            self.tally.retried.fetch_add(1, Ordering::AcqRel);
        }
    }

    fn close(&mut self, error: bool) {
        self.open = false;
        self.tally.count(self.began.elapsed());
        if error {
            self.tally.errors.fetch_add(1, Ordering::AcqRel);
        }
    }
}

impl Drop for Attempt {
    /// The client went away, or sent what could not be passed on: no fault of the version's, but it took
    /// that long.
    fn drop(&mut self) {
        if self.open {
            self.close(false);
        }
    }
}
