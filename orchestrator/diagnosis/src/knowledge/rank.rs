//! Puts what explains before what is explained.

use std::collections::{BTreeMap, BTreeSet};

use super::judge::Candidate;
use super::view::View;
use crate::finding::{Evidence, Finding};
use crate::picture::Kind;

/// The most that explaining everything adds.
const FULL_EXPLANATION: f64 = 0.2;
/// What is left of an effect that something else explains.
const EXPLAINED_EFFECT: f64 = 0.5;
/// What is left of a cause when a likelier one lies on its way.
const EXPLAINED_CAUSE: f64 = 0.9;

/// How sure a place is of which nothing is known but that it does not work.
const PLACE_ALONE: f64 = 0.2;

/// Where it is, when nothing says what: services and nodes that do not work by their own state, those
/// first that lean on no other such one.
pub fn places(view: &View) -> Vec<Finding> {
    let down: Vec<(&str, Evidence)> = [Kind::Node, Kind::Service]
        .into_iter()
        .flat_map(|kind| view.of_kind(kind))
        .filter_map(|id| Some((id, view.down(id)?)))
        .collect();
    let leaning = |id: &str| {
        let on = view.leans_on(id);
        down.iter().filter(|(other, _)| on.contains(other)).count()
    };
    let mut findings: Vec<Finding> = down
        .iter()
        .map(|(id, evidence)| Finding {
            object: (*id).to_owned(),
            cause: None,
            score: PLACE_ALONE / (1 + leaning(id)) as f64,
            evidence: vec![evidence.clone()],
        })
        .collect();
    findings.sort_by(|one, other| other.score.total_cmp(&one.score));
    findings
}

/// Findings, likeliest first.
pub fn ranked(view: &View, candidates: Vec<Candidate>) -> Vec<Finding> {
    let leans: BTreeMap<&str, BTreeSet<&str>> = view
        .picture
        .objects
        .keys()
        .map(|object| (object.as_str(), view.leans_on(object)))
        .collect();
    let sad: Vec<&str> = leans
        .keys()
        .copied()
        .filter(|object| view.in_distress(object))
        .collect();
    let mut findings: Vec<Finding> = candidates
        .iter()
        .map(|one| Finding {
            object: one.object.to_owned(),
            cause: Some(one.cause.id.clone()),
            score: score(one, &candidates, &leans, &sad),
            evidence: one.evidence.clone(),
        })
        .collect();
    findings.sort_by(|one, other| {
        let ties = || (&one.object, &one.cause).cmp(&(&other.object, &other.cause));
        other.score.total_cmp(&one.score).then_with(ties)
    });
    findings
}

fn score(
    one: &Candidate,
    all: &[Candidate],
    leans: &BTreeMap<&str, BTreeSet<&str>>,
    sad: &[&str],
) -> f64 {
    let reaches = |from: &str, to: &str| leans.get(from).is_some_and(|set| set.contains(to));
    let explained = all.iter().any(|other| {
        let same_place = other.object == one.object;
        let upstream =
            !same_place && reaches(one.object, other.object) && !reaches(other.object, one.object);
        let stands = !other.cause.effect && (one.cause.effect || other.strength >= one.strength);
        stands && (upstream || (same_place && one.cause.effect))
    });
    let left = match (explained, one.cause.effect) {
        (true, true) => EXPLAINED_EFFECT,
        (true, false) => EXPLAINED_CAUSE,
        (false, _) => 1.0,
    };
    let explains = sad
        .iter()
        .filter(|object| **object == one.object || reaches(object, one.object));
    #[expect(clippy::cast_precision_loss, reason = "counts of objects are small")]
    let share = if sad.is_empty() {
        0.0
    } else {
        explains.count() as f64 / sad.len() as f64
    };
    // What explains everything that is wrong is likelier than what explains a part of it.
    (one.strength * left) * (1.0 - FULL_EXPLANATION + FULL_EXPLANATION * share)
}
