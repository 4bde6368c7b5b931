//! What a webhook is yet to be told: worked out anew from the gate's records and from what it was told, so
//! that a daemon that dies forgets nothing, and nothing waits in a queue of its own.

use std::collections::BTreeMap;

use ostler_core::{
    id::ApprovalId,
    time::{Span, Time},
};
use ostler_tools::record::{Approval, ApprovalState, Records};
use serde::{Deserialize, Serialize};

/// An end that could not be told for so long is not told any more.
const STALE: Span = Span::minutes(24 * 60);
/// Most notices at a time; more come after them.
const LIMIT: usize = 256;

/// What there is to be told of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum News {
    /// It waits for a person's yes.
    Requested,
    /// It was granted.
    Approved,
    /// It was turned down.
    Rejected,
    /// It ended without an answer.
    Expired,
}

/// What a webhook was told of each request, and since when it is told anything.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Told {
    /// Requests that ended before are of no interest to it.
    pub since: Time,
    /// The last of each.
    pub of: BTreeMap<ApprovalId, News>,
}

/// One thing to be told.
#[derive(Debug, Clone, PartialEq)]
pub struct Notice {
    /// What.
    pub news: News,
    /// When it happened.
    pub at: Time,
    /// Of what.
    pub approval: Approval,
}

impl News {
    /// The word for it, in ids and types of posts.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Approved => "approved",
            Self::Rejected => "rejected",
            Self::Expired => "expired",
        }
    }

    /// How a request stands, and since when.
    fn of(approval: &Approval, now: Time) -> (Self, Time) {
        let ended = |news| (news, approval.decided_at.unwrap_or(approval.expires_at));
        match approval.state {
            ApprovalState::Waiting if now < approval.expires_at => {
                (Self::Requested, approval.requested_at)
            }
            ApprovalState::Granted | ApprovalState::Used => ended(Self::Approved),
            ApprovalState::Rejected => ended(Self::Rejected),
            // A yes that was not used in time was told as a yes.
            ApprovalState::Expired if approval.decided_at.is_some() => ended(Self::Approved),
            ApprovalState::Waiting | ApprovalState::Expired => ended(Self::Expired),
        }
    }
}

impl Notice {
    /// The same however often it is sent, and by whichever daemon.
    pub fn id(&self) -> String {
        format!("{}-{}", self.approval.id, self.news.word())
    }
}

/// What is yet to be told, the oldest first: of each request how it stands, not how it stood.
pub fn due(records: &Records, told: &Told, now: Time) -> Vec<Notice> {
    let notice = |approval: &Approval| {
        let (news, at) = News::of(approval, now);
        let wanted = match told.of.get(&approval.id) {
            None if news == News::Requested => true,
            None => approval.requested_at >= told.since,
            Some(News::Requested) => news != News::Requested,
            Some(News::Approved | News::Rejected | News::Expired) => false,
        };
        let fresh = news == News::Requested || now.since(at) < STALE;
        (wanted && fresh).then(|| Notice {
            news,
            at,
            approval: approval.clone(),
        })
    };
    let mut due: Vec<Notice> = records.approvals.values().filter_map(notice).collect();
    due.sort_by_key(|notice| (notice.at, notice.id()));
    due.truncate(LIMIT);
    due
}

#[cfg(test)]
pub(super) mod tests {
    use ostler_tools::{base::Base, record::ApprovalCall};
    use serde_json::Value;

    use super::*;

    /// A request of the healer's that waits from 1 000 to 2 000.
    pub fn request(id: &str) -> Approval {
        Approval {
            id: ApprovalId::new(id).unwrap(),
            calls: vec![ApprovalCall {
                tool: "scale_service".to_owned(),
                digest: "d".to_owned(),
                summary: "scale `shop/cart` from 2 to 5".to_owned(),
                used: false,
                arguments: Value::Null,
                diff: Vec::new(),
                beside: Vec::new(),
                omitted: 0,
            }],
            requested_by: "agent:healer".to_owned(),
            requested_at: Time(1_000),
            expires_at: Time(2_000),
            valid_for: Span::minutes(10),
            needs: vec![ostler_tools::principal::Role::Operator],
            any: false,
            yes: Vec::new(),
            because: vec!["agents ask".to_owned()],
            state: ApprovalState::Waiting,
            decided_by: None,
            decided_at: None,
            reason: None,
            proposal: None,
            base: Base::default(),
        }
    }

    fn records(approval: &Approval) -> Records {
        let mut records = Records::default();
        records
            .approvals
            .insert(approval.id.clone(), approval.clone());
        records
    }

    fn news(approval: &Approval, told: Option<News>, since: u64, now: u64) -> Option<News> {
        let of = told.map(|news| (approval.id.clone(), news));
        let told = Told {
            since: Time(since),
            of: of.into_iter().collect(),
        };
        let due = due(&records(approval), &told, Time(now));
        due.first().map(|notice| notice.news)
    }

    #[test]
    fn a_request_is_told_when_it_waits_and_when_it_ends_and_never_twice() {
        let waits = request("apr_1");
        assert_eq!(news(&waits, None, 0, 1_500), Some(News::Requested));
        assert_eq!(news(&waits, Some(News::Requested), 0, 1_500), None);
        // Nobody touched it since: it is over all the same.
        assert_eq!(
            news(&waits, Some(News::Requested), 0, 2_000),
            Some(News::Expired)
        );
        for (state, decided, told) in [
            (ApprovalState::Granted, true, News::Approved),
            (ApprovalState::Used, true, News::Approved),
            (ApprovalState::Expired, true, News::Approved),
            (ApprovalState::Rejected, true, News::Rejected),
            (ApprovalState::Expired, false, News::Expired),
        ] {
            let mut ended = waits.clone();
            (ended.state, ended.decided_at) = (state, decided.then_some(Time(1_600)));
            assert_eq!(news(&ended, Some(News::Requested), 0, 3_000), Some(told));
            assert_eq!(news(&ended, Some(told), 0, 3_000), None, "{state:?}");
            assert_eq!(
                news(&ended, None, 900, 3_000),
                Some(told),
                "what came and went"
            );
            assert_eq!(news(&ended, None, 1_001, 3_000), None, "before its time");
            let later = 2_000 + STALE.0;
            assert_eq!(
                news(&ended, Some(News::Requested), 0, later),
                None,
                "too old"
            );
        }
        assert_eq!(
            news(&waits, None, 1_999, 1_999),
            Some(News::Requested),
            "what waits still"
        );
    }

    #[test]
    fn the_id_is_the_same_for_the_same_news() {
        let notice = |now| {
            let due = due(&records(&request("apr_1")), &Told::default(), Time(now));
            due.first().unwrap().id()
        };
        assert_eq!(notice(1_100), "apr_1-requested");
        assert_eq!(notice(1_900), "apr_1-requested");
        assert_eq!(notice(2_100), "apr_1-expired");
    }
}
