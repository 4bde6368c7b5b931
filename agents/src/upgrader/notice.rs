//! Which services could be upgraded now: well, at rest, with a newer version that is right, and few at a time.

use std::collections::{BTreeMap, BTreeSet};

use ostler_agents_kit::{
    look::Glance,
    symptom::{Notice, Reads, Symptom, SymptomKind},
};
use ostler_core::{id::ServiceKey, plan::ServiceState};
use ostler_tools::answer::{ServiceSummary, UpgradeInfo, Upgrades};
use ostler_upgrades::{
    batch::{Ready, Traffic, batch},
    image::Image,
};

use super::judge::{Standing, Upgrade, judge};

/// Most upgrades that are proposed or under way at a time.
const AT_ONCE: usize = 3;

/// Notices newer versions; remembers which services it named, so that these are gone on with first.
#[derive(Debug, Default)]
pub struct Noticing {
    named: BTreeSet<ServiceKey>,
}

impl Notice for Noticing {
    fn reads(&self) -> Reads {
        Reads {
            upgrades: true,
            ..Reads::default()
        }
    }

    fn notice(&mut self, glance: &Glance) -> Vec<Symptom> {
        let Some(upgrades) = &glance.upgrades else {
            return Vec::new();
        };
        let mut found: BTreeMap<ServiceKey, (Upgrade, Ready)> = BTreeMap::new();
        let mut under_way = BTreeMap::new();
        for info in &upgrades.value.services {
            let Some(summary) = summary(glance, &info.service) else {
                continue;
            };
            if !summary.settled {
                let image = Image::read(&summary.image);
                let would_run = (image.repository, image.digest.unwrap_or_default());
                under_way.insert(info.service.clone(), would_run);
            } else if let Some(one) = ready(glance, info, summary) {
                found.insert(info.service.clone(), one);
            }
        }
        self.named.retain(|service| found.contains_key(service));
        for service in &self.named {
            if let Some((_, ready)) = found.get(service) {
                under_way.insert(service.clone(), ready.image.clone());
            }
        }
        let ready: Vec<Ready> = found.values().map(|(_, ready)| ready.clone()).collect();
        let traffic = Traffic {
            under_way,
            needs: needs(glance),
            at_once: AT_ONCE,
        };
        self.named.extend(batch(&ready, &traffic).go);
        let named = self
            .named
            .iter()
            .filter_map(|service| found.get(service).map(|one| (service, one)));
        named
            .map(|(service, (upgrade, _))| Symptom {
                service: service.clone(),
                instance: None,
                kind: SymptomKind::Outdated,
                since: upgrade.offer.seen_at,
                claim: upgrade.in_words(),
                call: upgrades.call.clone(),
            })
            .collect()
    }
}

fn summary<'g>(glance: &'g Glance, service: &ServiceKey) -> Option<&'g ServiceSummary> {
    let services = &glance.services.value.services;
    services.iter().find(|summary| summary.service == *service)
}

/// A service that is well and has something newer.
fn ready(
    glance: &Glance,
    info: &UpgradeInfo,
    summary: &ServiceSummary,
) -> Option<(Upgrade, Ready)> {
    let well = summary.state == Some(ServiceState::Healthy) && summary.ready >= summary.wanted;
    let note = glance.notes.get(&info.service).filter(|_| well)?;
    let mut nodes = glance.graph.value.services.iter();
    let felt = nodes.find(|node| node.service == info.service);
    let standing = Standing {
        stateful: note.stateful,
        measured: note.measured,
        replicas: summary.wanted,
        blast_radius: felt.map_or(0, |node| node.blast_radius),
    };
    let upgrade = judge(info, standing, glance.now).ok()?;
    let ready = Ready {
        service: info.service.clone(),
        image: upgrade.would_run.clone(),
        severity: upgrade.severity,
        overdue: upgrade.overdue,
        risk: upgrade.risk.clone(),
        criticality: info.rule.criticality,
        blast_radius: standing.blast_radius,
    };
    Some((upgrade, ready))
}

fn needs(glance: &Glance) -> BTreeSet<(ServiceKey, ServiceKey)> {
    let edges = glance.graph.value.needs.iter();
    edges
        .map(|edge| (edge.service.clone(), edge.needs.clone()))
        .collect()
}

/// What is known of one service.
pub(super) fn info_of<'u>(upgrades: &'u Upgrades, service: &ServiceKey) -> Option<&'u UpgradeInfo> {
    upgrades
        .services
        .iter()
        .find(|info| info.service == *service)
}

#[cfg(test)]
mod tests {
    use ostler_agents_kit::situation::Cited;
    use ostler_core::{
        id::CallId,
        time::{Span, Time},
    };
    use serde_json::{Value, json};

    use super::*;

    fn cited<T: serde::de::DeserializeOwned>(value: Value) -> Cited<T> {
        Cited {
            call: CallId::new("call_1").unwrap(),
            value: serde_json::from_value(value).unwrap(),
        }
    }

    fn service(name: &str, state: &str, settled: bool) -> Value {
        json!({
            "service": name, "state": state, "wanted": 3, "running": 3, "ready": 3, "updated": 3, "generation": 1,
            "settled": settled, "changed_at": 0, "image": "a.example/shop:1.0.0", "restarts": 0, "findings": [],
        })
    }

    fn upgrade(name: &str, image: &str, left: &[&str]) -> Value {
        let left: Vec<Value> = left
            .iter()
            .map(|image| json!({ "image": image, "why": "it was taken back" }))
            .collect();
        json!({
            "service": name, "image": image, "rule": {}, "left": left, "past": { "kept": 0, "left": 0 },
            "seen": {
                "image": image, "digest": "sha256:one", "looked_at": 5, "problem": null, "newer": 1, "not": [],
                "behind_since": 5, "packages": null, "vulnerabilities": [], "vulnerable": 0,
                "offers": [
                    { "tag": "1.1.0", "digest": "sha256:two", "pin": "sha256:two", "seen_at": 5, "changed": null, "untrusted_says": {} },
                    { "tag": "1.0.0", "digest": "sha256:one", "pin": "sha256:one", "seen_at": 1, "changed": null, "untrusted_says": {} },
                ],
            },
        })
    }

    fn glance(services: Vec<Value>, upgrades: Vec<Value>) -> Glance {
        let note = ostler_agents_kit::look::SpecNote {
            generation: ostler_core::id::Generation(1),
            objectives: None,
            memory_limited: false,
            has_volumes: false,
            stateful: false,
            scales: false,
            measured: true,
            healthy_deadline: Span::minutes(1),
            restart: Default::default(),
            reverts: true,
        };
        let services: Cited<ostler_tools::answer::Services> =
            cited(json!({ "revision": 1, "services": services }));
        let names = services.value.services.iter();
        let notes = names
            .map(|one| (one.service.clone(), note.clone()))
            .collect();
        Glance {
            now: Time(100_000),
            services,
            instances: cited(json!({ "instances": [] })),
            graph: cited(json!({ "services": [], "needs": [] })),
            notes,
            series: BTreeMap::new(),
            upgrades: Some(cited(
                json!({ "services": upgrades, "feed": null, "untrusted": [] }),
            )),
            loads: BTreeMap::new(),
        }
    }

    fn named(noticing: &mut Noticing, glance: &Glance) -> Vec<String> {
        let found = noticing.notice(glance);
        found.iter().map(|one| one.service.to_string()).collect()
    }

    #[test]
    fn a_newer_version_is_named_for_what_is_well_and_at_rest_and_until_it_was_left() {
        let image = "a.example/shop:1.0.0";
        let one = |state, settled, left: &[&str]| {
            glance(
                vec![service("shop/web", state, settled)],
                vec![upgrade("shop/web", image, left)],
            )
        };
        let well = one("healthy", true, &[]);
        let found = Noticing::default().notice(&well);
        assert_eq!(
            found.first().unwrap().claim,
            "`a.example/shop` has `1.1.0`, a minor version, `1.0.0` runs"
        );
        for (glance, why) in [
            (one("degraded", true, &[]), "unwell"),
            (one("healthy", false, &[]), "rolling out"),
            (
                one("healthy", true, &["a.example/shop:1.1.0@sha256:two"]),
                "left by digest",
            ),
            (
                one("healthy", true, &["a.example/shop:1.1.0"]),
                "left by tag",
            ),
        ] {
            assert!(named(&mut Noticing::default(), &glance).is_empty(), "{why}");
        }
    }

    #[test]
    fn few_at_a_time_and_those_that_were_named_stay_named() {
        let names = ["shop/a", "shop/b", "shop/c", "shop/d", "shop/e"];
        let image = |name: &str| format!("a.example/{name}:1.0.0");
        let all = |names: &[&str]| {
            let services = names.iter().map(|name| service(name, "healthy", true));
            let upgrades = names.iter().map(|name| upgrade(name, &image(name), &[]));
            glance(services.collect(), upgrades.collect())
        };
        let mut noticing = Noticing::default();
        assert_eq!(
            named(&mut noticing, &all(&names[1..])),
            ["shop/b", "shop/c", "shop/d"]
        );
        assert_eq!(
            named(&mut noticing, &all(&names)),
            ["shop/b", "shop/c", "shop/d"]
        );
        let without = ["shop/a", "shop/b", "shop/d", "shop/e"];
        assert_eq!(
            named(&mut noticing, &all(&without)),
            ["shop/a", "shop/b", "shop/d"]
        );
    }
}
