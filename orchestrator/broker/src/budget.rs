//! Accounts of one agent: what was spent, what is promised, whether more may be. Pure: time is given.
//!
//! Before a request its worst case is reserved; afterwards what it cost takes the reservation's
//! place. So no budget is exceeded by requests that run at once, nor by one whose cost nobody tells.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use crate::ledger::KeptAccounts;

const HOUR_MS: u64 = 3_600_000;
/// An incident's account is forgotten this long after its last request.
pub(crate) const INCIDENT_MS: u64 = 24 * HOUR_MS;
/// A turn's account is forgotten this long after its last request.
const TURN_MS: u64 = HOUR_MS;
/// Most turns and incidents with an account; beyond it, new ones wait until old ones are forgotten.
const ACCOUNTS_LIMIT: usize = 4_096;

/// Budgets of one agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Of one turn.
    pub turn: Limit,
    /// Of any hour.
    pub hour: Limit,
    /// Of one incident.
    pub incident: Limit,
}

/// One budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// Tokens in and out.
    pub tokens: u64,
    /// Money in billionths; no limit of its own when absent.
    pub nano: Option<u64>,
    /// Milliseconds of waiting for answers; no limit of its own when absent.
    pub ms: Option<u64>,
}

/// What something costs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cost {
    /// Tokens in and out.
    pub tokens: u64,
    /// Money in billionths.
    pub nano: u64,
    /// Milliseconds of waiting for answers.
    pub ms: u64,
}

/// On which accounts a request goes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Account {
    /// The turn's name.
    pub turn: String,
    /// What the incident is about.
    pub subject: String,
}

/// A promise that must be settled.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub struct Reservation {
    number: u64,
    account: Account,
}

/// Which budget is used up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the budget of {what} is used up: {spent} of {limit} {unit} are spent or promised, {wanted} more may be needed"
)]
pub struct Exhausted {
    /// `this turn`, `this hour` or `this incident`.
    pub what: &'static str,
    /// Tokens, money in billionths, or milliseconds.
    pub unit: &'static str,
    /// What is spent or promised.
    pub spent: u64,
    /// The limit.
    pub limit: u64,
    /// What the request may need.
    pub wanted: u64,
}

/// The accounts.
#[derive(Debug)]
pub struct Accounts {
    budget: Budget,
    hour: VecDeque<(u64, u64, Cost)>,
    turns: BTreeMap<String, Sum>,
    subjects: BTreeMap<String, Sum>,
    numbers: u64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Sum {
    cost: Cost,
    last_ms: u64,
}

impl Cost {
    fn plus(self, other: Self) -> Self {
        Self {
            tokens: self.tokens.saturating_add(other.tokens),
            nano: self.nano.saturating_add(other.nano),
            ms: self.ms.saturating_add(other.ms),
        }
    }

    fn minus(self, other: Self) -> Self {
        Self {
            tokens: self.tokens.saturating_sub(other.tokens),
            nano: self.nano.saturating_sub(other.nano),
            ms: self.ms.saturating_sub(other.ms),
        }
    }
}

impl Limit {
    fn allow(self, what: &'static str, spent: Cost, wanted: Cost) -> Result<(), Exhausted> {
        let check = |unit, spent: u64, wanted: u64, limit: u64| {
            if spent.saturating_add(wanted) <= limit {
                return Ok(());
            }
            Err(Exhausted {
                what,
                unit,
                spent,
                limit,
                wanted,
            })
        };
        check("tokens", spent.tokens, wanted.tokens, self.tokens)?;
        if let Some(limit) = self.nano {
            check("billionths of money", spent.nano, wanted.nano, limit)?;
        }
        self.ms.map_or(Ok(()), |limit| {
            check("milliseconds", spent.ms, wanted.ms, limit)
        })
    }
}

impl Accounts {
    /// Nothing spent yet.
    #[must_use]
    pub fn new(budget: Budget) -> Self {
        Self {
            budget,
            hour: VecDeque::new(),
            turns: BTreeMap::new(),
            subjects: BTreeMap::new(),
            numbers: 0,
        }
    }

    /// Promises the worst case of a request.
    ///
    /// # Errors
    /// [`Exhausted`] when a budget could be exceeded.
    pub fn reserve(
        &mut self,
        account: Account,
        worst: Cost,
        now_ms: u64,
    ) -> Result<Reservation, Exhausted> {
        let hour = self.in_hour(now_ms);
        let of = |sums: &BTreeMap<String, Sum>, key: &str| {
            sums.get(key).copied().unwrap_or_default().cost
        };
        self.budget
            .turn
            .allow("this turn", of(&self.turns, &account.turn), worst)?;
        self.budget
            .incident
            .allow("this incident", of(&self.subjects, &account.subject), worst)?;
        self.budget.hour.allow("this hour", hour, worst)?;
        let full = |sums: &BTreeMap<String, Sum>, key: &str| {
            sums.len() >= ACCOUNTS_LIMIT && !sums.contains_key(key)
        };
        if full(&self.turns, &account.turn) || full(&self.subjects, &account.subject) {
            let limit = u64::try_from(ACCOUNTS_LIMIT).unwrap_or(u64::MAX);
            return Err(Exhausted {
                what: "this hour",
                unit: "accounts",
                spent: limit,
                limit,
                wanted: 1,
            });
        }
        self.numbers += 1;
        self.hour.push_back((now_ms, self.numbers, worst));
        book(
            &mut self.turns,
            &account.turn,
            Cost::default(),
            worst,
            now_ms,
        );
        book(
            &mut self.subjects,
            &account.subject,
            Cost::default(),
            worst,
            now_ms,
        );
        Ok(Reservation {
            number: self.numbers,
            account,
        })
    }

    /// What a request really cost takes the promise's place.
    pub fn settle(&mut self, reservation: Reservation, cost: Cost, now_ms: u64) {
        let Some(entry) = self
            .hour
            .iter_mut()
            .find(|(_, number, _)| *number == reservation.number)
        else {
            // Older than an hour: the hour forgot it; so may the others.
            return;
        };
        let promised = std::mem::replace(&mut entry.2, cost);
        book(
            &mut self.turns,
            &reservation.account.turn,
            promised,
            cost,
            now_ms,
        );
        book(
            &mut self.subjects,
            &reservation.account.subject,
            promised,
            cost,
            now_ms,
        );
    }

    /// The budgets that are held.
    #[must_use]
    pub const fn budget(&self) -> Budget {
        self.budget
    }

    /// Holds other budgets from now on; what is spent stays spent.
    pub const fn set_budget(&mut self, budget: Budget) {
        self.budget = budget;
    }

    /// What the last hour cost, promises included.
    #[must_use]
    pub fn in_hour(&mut self, now_ms: u64) -> Cost {
        self.forget(now_ms);
        self.hour
            .iter()
            .fold(Cost::default(), |sum, (_, _, cost)| sum.plus(*cost))
    }

    /// What is to be written down: promises too, at their worst case.
    #[must_use]
    pub fn kept(&mut self, now_ms: u64) -> KeptAccounts {
        self.forget(now_ms);
        let age = |at: u64| now_ms.saturating_sub(at);
        let of = |sums: &BTreeMap<String, Sum>| {
            let one = |(name, sum): (&String, &Sum)| (name.clone(), age(sum.last_ms), sum.cost);
            sums.iter().map(one).collect()
        };
        KeptAccounts {
            hour: self
                .hour
                .iter()
                .map(|(at, _, cost)| (age(*at), *cost))
                .collect(),
            turns: of(&self.turns),
            incidents: of(&self.subjects),
        }
    }

    /// Takes up what was written down, on accounts on which nothing was spent yet.
    pub fn take_up(&mut self, kept: &KeptAccounts, now_ms: u64) {
        let at = |age: u64| now_ms.saturating_sub(age);
        // The clock of accounts does not reach back further than what counts.
        for (age, cost) in kept.hour.iter().filter(|(age, _)| *age <= HOUR_MS) {
            self.numbers += 1;
            self.hour.push_back((at(*age), self.numbers, *cost));
        }
        for (sums, kept) in [
            (&mut self.turns, &kept.turns),
            (&mut self.subjects, &kept.incidents),
        ] {
            for (name, age, cost) in kept.iter().filter(|(_, age, _)| *age <= INCIDENT_MS) {
                book(sums, name, Cost::default(), *cost, at(*age));
            }
        }
        self.forget(now_ms);
    }

    fn forget(&mut self, now_ms: u64) {
        while self
            .hour
            .front()
            .is_some_and(|(at, ..)| now_ms.saturating_sub(*at) > HOUR_MS)
        {
            self.hour.pop_front();
        }
        self.turns
            .retain(|_, sum| now_ms.saturating_sub(sum.last_ms) <= TURN_MS);
        self.subjects
            .retain(|_, sum| now_ms.saturating_sub(sum.last_ms) <= INCIDENT_MS);
    }
}

fn book(sums: &mut BTreeMap<String, Sum>, key: &str, less: Cost, more: Cost, now_ms: u64) {
    let sum = sums.entry(key.to_owned()).or_default();
    sum.cost = sum.cost.minus(less).plus(more);
    sum.last_ms = now_ms;
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn tokens(tokens: u64) -> Limit {
        Limit {
            tokens,
            nano: None,
            ms: None,
        }
    }

    const fn cost(tokens: u64) -> Cost {
        Cost {
            tokens,
            nano: tokens * 10,
            ms: tokens * 100,
        }
    }

    fn on(turn: &str, subject: &str) -> Account {
        Account {
            turn: turn.into(),
            subject: subject.into(),
        }
    }

    #[test]
    fn each_budget_holds_and_says_which_it_is() {
        let budget = Budget {
            turn: tokens(100),
            incident: tokens(150),
            hour: tokens(200),
        };
        let mut accounts = Accounts::new(budget);
        let first = accounts.reserve(on("t1", "cart"), cost(100), 0).unwrap();
        assert_eq!(
            accounts
                .reserve(on("t1", "cart"), cost(1), 0)
                .unwrap_err()
                .what,
            "this turn"
        );
        assert_eq!(
            accounts
                .reserve(on("t2", "cart"), cost(51), 0)
                .unwrap_err()
                .what,
            "this incident"
        );
        let second = accounts.reserve(on("t2", "cart"), cost(50), 0).unwrap();
        assert_eq!(
            accounts
                .reserve(on("t3", "store"), cost(51), 0)
                .unwrap_err()
                .what,
            "this hour"
        );
        accounts.settle(first, cost(10), 1);
        accounts.settle(second, cost(10), 1);
        assert_eq!(accounts.in_hour(1), cost(20));
        let _ = accounts.reserve(on("t1", "cart"), cost(90), 2).unwrap();
    }

    #[test]
    fn money_is_a_budget_of_its_own() {
        let hour = Limit {
            tokens: 1_000,
            nano: Some(55),
            ms: None,
        };
        let mut accounts = Accounts::new(Budget {
            turn: tokens(1_000),
            incident: tokens(1_000),
            hour,
        });
        let _ = accounts.reserve(on("t", "s"), cost(5), 0).unwrap();
        let refused = accounts.reserve(on("t", "s"), cost(1), 0).unwrap_err();
        assert_eq!((refused.unit, refused.limit), ("billionths of money", 55));
    }

    #[test]
    fn time_is_a_budget_of_its_own() {
        let incident = Limit {
            tokens: 1_000,
            nano: None,
            ms: Some(1_000),
        };
        let mut accounts = Accounts::new(Budget {
            turn: tokens(1_000),
            incident,
            hour: tokens(1_000),
        });
        let slow = accounts.reserve(on("t1", "cart"), cost(10), 0).unwrap();
        let refused = accounts.reserve(on("t2", "cart"), cost(1), 0).unwrap_err();
        assert_eq!(
            (refused.what, refused.unit, refused.spent),
            ("this incident", "milliseconds", 1_000)
        );
        accounts.settle(slow, cost(2), 1);
        let _ = accounts.reserve(on("t2", "cart"), cost(8), 1).unwrap();
    }

    #[test]
    fn an_hour_later_the_hour_is_free_and_the_incident_is_not() {
        let budget = Budget {
            turn: tokens(100),
            incident: tokens(100),
            hour: tokens(100),
        };
        let mut accounts = Accounts::new(budget);
        let promise = accounts.reserve(on("t1", "cart"), cost(100), 0).unwrap();
        accounts.settle(promise, cost(100), 10);
        let later = HOUR_MS + 11;
        assert_eq!(
            accounts
                .reserve(on("t2", "cart"), cost(1), later)
                .unwrap_err()
                .what,
            "this incident"
        );
        let _ = accounts
            .reserve(on("t2", "store"), cost(100), later)
            .unwrap();
    }

    #[test]
    fn what_was_kept_counts_until_its_time_is_over() {
        let budget = Budget {
            turn: tokens(100),
            incident: tokens(100),
            hour: tokens(100),
        };
        let mut before = Accounts::new(budget);
        let settled = before.reserve(on("t1", "cart"), cost(70), 10).unwrap();
        before.settle(settled, cost(60), 20);
        let _open = before.reserve(on("t2", "store"), cost(30), 30).unwrap();
        let kept = before.kept(1_000);
        let text = serde_json::to_string(&kept).unwrap();
        let kept: KeptAccounts = serde_json::from_str(&text).unwrap();

        let now = INCIDENT_MS;
        let mut after = Accounts::new(budget);
        after.take_up(&kept.clone().aged(500), now);
        assert_eq!(after.in_hour(now), cost(90), "a promise counts too");
        let refused = |accounts: &mut Accounts, wanted, at| {
            let asked = accounts.reserve(on("t3", "cart"), cost(wanted), at);
            asked.unwrap_err().what
        };
        assert_eq!(refused(&mut after, 11, now), "this hour");
        let later = now + HOUR_MS;
        assert_eq!(after.in_hour(later), cost(0));
        assert_eq!(refused(&mut after, 41, later), "this incident");

        let mut much_later = Accounts::new(budget);
        much_later.take_up(&kept.aged(INCIDENT_MS), now);
        let _all = much_later
            .reserve(on("t1", "cart"), cost(100), now)
            .unwrap();
    }

    /// Whatever is asked in whatever order, promises and costs within the worst case never exceed it.
    #[test]
    fn no_order_of_requests_exceeds_a_budget() {
        let budget = Budget {
            turn: tokens(300),
            incident: tokens(500),
            hour: tokens(700),
        };
        let mut accounts = Accounts::new(budget);
        let (mut open, mut seed, mut spent) = (Vec::new(), 1_u64, 0);
        for step in 0..2_000_u64 {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let roll = seed >> 33;
            if roll % 3 == 0 && !open.is_empty() {
                let (reservation, worst) =
                    open.swap_remove(usize::try_from(roll).unwrap() % open.len());
                let real = worst * (roll % 100) / 100;
                accounts.settle(reservation, cost(real), step);
                spent += real;
            } else if let Ok(reservation) = accounts.reserve(
                on(&format!("t{}", roll % 5), &format!("s{}", roll % 2)),
                cost(roll % 90),
                step,
            ) {
                open.push((reservation, roll % 90));
            }
            assert!(accounts.in_hour(step).tokens <= 700);
        }
        assert!(spent > 0 && spent <= 700);
    }
}
