//! When a play is over. Pure.

use ostler_core::time::Span;

use crate::{
    mechanism::{Case, Truth},
    play::Hand,
};

/// A fix that is tried instead of an agent comes so long after the trouble.
pub const FIX: Span = Span::seconds(90);
/// A case ends when all was well, or a person was called, for so long…
const REST: Span = Span::seconds(45);
/// …or so long after the trouble…
const LONGEST: Span = Span::minutes(12);
/// …or, with nobody there who thinks, so long after a fix would have come.
const AFTER_FIX: Span = Span::seconds(150);
/// Where nothing is wrong, it ends after so long.
const HEALTHY: Span = Span::minutes(5);
/// Where nothing is to be done, it is known this long after the trouble what somebody did.
const DONE: Span = Span::seconds(95);

/// Where a play stands.
pub struct Standing {
    /// How long the trouble lasts.
    pub since: Span,
    /// Since when all is well.
    pub well_since: Option<Span>,
    /// Whether a person is called.
    pub called: bool,
    /// Whether somebody still looks into it.
    pub busy: bool,
    /// Whether nobody noticed anything.
    pub silent: bool,
}

/// Whether it is over.
pub fn is_over(
    case: &Case,
    hand: Hand<'_>,
    standing: &Standing,
    called_since: Option<Span>,
) -> bool {
    let since = standing.since;
    if since >= longest(case, hand) || case.truth == Truth::Healthy {
        return since >= longest(case, hand);
    }
    let agent = matches!(hand, Hand::Agent(_) | Hand::Thinking(..));
    let last_deed = case.deeds.values().map(|deed| deed.at).max();
    let earliest = last_deed.unwrap_or_default().0 + REST.0 + if agent { 0 } else { FIX.0 };
    let rests = |began: Option<Span>| began.is_some_and(|began| since.0 >= began.0 + REST.0);
    let settled = match case.truth {
        Truth::Person { .. } => rests(called_since),
        _ => rests(standing.well_since) && !(agent && standing.silent) && case.most_ends.is_none(),
    };
    settled && since.0 >= earliest && !standing.busy
}

fn longest(case: &Case, hand: Hand<'_>) -> Span {
    match (case.lasts, hand, &case.truth) {
        (_, Hand::Nobody | Hand::Fix(_), Truth::Healthy | Truth::Person { .. }) => DONE,
        (Some(lasts), ..) => lasts,
        (None, Hand::Agent(_) | Hand::Thinking(..), Truth::Healthy) => HEALTHY,
        (None, Hand::Agent(_) | Hand::Thinking(..), _) => LONGEST,
        (None, ..) => Span(FIX.0 + AFTER_FIX.0),
    }
}
