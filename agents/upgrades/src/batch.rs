//! Which upgrades go together: a few at a time, never two that hang on each other, and the same image first
//! where the least is lost.

use std::collections::{BTreeMap, BTreeSet};

use ostler_core::{id::ServiceKey, spec::Criticality};

use crate::{osv::Severity, risk::Risk, words::count};

/// An upgrade that could begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ready {
    /// Of which service.
    pub service: ServiceKey,
    /// What would run: the image without tag and digest, and the new digest.
    pub image: (String, String),
    /// The worst that is known of what runs.
    pub severity: Severity,
    /// Whether it is behind for longer than its rule accepts.
    pub overdue: bool,
    /// How risky it is.
    pub risk: Risk,
    /// How much hangs on the service.
    pub criticality: Criticality,
    /// How many other services would feel it.
    pub blast_radius: u32,
}

/// What is under way and how services hang together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Services whose upgrade is proposed or under way, with what would run.
    pub under_way: BTreeMap<ServiceKey, (String, String)>,
    /// Services that need others: who, whom.
    pub needs: BTreeSet<(ServiceKey, ServiceKey)>,
    /// Most upgrades at a time.
    pub at_once: usize,
}

/// What begins now, in this order, and why the others wait.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    /// Those that begin.
    pub go: Vec<ServiceKey>,
    /// Those that wait, and what for.
    pub wait: BTreeMap<ServiceKey, String>,
}

/// Deals them out: what is urgent first, then what is overdue, then the less risky.
#[must_use]
pub fn batch(ready: &[Ready], traffic: &Traffic) -> Batch {
    let mut batch = Batch::default();
    let mut busy = traffic.under_way.clone();
    let mut order: Vec<&Ready> = ready.iter().collect();
    order.sort_by_key(|one| {
        let urgency = std::cmp::Reverse((one.severity, one.overdue));
        (urgency, weight(one), one.risk.points, one.service.clone())
    });
    for one in order {
        if busy.contains_key(&one.service) {
            continue;
        }
        match holds(one, ready, &busy, traffic) {
            Some(why) => drop(batch.wait.insert(one.service.clone(), why)),
            None => {
                busy.insert(one.service.clone(), one.image.clone());
                batch.go.push(one.service.clone());
            }
        }
    }
    batch
}

fn weight(one: &Ready) -> (Criticality, u32) {
    (one.criticality, one.blast_radius)
}

/// What an upgrade waits for.
fn holds(
    one: &Ready,
    ready: &[Ready],
    busy: &BTreeMap<ServiceKey, (String, String)>,
    traffic: &Traffic,
) -> Option<String> {
    if busy.len() >= traffic.at_once {
        let words = count(busy.len(), "upgrade");
        return Some(format!("{words} under way, as many as may be at a time"));
    }
    if let Some(other) = busy
        .keys()
        .find(|other| hang_together(&one.service, other, traffic))
    {
        return Some(format!(
            "the upgrade of `{other}`, which it hangs together with, is under way"
        ));
    }
    if let Some((other, _)) = busy.iter().find(|(_, image)| **image == one.image) {
        return Some(format!("`{other}` tries the same image first"));
    }
    let lighter = ready.iter().find(|other| {
        other.image == one.image
            && (weight(other), &other.service) < (weight(one), &one.service)
            && !busy.contains_key(&other.service)
    });
    lighter.map(|other| {
        format!(
            "`{}`, on which less hangs, tries the same image first",
            other.service
        )
    })
}

/// Whether one needs the other, directly or not.
fn hang_together(one: &ServiceKey, other: &ServiceKey, traffic: &Traffic) -> bool {
    reaches(one, other, &traffic.needs) || reaches(other, one, &traffic.needs)
}

fn reaches(from: &ServiceKey, to: &ServiceKey, needs: &BTreeSet<(ServiceKey, ServiceKey)>) -> bool {
    let mut seen = BTreeSet::from([from]);
    let mut open = vec![from];
    while let Some(here) = open.pop() {
        if here == to {
            return true;
        }
        let next = needs.iter().filter(|(who, _)| who == here);
        open.extend(next.map(|(_, whom)| whom).filter(|whom| seen.insert(whom)));
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::risk::Level;

    fn key(name: &str) -> ServiceKey {
        name.parse().unwrap()
    }

    fn ready(service: &str, image: &str, points: u32, criticality: Criticality) -> Ready {
        Ready {
            service: key(service),
            image: (image.to_owned(), "sha256:2".to_owned()),
            severity: Severity::Unknown,
            overdue: false,
            risk: Risk {
                points,
                level: Level::Low,
                reasons: Vec::new(),
            },
            criticality,
            blast_radius: 0,
        }
    }

    fn traffic(at_once: usize) -> Traffic {
        Traffic {
            at_once,
            ..Traffic::default()
        }
    }

    fn went(batch: &Batch) -> Vec<String> {
        batch.go.iter().map(|one| one.name.to_string()).collect()
    }

    #[test]
    fn urgent_ones_go_first_then_the_less_risky_and_few_at_a_time() {
        let mut all = [
            ready("shop/a", "a", 30, Criticality::Normal),
            ready("shop/b", "b", 10, Criticality::Normal),
            ready("shop/c", "c", 40, Criticality::Normal),
            ready("shop/d", "d", 20, Criticality::Normal),
        ];
        all[2].severity = Severity::High;
        all[0].overdue = true;
        let dealt = batch(&all, &traffic(3));
        assert_eq!(went(&dealt), ["c", "a", "b"]);
        assert_eq!(
            dealt.wait[&key("shop/d")],
            "3 upgrades under way, as many as may be at a time"
        );
    }

    #[test]
    fn two_that_hang_on_each_other_never_move_together() {
        let all = [
            ready("shop/front", "a", 10, Criticality::Normal),
            ready("shop/store", "b", 20, Criticality::Normal),
        ];
        let mut traffic = traffic(5);
        traffic.needs = BTreeSet::from([
            (key("shop/front"), key("shop/cart")),
            (key("shop/cart"), key("shop/store")),
        ]);
        let dealt = batch(&all, &traffic);
        assert_eq!(went(&dealt), ["front"]);
        assert!(dealt.wait[&key("shop/store")].contains("hangs together"));
    }

    #[test]
    fn the_same_image_is_tried_where_the_least_is_lost() {
        let all = [
            ready("shop/money", "a", 10, Criticality::High),
            ready("shop/toy", "a", 30, Criticality::Low),
        ];
        let dealt = batch(&all, &traffic(5));
        assert_eq!(went(&dealt), ["toy"]);
        assert!(dealt.wait[&key("shop/money")].contains("`shop/toy` tries the same image first"));
        let mut later = traffic(5);
        later
            .under_way
            .insert(key("shop/toy"), all[1].image.clone());
        assert!(batch(&all, &later).go.is_empty());
        assert_eq!(went(&batch(&all[..1], &traffic(5))), ["money"]);
    }
}
