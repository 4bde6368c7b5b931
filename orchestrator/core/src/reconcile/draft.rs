//! A plan in the making: steps by kind, requests, findings, and the earliest moment to look again.

use std::collections::BTreeMap;

use crate::{
    autoscale::Recommendation,
    id::ServiceKey,
    plan::{Judged, Plan, Request, ServiceStatus},
    step::Step,
    time::Time,
};

/// Collects what the rules decide.
pub(super) struct Draft<'a> {
    /// The moment of the decision.
    pub now: Time,
    routes: Vec<Step>,
    stops: Vec<Step>,
    removes: Vec<Step>,
    resizes: Vec<Step>,
    restarts: Vec<Step>,
    places: Vec<Step>,
    requests: Vec<Request>,
    scaling: BTreeMap<ServiceKey, Recommendation>,
    analysis: BTreeMap<ServiceKey, Judged>,
    report: Vec<(&'a ServiceKey, ServiceStatus)>,
    wake_at: Option<Time>,
}

impl<'a> Draft<'a> {
    pub fn new(now: Time) -> Self {
        Self {
            now,
            routes: Vec::new(),
            stops: Vec::new(),
            removes: Vec::new(),
            resizes: Vec::new(),
            restarts: Vec::new(),
            places: Vec::new(),
            requests: Vec::new(),
            scaling: BTreeMap::new(),
            analysis: BTreeMap::new(),
            report: Vec::new(),
            wake_at: None,
        }
    }

    pub fn route(&mut self, step: Step) {
        self.routes.push(step);
    }

    pub fn stop(&mut self, step: Step) {
        self.stops.push(step);
    }

    pub fn remove(&mut self, step: Step) {
        self.removes.push(step);
    }

    pub fn resize(&mut self, step: Step) {
        self.resizes.push(step);
    }

    pub fn restart(&mut self, step: Step) {
        self.restarts.push(step);
    }

    pub fn place(&mut self, step: Step) {
        self.places.push(step);
    }

    pub fn request(&mut self, request: Request) {
        self.requests.push(request);
    }

    pub fn scaling(&mut self, key: &ServiceKey, recommendation: Recommendation) {
        self.scaling.insert(key.clone(), recommendation);
    }

    pub fn judged(&mut self, key: &ServiceKey, judged: Judged) {
        self.analysis.insert(key.clone(), judged);
    }

    pub fn report(&mut self, key: &'a ServiceKey, status: ServiceStatus) {
        self.report.push((key, status));
    }

    /// Asks to look again then; moments that have passed need no clock.
    pub fn wake(&mut self, at: Time) {
        if at > self.now {
            self.wake_at = Some(self.wake_at.map_or(at, |earlier| earlier.min(at)));
        }
    }

    /// The plan: traffic leaves first, dependents stop before what they need.
    pub fn finish(self) -> Plan {
        let mut steps = self.routes;
        steps.extend(self.stops.into_iter().rev());
        steps.extend(self.removes);
        steps.extend(self.resizes);
        steps.extend(self.restarts);
        steps.extend(self.places);
        let report = self
            .report
            .into_iter()
            .map(|(key, status)| (key.clone(), status))
            .collect();
        Plan {
            steps,
            requests: self.requests,
            scaling: self.scaling,
            analysis: self.analysis,
            report,
            wake_at: self.wake_at,
        }
    }
}
