//! The bound: knows what will come, gets what it wants at once, and asks for no more than that.
//!
//! For each step of the simulation it gives the cheapest sizes with which 99 of 100 requests keep the
//! objective. Nothing starts, nothing is cold, nothing has noise: no
//! autoscaler can do it for less without missing more.

use std::collections::BTreeMap;

use super::{Autoscaler, Order, Pace, View, ceil};
use crate::{
    queueing::{Load, Moments},
    shop::{STEP_S, Shop},
};

/// CPUs come in such pieces.
const PIECE: f64 = 0.05;
/// Loads are rounded up to steps of this share: sizes are worked out once for each.
const GRAIN: f64 = 0.01;

/// The bound.
#[derive(Debug, Clone)]
pub struct Oracle {
    shop: Shop,
    /// Requests of each step, the future too.
    arrivals: Vec<f64>,
    known: BTreeMap<u32, Vec<Order>>,
    /// What its instances have lost to a leak is not asked of it.
    visits: Vec<f64>,
}

impl Oracle {
    /// With all that will come.
    #[must_use]
    pub fn new(shop: &Shop, arrivals: Vec<f64>) -> Self {
        Self {
            shop: shop.clone(),
            arrivals,
            known: BTreeMap::new(),
            visits: shop.visits(),
        }
    }

    /// Requests per second until its next turn.
    fn coming(&self, now_s: u64) -> f64 {
        let step = usize::try_from(now_s / STEP_S).unwrap_or(usize::MAX);
        #[expect(clippy::cast_precision_loss, reason = "a handful of seconds")]
        let step_s = STEP_S as f64;
        self.arrivals.get(step).copied().unwrap_or_default() / step_s
    }

    /// Sizes for a rate: from ample ones, always the piece is taken away whose loss is felt least.
    fn sizes(&self, rate: f64) -> Vec<Order> {
        let work: Vec<f64> = self
            .shop
            .programs
            .iter()
            .zip(&self.visits)
            .map(|(program, visits)| rate * visits * program.work_s)
            .collect();
        let mut cores: Vec<f64> = work
            .iter()
            .map(|work| (work * 3.0 / PIECE).ceil() * PIECE + 1.0)
            .collect();
        loop {
            let tries = (0..cores.len()).map(|place| {
                let mut fewer = cores.clone();
                if let Some(one) = fewer.get_mut(place) {
                    *one -= PIECE;
                }
                (self.late(rate, &fewer), fewer)
            });
            let best = tries.min_by(|a, b| a.0.total_cmp(&b.0));
            match best {
                Some((late, fewer)) if late <= 0.01 => cores = fewer,
                _ => break,
            }
        }
        cores.into_iter().map(|total| self.split(total)).collect()
    }

    /// Over as few instances as may be: larger ones wait less.
    fn split(&self, total: f64) -> Order {
        let replicas = ceil(total / self.shop.most_cores).max(self.shop.min);
        Order {
            replicas,
            cores: total / f64::from(replicas),
            shared: None,
        }
    }

    /// Share of requests that would be late.
    fn late(&self, rate: f64, cores: &[f64]) -> f64 {
        let mut whole = Moments::default();
        for ((program, visits), total) in self.shop.programs.iter().zip(&self.visits).zip(cores) {
            let utilisation = rate * visits * program.work_s / total;
            if *total <= 0.0 || utilisation >= 0.99 {
                return 1.0;
            }
            let load = Load {
                cores: self.split(*total).cores,
                work_s: program.work_s,
                utilisation,
                variability: program.variability,
            };
            let own = load.response().then(Moments::fixed(program.idle_s));
            whole = whole.then(own.times(*visits));
        }
        whole.over(self.shop.objective_s)
    }
}

impl Autoscaler for Oracle {
    fn cores(&self) -> f64 {
        1.0
    }

    fn turn(&mut self, now_s: u64, _views: &[View<'_>]) -> Vec<Order> {
        let rate = self.coming(now_s).max(0.1);
        let grain = ceil(rate.ln() / GRAIN + 1_000.0);
        if let Some(known) = self.known.get(&grain) {
            return known.clone();
        }
        let rounded = ((f64::from(grain) - 1_000.0) * GRAIN).exp();
        let sizes = self.sizes(rounded);
        self.known.insert(grain, sizes.clone());
        sizes
    }

    fn pace(&self) -> Pace {
        Pace {
            every_s: STEP_S,
            delay_s: 0,
        }
    }

    fn magic(&self) -> bool {
        true
    }
}
