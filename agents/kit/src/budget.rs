//! Limits on what an agent may spend: calls a turn, turns an hour, incidents at once, tries an incident.

use std::collections::VecDeque;

use ostler_core::time::{Span, Time};

/// The limits. After a limit, a person is called; the gate and the supervisor hold harder ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Tool calls to look into one situation.
    pub calls_per_turn: u32,
    /// Situations looked into within any hour.
    pub turns_per_hour: u32,
    /// Incidents that this agent has open at once.
    pub open_incidents: usize,
    /// Proposals for one incident.
    pub proposals_per_incident: u32,
    /// Looks into one symptom that settle nothing, before a person is called.
    pub unresolved_looks: u32,
    /// Signal series read for one glance.
    pub series_per_glance: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            calls_per_turn: 60,
            turns_per_hour: 360,
            open_incidents: 8,
            proposals_per_incident: 3,
            unresolved_looks: 6,
            series_per_glance: 24,
        }
    }
}

/// What was spent in the last hour.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    turns: VecDeque<Time>,
}

impl Ledger {
    /// Takes one turn if the hour still has one.
    pub fn take_turn(&mut self, budget: &Budget, now: Time) -> bool {
        let hour_ago = now - Span::minutes(60);
        while self.turns.front().is_some_and(|at| *at < hour_ago) {
            self.turns.pop_front();
        }
        let room = self.turns.len() < usize::try_from(budget.turns_per_hour).unwrap_or(usize::MAX);
        if room {
            self.turns.push_back(now);
        }
        room
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_come_back_after_an_hour() {
        let budget = Budget {
            turns_per_hour: 2,
            ..Budget::default()
        };
        let mut ledger = Ledger::default();
        let start = Time(10_000_000);
        assert!(ledger.take_turn(&budget, start));
        assert!(ledger.take_turn(&budget, start));
        assert!(!ledger.take_turn(&budget, start + Span::minutes(59)));
        assert!(ledger.take_turn(&budget, start + Span::minutes(61)));
    }
}
