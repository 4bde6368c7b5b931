//! The healer's whole loop over real MCP: acts only after a yes, verifies, undoes, goes on after a kill.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

use std::{path::Path, time::Duration};

use ostler_agents_kit::agent::Clock;
use ostler_core::{id::ServiceKey, incident::IncidentState, proposal::ProposalState};
use ostler_evals::{bundle, replay::Replay, server::ReplayClock};

fn bundle(name: &str) -> bundle::Bundle {
    bundle::read(
        &Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("incidents")
            .join(name),
    )
    .unwrap()
}

fn cart() -> ServiceKey {
    "shop/cart".parse().unwrap()
}

fn count(replay: &Replay, tool: &str) -> usize {
    replay
        .world()
        .called
        .iter()
        .filter(|called| *called == tool)
        .count()
}

/// Lets virtual time pass until something holds, ten minutes at most.
async fn until(replay: &Replay, what: impl Fn(&Replay) -> bool) {
    for _ in 0..6_000 {
        if what(replay) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let seen = replay.seen();
    let said: Vec<_> = seen
        .incidents
        .iter()
        .flat_map(|incident| &incident.timeline)
        .map(|entry| &entry.what)
        .collect();
    panic!(
        "it never came; proposals: {:?}; said: {said:#?}",
        seen.proposals
            .iter()
            .map(|p| (p.state, p.done))
            .collect::<Vec<_>>()
    );
}

fn proposal_is(state: ProposalState) -> impl Fn(&Replay) -> bool {
    move |replay| {
        replay
            .seen()
            .proposals
            .iter()
            .any(|proposal| proposal.state == state)
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_done_before_the_yes_then_it_acts_verifies_and_resolves() {
    let (clock, mut replay) = (
        ReplayClock::start(),
        Replay::new(&bundle("bad-change-crash-loop")).unwrap(),
    );
    replay.start();
    until(&replay, proposal_is(ProposalState::Waiting)).await;
    assert!(
        clock.now().since(ostler_evals::world::START).0 <= 30_000,
        "a proposal within half a minute"
    );
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(count(&replay, "rollback_service"), 0);

    replay.world().approves = true;
    replay
        .world()
        .records
        .proposals
        .values_mut()
        .for_each(|proposal| proposal.state = ProposalState::Approved);
    until(&replay, proposal_is(ProposalState::Verifying)).await;
    assert_eq!(count(&replay, "rollback_service"), 1);
    replay.world().heal(&cart(), clock.now());
    until(&replay, proposal_is(ProposalState::Verified)).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    let seen = replay.seen();
    assert_eq!(seen.incidents.len(), 1);
    assert_eq!(seen.incidents[0].state, IncidentState::Resolved);
    assert_eq!(count(&replay, "rollback_service"), 1);
}

#[tokio::test(start_paused = true)]
async fn what_does_not_help_is_taken_back_and_a_person_called() {
    taken_back("bad-change-crash-loop").await;
}

/// What was changed is another than whom it was to help.
#[tokio::test(start_paused = true)]
async fn what_a_caller_was_sent_back_for_in_vain_is_taken_back_too() {
    taken_back("caller-sends-more").await;
}

async fn taken_back(name: &str) {
    let mut replay = Replay::new(&bundle(name)).unwrap();
    replay.world().approves = true;
    replay.start();
    until(&replay, proposal_is(ProposalState::Undone)).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(
        (
            count(&replay, "rollback_service"),
            count(&replay, "undo_change")
        ),
        (1, 1)
    );
    assert_eq!(replay.seen().incidents[0].state, IncidentState::NeedsPerson);
}

/// Kills the agent between its call and the word of it, and starts it again until it watches what came of that.
async fn killed_while_acting(name: &str) -> Replay {
    let mut replay = Replay::new(&bundle(name)).unwrap();
    replay.world().approves = true;
    replay.start();
    until(&replay, |replay| count(replay, "rollback_service") == 1).await;
    replay.kill();
    for proposal in replay.world().records.proposals.values_mut() {
        (proposal.state, proposal.done) = (ProposalState::Acting, 0);
    }
    replay.start();
    until(&replay, proposal_is(ProposalState::Verifying)).await;
    replay
}

#[tokio::test(start_paused = true)]
async fn killed_between_acting_and_writing_it_down_it_does_not_act_twice() {
    let clock = ReplayClock::start();
    let replay = killed_while_acting("bad-change-crash-loop").await;
    replay.world().heal(&cart(), clock.now());
    until(&replay, proposal_is(ProposalState::Verified)).await;
    assert_eq!(count(&replay, "rollback_service"), 1);
    assert_eq!(replay.seen().incidents.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn killed_it_does_not_send_a_caller_back_twice() {
    let replay = killed_while_acting("caller-sends-more").await;
    assert_eq!(count(&replay, "rollback_service"), 1);
    assert_eq!(replay.seen().incidents.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_plan_for_a_caller_waits_for_its_yes_as_long_as_the_trouble_lasts() {
    let mut replay = Replay::new(&bundle("caller-sends-more")).unwrap();
    replay.start();
    until(&replay, proposal_is(ProposalState::Waiting)).await;
    for restarts in 0..2 {
        tokio::time::sleep(Duration::from_secs(120)).await;
        let seen = replay.seen();
        let stands = (seen.incidents.len(), seen.proposals[0].state);
        assert_eq!(stands, (1, ProposalState::Waiting), "after {restarts}");
        replay.kill();
        replay.start();
    }
}

#[tokio::test(start_paused = true)]
async fn killed_while_waiting_it_goes_on_with_the_same_incident() {
    let mut replay = Replay::new(&bundle("bad-change-crash-loop")).unwrap();
    replay.start();
    until(&replay, proposal_is(ProposalState::Waiting)).await;
    replay.kill();
    replay.start();
    tokio::time::sleep(Duration::from_secs(60)).await;
    let seen = replay.seen();
    assert_eq!((seen.incidents.len(), seen.proposals.len()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn what_heals_by_itself_is_withdrawn() {
    let (clock, mut replay) = (
        ReplayClock::start(),
        Replay::new(&bundle("bad-change-crash-loop")).unwrap(),
    );
    replay.start();
    until(&replay, proposal_is(ProposalState::Waiting)).await;
    replay.world().heal(&cart(), clock.now());
    until(&replay, proposal_is(ProposalState::Expired)).await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(replay.seen().incidents[0].state, IncidentState::Closed);
    assert_eq!(count(&replay, "rollback_service"), 0);
}

#[tokio::test(start_paused = true)]
async fn a_no_is_a_no() {
    let mut replay = Replay::new(&bundle("bad-change-crash-loop")).unwrap();
    replay.start();
    until(&replay, proposal_is(ProposalState::Waiting)).await;
    replay
        .world()
        .records
        .proposals
        .values_mut()
        .for_each(|proposal| proposal.state = ProposalState::Rejected);
    tokio::time::sleep(Duration::from_secs(120)).await;
    assert_eq!(replay.seen().incidents[0].state, IncidentState::NeedsPerson);
    assert_eq!(
        (
            replay.seen().proposals.len(),
            count(&replay, "rollback_service")
        ),
        (1, 0)
    );
}

fn state_of(replay: &Replay) -> IncidentState {
    replay.seen().incidents.first().unwrap().state
}

/// A person says no to what is proposed and wants another plan, again and again; what was proposed, in order.
async fn asked_for_others(name: &str) -> (Vec<String>, IncidentState) {
    let mut replay = Replay::new(&bundle(name)).unwrap();
    replay.start();
    until(&replay, proposal_is(ProposalState::Waiting)).await;
    for _ in 0..600 {
        for proposal in replay.world().records.proposals.values_mut() {
            if proposal.state == ProposalState::Waiting {
                proposal.state = ProposalState::Rejected;
                proposal.another = Some("that is too dear".to_owned());
            }
        }
        if state_of(&replay) == IncidentState::NeedsPerson {
            break;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let seen = replay.seen();
    let calls = (seen.proposals.iter()).map(|proposal| format!("{:?}", proposal.body.calls));
    (calls.collect(), state_of(&replay))
}

#[tokio::test(start_paused = true)]
async fn another_plan_is_another_and_there_may_be_none() {
    let (calls, state) = asked_for_others("bad-change-crash-loop").await;
    assert_eq!(
        (calls.len(), state),
        (1, IncidentState::NeedsPerson),
        "{calls:#?}"
    );
}
