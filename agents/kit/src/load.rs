//! Load of services, and what they were given: read by those who fit one to the other.
//!
//! Two reads a service, some seconds apart, a few services a glance: where there are many, each is read less often,
//! and what is old is seen to be old. The day that the daemon keeps is read now and then.

use std::collections::BTreeMap;

use ostler_core::{
    id::ServiceKey,
    signal::{SignalKind, Subject},
    time::{Span, Time},
};
use ostler_tools::answer::{ServiceDetail, Signals};

use crate::{
    client::{CallError, Caller},
    look::{Glance, WINDOW, known},
    situation::Cited,
    world,
};

/// Services whose load is read in one glance.
const SERVICES_PER_GLANCE: usize = 6;
/// Most services whose load is looked at.
pub const SERVICES_LIMIT: usize = 100;

/// What is read of a service, and how old it may be.
const SIGNALS_AGE: Span = Span::seconds(10);
const DETAIL_AGE: Span = Span::seconds(30);
const DAY_AGE: Span = Span::minutes(10);
/// What is kept of services, and in how many points it is read.
const DAY: (Span, u32) = (Span::minutes(24 * 60), 500);

const KINDS: &[SignalKind] = &[
    SignalKind::RequestRate,
    SignalKind::LatencyP50,
    SignalKind::LatencyP99,
    SignalKind::QueueDepth,
    SignalKind::CpuCores,
    SignalKind::CpuThrottled,
    SignalKind::MemoryBytes,
];

/// One service's load, and what it was given for it.
#[derive(Debug, Clone)]
pub struct Load {
    /// What it should be, how it is tuned, what runs.
    pub detail: Cited<ServiceDetail>,
    /// The last minutes of its signals.
    pub signals: Cited<Signals>,
    /// The last day of them, as far as it is kept.
    pub day: Cited<Signals>,
}

/// When what of a service was read last; never at first.
#[derive(Debug, Clone, Copy, Default)]
struct ReadAt {
    signals: Time,
    detail: Time,
    day: Time,
}

/// Remembers what was read when.
#[derive(Debug, Default)]
pub struct LoadReader {
    read_at: BTreeMap<ServiceKey, ReadAt>,
}

impl LoadReader {
    /// Reads what is due, the oldest first, and forgets services that are gone.
    pub(crate) async fn read(
        &mut self,
        caller: &dyn Caller,
        glance: &mut Glance,
    ) -> Result<(), CallError> {
        let services = glance.services.value.services.iter();
        let listed: Vec<ServiceKey> = services
            .take(SERVICES_LIMIT)
            .map(|summary| summary.service.clone())
            .collect();
        glance.loads.retain(|service, _| listed.contains(service));
        self.read_at.retain(|service, _| listed.contains(service));
        for service in self.due(&listed, glance.now) {
            let before = glance.loads.remove(&service);
            let load = self.read_one(caller, &service, before, glance.now).await?;
            glance.loads.extend(load.map(|load| (service, load)));
        }
        Ok(())
    }

    fn due(&self, listed: &[ServiceKey], now: Time) -> Vec<ServiceKey> {
        let at = |service: &&ServiceKey| self.read_at.get(*service).map(|at| at.signals);
        let old = |service: &&ServiceKey| at(service).is_none_or(|at| now.since(at) >= SIGNALS_AGE);
        let mut due: Vec<&ServiceKey> = listed.iter().filter(old).collect();
        due.sort_by_key(at);
        due.into_iter().take(SERVICES_PER_GLANCE).cloned().collect()
    }

    /// Reads one service's load anew; what cannot be read now stays as it was.
    async fn read_one(
        &mut self,
        caller: &dyn Caller,
        service: &ServiceKey,
        before: Option<Load>,
        now: Time,
    ) -> Result<Option<Load>, CallError> {
        let at = self.read_at.entry(service.clone()).or_default();
        let (mut detail, mut signals, mut day) = match before {
            Some(load) => (Some(load.detail), Some(load.signals), Some(load.day)),
            None => (None, None, None),
        };
        let subject = Subject::Service(service.clone());
        if detail.is_none() || now.since(at.detail) >= DETAIL_AGE {
            detail = known(world::service(caller, service).await)?.or(detail);
            at.detail = now;
        }
        if day.is_none() || now.since(at.day) >= DAY_AGE {
            day = known(world::finely(caller, &subject, KINDS, DAY).await)?.or(day);
            at.day = now;
        }
        signals = known(world::signals(caller, &subject, KINDS, WINDOW).await)?.or(signals);
        at.signals = now;
        let parts = detail.zip(signals).zip(day);
        Ok(parts.map(|((detail, signals), day)| Load {
            detail,
            signals,
            day,
        }))
    }
}
