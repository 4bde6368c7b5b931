//! `get_service`: one service in full.

use ostler_core::{
    event::Event,
    graph::Graph,
    id::{SecretName, ServiceKey},
    intent::SecretKey,
    signal::Subject,
    spec::Need,
};

use crate::{
    answer::{NeedState, ServiceDetail},
    contract::{About, Class, Decided, Describe, Refusal},
    view::View,
};

use super::{
    build,
    lookup::{self, OneService, answer},
    rollout,
};

/// See the module.
pub struct GetService;

impl Describe for GetService {
    type Args = OneService;
    type Answer = ServiceDetail;
    const NAME: &'static str = "get_service";
    const TITLE: &'static str = "One service in full";
    const DESCRIPTION: &'static str = "Shows one service: its spec and labels, state and findings, instances, which of them take \
        traffic, the services it needs and those that need it, its generations with what going back \
        to each would change, secrets that are missing, and its last events. Values of environment \
        variables are shown; secrets are names only. Use it before any change of the service.";
    const CLASS: Class = Class::Read;

    fn decide(view: &View<'_>, args: Self::Args) -> Result<Decided, Refusal> {
        let key = args.service;
        let service = lookup::service(view, &key)?;
        let graph = Graph::of(view.intent);
        let events = last_events(view, &key);
        let state_of = |need: &ServiceKey| view.world.report.get(need).map(|status| status.state);
        let need = |need: &Need| {
            let service = ServiceKey::new(key.namespace.clone(), need.service.clone());
            NeedState {
                state: state_of(&service),
                service,
                until: need.until,
            }
        };
        let secret = |name: &SecretName| SecretKey {
            namespace: key.namespace.clone(),
            name: name.clone(),
        };
        let missing = |secret: &SecretKey| !view.intent.secrets.contains_key(secret);
        let detail = ServiceDetail {
            summary: build::summary(view, &key, service),
            labels: service.labels.clone(),
            spec: (*service.spec).clone(),
            instances: view
                .instances_of(&key)
                .map(|(id, seen)| build::instance(view, id, seen))
                .collect(),
            in_rotation: view
                .world
                .observed
                .routes
                .get(&key)
                .cloned()
                .unwrap_or_default(),
            needs: service.spec.needs.iter().map(need).collect(),
            needed_by: graph.needed_by(&key).into_iter().cloned().collect(),
            blast_radius: graph.dependents(&key).into_iter().cloned().collect(),
            generations: build::generations(view.intent, &key, service),
            rollout: service
                .rolls_out()
                .then(|| rollout::info(view, &key, service)),
            scaling: view.world.scaling.get(&key).cloned(),
            tuning: service.tuning.as_deref().cloned(),
            missing_secrets: service
                .spec
                .secret_names()
                .map(secret)
                .filter(missing)
                .collect(),
            untrusted: build::untrusted_events(&events),
            events,
            signals: view.signals.kinds(&Subject::Service(key.clone())),
        };
        answer(&detail, About::service(&key))
    }
}

/// How many of a service's events are shown with it.
const EVENTS: usize = 30;

fn last_events(view: &View<'_>, key: &ServiceKey) -> Vec<Event> {
    let of_it = view
        .world
        .events
        .iter()
        .rev()
        .filter(|event| event.service.as_ref() == Some(key));
    let mut events: Vec<Event> = of_it.take(EVENTS).cloned().collect();
    events.reverse();
    events
}
