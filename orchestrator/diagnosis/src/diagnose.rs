//! Both halves together: what is known of causes, and what the signals say.

use crate::{
    echo,
    finding::{Diagnosis, Finding, Verdict},
    knowledge::{Knowledge, by_knowledge},
    picture::Picture,
    signals,
};

/// From here on a cause of the knowledge base rests on more than a signal that moved: it goes before
/// whatever only signals say.
const SPECIFIC: f64 = 0.6;

/// What is the case, and what speaks for it.
///
/// A cause that the knowledge base is sure of goes first: its symptoms are specific. What both see of
/// one object is one finding, under the name of whoever is surer. The rest goes by its score.
#[must_use]
pub fn diagnose(picture: &Picture, knowledge: &Knowledge) -> Diagnosis {
    let known = by_knowledge(picture, knowledge);
    let mut ranked = signals::rank(picture);
    echo::damp(picture, &known.findings, &mut ranked.findings);
    let verdict = match (known.verdict, ranked.verdict) {
        (Verdict::Found, _) | (_, Verdict::Found) => Verdict::Found,
        (Verdict::Healthy, Verdict::Healthy) => Verdict::Healthy,
        _ => Verdict::Unknown,
    };
    let (mut findings, mut rest): (Vec<Finding>, Vec<Finding>) = known
        .findings
        .into_iter()
        .partition(|finding| finding.score >= SPECIFIC);
    for finding in ranked.findings {
        match findings.iter_mut().find(|one| one.object == finding.object) {
            Some(specific) => specific.evidence.extend(finding.evidence),
            None => join(&mut rest, finding),
        }
    }
    rest.sort_by(|a, b| b.score.total_cmp(&a.score));
    findings.extend(rest);
    Diagnosis { verdict, findings }
}

/// Two findings of one object become one, under the surer one's name; one that is only a place has none.
fn join(rest: &mut Vec<Finding>, mut finding: Finding) {
    match rest.iter_mut().find(|one| one.object == finding.object) {
        Some(one) if one.score >= finding.score => {
            one.evidence.extend(finding.evidence);
            one.cause = one.cause.take().or(finding.cause);
        }
        Some(one) => {
            finding.evidence.append(&mut one.evidence);
            *one = finding;
        }
        None => rest.push(finding),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::picture::{Event, Kind, Measure, Object, Signal};

    fn service(facts: &[(&str, serde_json::Value)]) -> Object {
        let facts = facts
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()));
        Object {
            kind: Kind::Service,
            facts: facts.collect(),
        }
    }

    fn step(object: &str, before: f64, after: f64) -> Signal {
        let value = |second: u32| {
            let noise = f64::from(second % 3) * 0.01;
            if second < 300 {
                before + noise
            } else {
                after + noise
            }
        };
        Signal {
            object: object.to_owned(),
            measure: Measure::Cpu,
            name: "cpu".to_owned(),
            points: (0..400)
                .map(|second| (f64::from(second), value(second)))
                .collect(),
        }
    }

    #[test]
    fn what_is_known_goes_first_and_signals_add_to_it_or_follow() {
        let knowledge = Knowledge::built_in().unwrap();
        let mut picture = Picture {
            objects: BTreeMap::from([
                ("cart".to_owned(), service(&[("ready", false.into())])),
                ("store".to_owned(), service(&[])),
            ]),
            noticed: Some(300.0),
            ..Picture::default()
        };
        assert_eq!(diagnose(&picture, &knowledge).verdict, Verdict::Unknown);
        picture.events.push(Event {
            at: Some(310.0),
            object: "cart".to_owned(),
            reason: "OOMKilling".to_owned(),
            message: "out of memory".to_owned(),
            count: 1,
        });
        picture.signals = vec![step("cart", 0.1, 0.9), step("store", 0.1, 0.9)];
        let found = diagnose(&picture, &knowledge);
        assert_eq!(found.verdict, Verdict::Found);
        let first = found.findings.first().unwrap();
        assert_eq!(
            (first.object.as_str(), first.cause.as_deref()),
            ("cart", Some("out_of_memory"))
        );
        assert!(
            first
                .evidence
                .iter()
                .any(|one| one.from.starts_with("signals/0"))
        );
        assert_eq!(found.findings.get(1).unwrap().object, "store");
    }

    #[test]
    fn nothing_is_healthy() {
        let knowledge = Knowledge::built_in().unwrap();
        let quiet = Picture {
            objects: BTreeMap::from([("cart".to_owned(), service(&[("ready", true.into())]))]),
            signals: vec![step("cart", 0.1, 0.1)],
            ..Picture::default()
        };
        assert_eq!(diagnose(&quiet, &knowledge).verdict, Verdict::Healthy);
    }
}
