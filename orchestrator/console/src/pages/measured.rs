//! Signals of a service and of some of its instances, one picture a kind.

use std::collections::BTreeMap;

use futures::future::try_join_all;
use maud::{Markup, html};
use ostler_core::{
    id::{InstanceId, ServiceKey},
    signal::SignalKind,
    time::{Span, Time},
};
use ostler_tools::answer::{InstanceInfo, Instances, SignalSeries, Signals};
use serde_json::{Value, json};

use crate::{
    problem::Problem,
    ui::plot::{Mark, plot},
    visit::Visit,
};

/// The shortest time that is drawn.
const SHORTEST: Span = Span::minutes(2);
/// Most instances whose signals are drawn.
const DRAWN: usize = 6;

/// Asks for the last so long of a service and its newest instances.
pub(super) async fn of_service(
    visit: &Visit,
    service: &ServiceKey,
    since: &str,
) -> Result<Vec<Signals>, Problem> {
    let asked = json!({ "service": service });
    let found = visit.ask_if_may::<Instances>("list_instances", asked);
    let instances = found.await?.unwrap_or_default().instances;
    of_these(visit, service, &instances, since).await
}

/// The same, where the instances are known already.
pub(super) async fn of_these(
    visit: &Visit,
    service: &ServiceKey,
    instances: &[InstanceInfo],
    since: &str,
) -> Result<Vec<Signals>, Problem> {
    let mut newest: Vec<&InstanceInfo> = instances.iter().collect();
    newest.sort_by_key(|one| std::cmp::Reverse((one.in_rotation, one.seen.created_at)));
    let one = |subject: &str, name: String| {
        let mut args = json!({ "since": since, "points": 90 });
        if let Value::Object(fields) = &mut args {
            fields.insert(subject.to_owned(), Value::String(name));
        }
        visit.ask_if_may::<Signals>("query_signals", args)
    };
    let instances = newest.into_iter().take(DRAWN);
    let asked = std::iter::once(one("service", service.to_string()))
        .chain(instances.map(|instance| one("instance", instance.instance.to_string())));
    Ok(try_join_all(asked).await?.into_iter().flatten().collect())
}

/// Asks for the last hour of one instance.
pub(super) async fn of_instance(visit: &Visit, id: &InstanceId) -> Result<Vec<Signals>, Problem> {
    let asked = json!({ "instance": id, "since": "1h", "points": 120 });
    let found = visit.ask_if_may::<Signals>("query_signals", asked).await?;
    Ok(found.into_iter().collect())
}

/// The time that is drawn: what was asked for, without the part of which nothing is known.
fn window(measured: &[Signals]) -> Option<(Time, Time)> {
    let first = measured.first()?;
    let points = measured
        .iter()
        .flat_map(|signals| &signals.series)
        .filter_map(|series| series.points.first());
    let known = points.map(|point| point.at).min()?;
    let from = known.min(first.to - SHORTEST).max(first.from);
    Some((from, first.to))
}

/// Whether anything was measured.
pub(super) fn any(measured: &[Signals]) -> bool {
    let mut all = measured.iter().flat_map(|signals| &signals.series);
    all.any(|series| series.shape.is_some())
}

/// One picture a kind, a line a subject; nothing where nothing is measured.
pub(super) fn plots(measured: &[Signals], marks: &[Mark]) -> Markup {
    let mut kinds: BTreeMap<SignalKind, Vec<&SignalSeries>> = BTreeMap::new();
    let all = measured.iter().flat_map(|signals| &signals.series);
    for series in all.filter(|series| series.shape.is_some()) {
        kinds.entry(series.kind).or_default().push(series);
    }
    let Some(window) = window(measured) else {
        return html! {};
    };
    html! {
        @if !kinds.is_empty() {
            div.plots { @for series in kinds.values() { (plot(series, window, marks)) } }
        }
    }
}
