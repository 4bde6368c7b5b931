//! What is known of causes, as data, and what it says of a picture.
//!
//! The way: [`mod@derive`] compares what is wanted with what is there and adds what follows; [`judge`]
//! holds each cause's tests against each object it could blame; [`rank`] puts what explains before
//! what is explained. Causes live in `knowledge/*.yaml`; no code here knows one of them by name.

mod cause;
mod compare;
mod derive;
mod judge;
mod load;
mod rank;
mod view;

pub use cause::{
    Cause, ChangeTest, EventTest, FactTest, LessSurely, LogTest, NearTest, SignalTest, Test, Who,
};
pub use load::{Knowledge, KnowledgeError};

use crate::finding::{Diagnosis, Verdict};
use crate::picture::Picture;
use view::View;

/// What the knowledge base says of a picture.
///
/// Healthy when no cause speaks and nothing is in distress; unknown when something is, or somebody
/// complained, and no cause speaks. Then the findings say at most where it is.
#[must_use]
pub fn by_knowledge(picture: &Picture, knowledge: &Knowledge) -> Diagnosis {
    let view = View::of(picture);
    let candidates = judge::candidates(&view, knowledge);
    let mut findings = rank::ranked(&view, candidates);
    let verdict = if !findings.is_empty() {
        Verdict::Found
    } else if picture.symptom.is_some() || view.anybody_in_distress() {
        Verdict::Unknown
    } else {
        Verdict::Healthy
    };
    if verdict == Verdict::Unknown {
        findings = rank::places(&view);
    }
    Diagnosis { verdict, findings }
}

#[cfg(test)]
mod tests;
