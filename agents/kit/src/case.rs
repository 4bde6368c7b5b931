//! One incident's state and what comes next: decided purely, done elsewhere.

use std::collections::BTreeSet;

use ostler_core::{
    id::{ApprovalId, IncidentId, ProposalId, ServiceKey},
    plan::ServiceState,
    proposal::{Proposal, ProposalState, Verify},
    sim::Forecast,
    time::{Span, Time},
};

use crate::{refused::Refused, regress::Watch, shadow::Gist, symptom::Symptom, watch::Readings};

/// Without a symptom this long, it went away by itself.
pub const CALM: Span = Span::seconds(20);
/// Handed to a person and calm this long: closed.
const CALM_WITH_PERSON: Span = Span::minutes(1);

/// One incident that this agent looks after.
#[derive(Debug, Clone)]
pub struct Case {
    /// Its incident.
    pub incident: IncidentId,
    /// The service believed to be at fault.
    pub culprit: ServiceKey,
    /// Whose trouble it is: the culprit's own, unless that is well itself and harms whom it calls.
    pub patient: ServiceKey,
    /// Services whose symptoms belong to it, culprit and patient among them.
    pub services: BTreeSet<ServiceKey>,
    /// Where it stands.
    pub phase: Phase,
    /// Proposals made so far.
    pub proposals: u32,
    /// Since when none of its services shows a symptom.
    pub calm_since: Option<Time>,
    /// The sorts of symptoms that were there when it was thought about; grows only.
    pub known: BTreeSet<String>,
    /// Plans that a person said no to, wanting another.
    pub refused: Vec<Refused>,
    /// The last note, so that nothing is noted twice.
    pub last_note: String,
    /// What the current proposal was foretold to lead to, as read before it was begun.
    pub foretold: Option<Forecast>,
    /// What the carried out proposal must not make worse.
    pub watch: Option<Watch>,
    /// What was last read for that.
    pub(crate) readings: Readings,
    /// What a shadow was last asked to think about: each conclusion is compared once.
    pub(crate) compared: Option<Gist>,
}

impl Case {
    /// An incident that is being looked into.
    #[must_use]
    pub fn new(incident: IncidentId, culprit: ServiceKey, phase: Phase) -> Self {
        Self {
            incident,
            services: BTreeSet::from([culprit.clone()]),
            patient: culprit.clone(),
            culprit,
            phase,
            proposals: 0,
            calm_since: None,
            known: BTreeSet::new(),
            refused: Vec::new(),
            last_note: String::new(),
            foretold: None,
            watch: None,
            readings: Readings::default(),
            compared: None,
        }
    }
}

/// Where a case stands. Everything needed to go on after a restart is in the incident and its proposal too.
#[derive(Debug, Clone, PartialEq)]
pub enum Phase {
    /// The cause is not settled; look again at a moment.
    Looking {
        /// Looks so far.
        looks: u32,
        /// When to look again.
        again_at: Time,
    },
    /// A proposal waits, is approved, or is being carried out.
    Proposed {
        /// Which.
        proposal: ProposalId,
        /// Whether this process itself began to act; otherwise what was done must be found out first.
        acting: bool,
        /// Failed tries of the current call.
        tries: u32,
    },
    /// Carried out; being watched.
    Verifying {
        /// Which.
        proposal: ProposalId,
        /// Since when it is watched.
        since: Time,
        /// Since when it is as it should be.
        good_since: Option<Time>,
    },
    /// It did not work; being taken back.
    Undoing {
        /// Which.
        proposal: ProposalId,
        /// Revisions to take back, the next one first; not known yet when absent.
        left: Option<Vec<u64>>,
        /// The approval that a person was asked for.
        asked: Option<ApprovalId>,
        /// When to try again.
        again_at: Time,
        /// When to stop trying.
        until: Time,
        /// What did not work.
        why: String,
    },
    /// Only a person can help; it is watched until calm.
    WithPerson,
    /// Over.
    Closed,
}

/// What is seen of a case at one moment.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    /// Now.
    pub now: Time,
    /// The current proposal, where the phase has one.
    pub proposal: Option<&'a Proposal>,
    /// Whether the service to verify shows a symptom.
    pub verify_symptom: bool,
    /// The state of the service to verify.
    pub verify_state: Option<ServiceState>,
    /// Proposals allowed for one incident.
    pub proposals_limit: u32,
    /// A symptom of a sort that was not there when the case was thought about.
    pub news: Option<&'a Symptom>,
    /// The objective that got worse since the proposal was carried out, in words.
    pub worse: Option<&'a str>,
    /// That what the proposal brought in was left by the core or by somebody else, in words.
    pub left: Option<&'a str>,
}

/// What comes next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Move {
    /// Nothing yet.
    Wait,
    /// Look into it and think.
    Look,
    /// Make the next calls.
    Act,
    /// The proposal is no longer needed: it went away by itself.
    Withdraw,
    /// The proposal cannot be used any more: think anew.
    Replan(String),
    /// It worked.
    Verified,
    /// It did not work: take it back.
    Undo(String),
    /// It did not work, and was taken back already.
    Left(String),
    /// Call a person.
    HandOver(String),
    /// Close: it went away.
    Close,
    /// Nothing more to do: somebody else ended it.
    Forget,
}

impl Case {
    /// Remembers since when it is calm.
    pub fn feel(&mut self, symptoms: bool, now: Time) {
        self.calm_since = if symptoms {
            None
        } else {
            self.calm_since.or(Some(now))
        };
    }

    /// Remembers what it is thought about with.
    pub fn know(&mut self, symptoms: &[Symptom]) {
        let own = symptoms.iter().filter(|symptom| self.has(symptom));
        let names: Vec<String> = own.map(|symptom| symptom.kind.name().to_owned()).collect();
        self.known.extend(names);
    }

    /// The first of its symptoms that it was not thought about with.
    #[must_use]
    pub fn news<'s>(&self, symptoms: &'s [Symptom]) -> Option<&'s Symptom> {
        symptoms
            .iter()
            .find(|symptom| self.has(symptom) && !self.known.contains(symptom.kind.name()))
    }

    fn has(&self, symptom: &Symptom) -> bool {
        symptom.service == self.patient || symptom.service == self.culprit
    }

    fn calm_for(&self, span: Span, now: Time) -> bool {
        self.calm_since
            .is_some_and(|since| now.since(since) >= span)
    }

    /// What comes next. Pure.
    #[must_use]
    pub fn next(&self, seen: Seen<'_>) -> Move {
        match &self.phase {
            Phase::Looking { .. } if self.calm_for(CALM, seen.now) => Move::Close,
            Phase::Looking { again_at, .. }
                if seen.now >= *again_at && self.calm_since.is_none() =>
            {
                Move::Look
            }
            Phase::Looking { .. } => Move::Wait,
            Phase::Proposed { .. } => self.next_proposed(seen),
            Phase::Verifying {
                since, good_since, ..
            } => match self.over_already(seen) {
                Some(over) => over,
                None => next_verifying(*since, *good_since, seen),
            },
            Phase::Undoing { again_at, .. } => match self.over_already(seen) {
                Some(over) => over,
                None if seen.now >= *again_at => Move::Undo(String::new()),
                None => Move::Wait,
            },
            Phase::WithPerson if self.calm_for(CALM_WITH_PERSON, seen.now) => Move::Close,
            // What a person said no to, or what did not work, stays theirs.
            Phase::WithPerson if self.proposals == 0 => seen.news.map_or(Move::Wait, |news| {
                Move::Replan(format!("something new: {}", news.claim))
            }),
            Phase::WithPerson => Move::Wait,
            Phase::Closed => Move::Forget,
        }
    }

    fn next_proposed(&self, seen: Seen<'_>) -> Move {
        let Some(proposal) = seen.proposal else {
            return Move::Wait;
        };
        let calm = self.calm_for(CALM, seen.now);
        match proposal.state {
            ProposalState::Waiting | ProposalState::Approved if calm => Move::Withdraw,
            ProposalState::Waiting => Move::Wait,
            ProposalState::Approved | ProposalState::Acting => Move::Act,
            ProposalState::Rejected => self.next_refused(proposal, seen.proposals_limit),
            ProposalState::Expired if calm => Move::Close,
            ProposalState::Expired if self.proposals >= seen.proposals_limit => {
                Move::HandOver(format!("{} proposals came to nothing", self.proposals))
            }
            ProposalState::Expired => {
                Move::Replan("the proposal was not decided or not usable in time".to_owned())
            }
            ProposalState::Verifying => Move::Wait,
            ProposalState::Failed => self.ended_by_others(seen).unwrap_or(Move::Forget),
            ProposalState::Verified | ProposalState::Undone => Move::Forget,
        }
    }

    /// A person said no: it is theirs now, unless they want another plan.
    fn next_refused(&self, proposal: &Proposal, limit: u32) -> Move {
        match &proposal.another {
            None => Move::HandOver("a person rejected the proposal".to_owned()),
            Some(_) if self.proposals >= limit => Move::HandOver(format!(
                "a person wants another plan, and {} came to nothing",
                self.proposals
            )),
            Some(why) => Move::Replan(format!("a person wants another plan: {why}")),
        }
    }

    /// Whether nothing is left to watch or to take back: somebody else ended it.
    fn over_already(&self, seen: Seen<'_>) -> Option<Move> {
        let left = seen.left.map(|why| Move::Left(why.to_owned()));
        self.ended_by_others(seen).or(left)
    }

    /// Somebody else ended the proposal that is being carried out or watched: another agent took the
    /// service over. What was found out must be found out anew.
    fn ended_by_others(&self, seen: Seen<'_>) -> Option<Move> {
        let proposal = seen.proposal?;
        let ended = matches!(
            proposal.state,
            ProposalState::Failed | ProposalState::Expired
        );
        let why = proposal.outcome.clone();
        let why = why.unwrap_or_else(|| "the proposal was ended by somebody else".to_owned());
        match self.proposals >= seen.proposals_limit {
            _ if !ended => None,
            true => Some(Move::HandOver(why)),
            false => Some(Move::Replan(why)),
        }
    }
}

/// Whether the service is as the proposal promised.
#[must_use]
pub fn is_good(verify: &Verify, seen: &Seen<'_>) -> bool {
    seen.verify_state == Some(verify.state) && !seen.verify_symptom
}

fn next_verifying(since: Time, good_since: Option<Time>, seen: Seen<'_>) -> Move {
    let Some(proposal) = seen.proposal else {
        return Move::Wait;
    };
    // What makes things worse is taken back at once, whatever the service to verify says.
    if let Some(worse) = seen.worse {
        return Move::Undo(worse.to_owned());
    }
    let verify = &proposal.body.verify;
    let good = is_good(verify, &seen);
    if good && good_since.is_some_and(|good| seen.now.since(good) >= verify.hold) {
        return Move::Verified;
    }
    // What began to be good before the deadline may finish its hold.
    let deadline = since + verify.within + if good { verify.hold } else { Span(0) };
    if seen.now < deadline {
        return Move::Wait;
    }
    let state = seen.verify_state.map_or_else(
        || "unknown".to_owned(),
        |state| format!("{state:?}").to_lowercase(),
    );
    let rest = if seen.verify_symptom {
        ", and the symptom is still there"
    } else {
        ""
    };
    Move::Undo(format!(
        "`{}` was {state} after {}{rest}",
        verify.service, verify.within
    ))
}

#[cfg(test)]
mod tests {
    use ostler_core::{
        incident::{Cause, CauseKind},
        proposal::ProposalBody,
    };

    use super::*;
    use crate::symptom::SymptomKind;

    fn key() -> ServiceKey {
        "cart".parse().unwrap()
    }

    fn proposal(state: ProposalState) -> Proposal {
        Proposal {
            id: ProposalId::new("prp_1").unwrap(),
            incident: IncidentId::new("inc_1").unwrap(),
            by: "agent:healer".into(),
            at: Time(0),
            state,
            body: ProposalBody {
                title: String::new(),
                cause: Cause {
                    kind: CauseKind::BadChange,
                    culprit: key(),
                    confidence: 0.9,
                    explanation: String::new(),
                    evidence: vec![],
                },
                calls: vec![],
                expected: String::new(),
                verify: Verify {
                    service: key(),
                    state: ServiceState::Healthy,
                    hold: Span::seconds(10),
                    within: Span::seconds(60),
                },
                alternatives: vec![],
            },
            approval: None,
            done: 0,
            outcome: None,
            services: BTreeSet::new(),
            lease_until: None,
            another: None,
        }
    }

    fn case(phase: Phase) -> Case {
        Case {
            proposals: 1,
            ..Case::new(IncidentId::new("inc_1").unwrap(), key(), phase)
        }
    }

    fn seen(now: u64, proposal: Option<&Proposal>, state: ServiceState) -> Seen<'_> {
        Seen {
            now: Time(now * 1_000),
            proposal,
            verify_symptom: false,
            verify_state: Some(state),
            proposals_limit: 3,
            news: None,
            worse: None,
            left: None,
        }
    }

    fn proposed() -> Case {
        case(Phase::Proposed {
            proposal: ProposalId::new("prp_1").unwrap(),
            acting: false,
            tries: 0,
        })
    }

    #[test]
    fn another_plan_is_thought_of_until_there_were_enough() {
        let mut refused = proposal(ProposalState::Rejected);
        refused.another = Some("too dear".to_owned());
        let mut case = proposed();
        case.proposals = 2;
        let next = case.next(seen(9, Some(&refused), ServiceState::Down));
        let Move::Replan(why) = next else {
            panic!("{next:?}");
        };
        assert!(why.contains("too dear"), "{why}");
        case.proposals = 3;
        let next = case.next(seen(9, Some(&refused), ServiceState::Down));
        assert!(matches!(next, Move::HandOver(_)), "{next:?}");
    }

    #[test]
    fn nothing_is_done_before_approval_and_never_after_a_no() {
        for (state, expected) in [
            (ProposalState::Waiting, Move::Wait),
            (ProposalState::Approved, Move::Act),
            (ProposalState::Acting, Move::Act),
            (
                ProposalState::Rejected,
                Move::HandOver("a person rejected the proposal".into()),
            ),
            (ProposalState::Verified, Move::Forget),
            (ProposalState::Undone, Move::Forget),
        ] {
            let proposal = proposal(state);
            assert_eq!(
                proposed().next(seen(100, Some(&proposal), ServiceState::Down)),
                expected,
                "{state:?}"
            );
        }
    }

    #[test]
    fn what_goes_away_by_itself_is_withdrawn_even_if_approved() {
        for state in [ProposalState::Waiting, ProposalState::Approved] {
            let (mut case, proposal) = (proposed(), proposal(state));
            case.feel(false, Time(10_000));
            assert_eq!(
                case.next(seen(100, Some(&proposal), ServiceState::Healthy)),
                Move::Withdraw
            );
        }
    }

    #[test]
    fn an_expired_proposal_is_planned_anew_a_bounded_number_of_times() {
        let (mut case, proposal) = (proposed(), proposal(ProposalState::Expired));
        assert!(matches!(
            case.next(seen(1, Some(&proposal), ServiceState::Down)),
            Move::Replan(_)
        ));
        case.proposals = 3;
        assert!(matches!(
            case.next(seen(1, Some(&proposal), ServiceState::Down)),
            Move::HandOver(_)
        ));
    }

    #[test]
    fn verified_only_after_holding_and_undone_after_the_deadline() {
        let proposal = proposal(ProposalState::Verifying);
        let watch = |good_since| {
            case(Phase::Verifying {
                proposal: ProposalId::new("prp_1").unwrap(),
                since: Time(0),
                good_since,
            })
        };
        let good = Some(Time(50_000));
        assert_eq!(
            watch(None).next(seen(50, Some(&proposal), ServiceState::Healthy)),
            Move::Wait
        );
        assert_eq!(
            watch(good).next(seen(59, Some(&proposal), ServiceState::Healthy)),
            Move::Wait
        );
        assert_eq!(
            watch(good).next(seen(60, Some(&proposal), ServiceState::Healthy)),
            Move::Verified
        );
        assert!(matches!(
            watch(None).next(seen(60, Some(&proposal), ServiceState::Down)),
            Move::Undo(_)
        ));
        let mut worse = seen(55, Some(&proposal), ServiceState::Healthy);
        worse.worse = Some("errors");
        assert_eq!(
            watch(good).next(worse),
            Move::Undo("errors".into()),
            "at once, long before the deadline"
        );
        let mut left = seen(60, Some(&proposal), ServiceState::Healthy);
        left.left = Some("the core went back");
        assert_eq!(
            watch(good).next(left),
            Move::Left("the core went back".into()),
            "healthy again, but not with what was proposed"
        );
        let mut sick = seen(100, Some(&proposal), ServiceState::Healthy);
        sick.verify_symptom = true;
        assert!(matches!(watch(good).next(sick), Move::Undo(_)));
    }

    #[test]
    fn what_another_agent_took_over_is_looked_into_anew_a_bounded_number_of_times() {
        let mut taken = proposal(ProposalState::Failed);
        taken.outcome = Some("withdrawn: agent:healer takes over".into());
        let watching = case(Phase::Verifying {
            proposal: ProposalId::new("prp_1").unwrap(),
            since: Time(0),
            good_since: None,
        });
        let undoing = case(Phase::Undoing {
            proposal: ProposalId::new("prp_1").unwrap(),
            left: None,
            asked: None,
            again_at: Time(0),
            until: Time(100_000),
            why: String::new(),
        });
        for mut case in [proposed(), watching, undoing] {
            let seen = seen(1, Some(&taken), ServiceState::Healthy);
            let Move::Replan(why) = case.next(seen) else {
                panic!("not planned anew");
            };
            assert!(why.contains("takes over"), "{why}");
            case.proposals = 3;
            assert!(matches!(case.next(seen), Move::HandOver(_)));
        }
    }

    #[test]
    fn something_new_is_looked_into_once_even_when_a_person_is_called() {
        let symptom = |kind| Symptom {
            service: key(),
            instance: None,
            kind,
            since: Time(0),
            claim: "its memory grows".into(),
            call: ostler_core::id::CallId::new("call_1").unwrap(),
        };
        let old = symptom(SymptomKind::DiskFilling);
        let new = symptom(SymptomKind::MemoryGrowing);
        let mut case = Case {
            proposals: 0,
            ..case(Phase::WithPerson)
        };
        case.know(std::slice::from_ref(&old));
        let both = [old, new];
        assert_eq!(case.news(&both[..1]), None);
        let seen = |news| Seen {
            news,
            ..seen(1, None, ServiceState::Healthy)
        };
        let next = case.next(seen(case.news(&both)));
        assert_eq!(next, Move::Replan("something new: its memory grows".into()));
        case.know(&both);
        assert_eq!(case.next(seen(case.news(&both))), Move::Wait);
        case.proposals = 1;
        case.known.clear();
        assert_eq!(
            case.next(seen(case.news(&both))),
            Move::Wait,
            "after a proposal, a person's no stands"
        );
    }

    #[test]
    fn a_case_with_a_person_closes_when_calm() {
        let mut case = case(Phase::WithPerson);
        case.feel(false, Time(0));
        assert_eq!(case.next(seen(59, None, ServiceState::Healthy)), Move::Wait);
        assert_eq!(
            case.next(seen(60, None, ServiceState::Healthy)),
            Move::Close
        );
        case.feel(true, Time(61_000));
        assert_eq!(case.next(seen(200, None, ServiceState::Down)), Move::Wait);
    }
}
