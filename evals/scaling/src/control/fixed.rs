//! No autoscaler: the same capacity all the time.

use super::{Autoscaler, Order, View};

/// So much, always.
#[derive(Debug, Clone)]
pub struct Fixed {
    /// For each service.
    pub orders: Vec<Order>,
}

impl Autoscaler for Fixed {
    fn cores(&self) -> f64 {
        self.orders.first().map_or(1.0, |order| order.cores)
    }

    fn turn(&mut self, _now_s: u64, _views: &[View<'_>]) -> Vec<Order> {
        self.orders.clone()
    }
}
