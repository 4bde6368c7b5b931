//! What follows from what: queues at processors, disks and pools, waits and failures towards callers,
//! lost and repeated calls towards callees, and neighbours on a machine. Nothing here knows what kind
//! of fault there is.

use super::fault::{Effect, NONE};
use super::plan::{Call, Plan, Service};

/// Both ways through a healthy network.
const WIRE_S: f64 = 0.0004;
/// A lost packet is sent again after this (RFC 6298 has one second, Linux at least 0.2).
const SENT_AGAIN_S: f64 = 0.2;
/// Packets on a request's way that may be lost.
const PACKETS: f64 = 4.0;
/// Calls feed back on the load of those who are called, so a moment is solved by going around.
const ROUNDS: usize = 4;
/// Queues are not longer than this share of use makes them; what comes beyond is turned away.
const FULL: f64 = 0.95;

/// One service at one moment.
#[derive(Debug, Clone, Copy, Default)]
pub struct State {
    /// Requests a second that are sent to it.
    pub rate: f64,
    /// Those that reach a process.
    pub reached: f64,
    /// Seconds that a request takes inside.
    pub time_s: f64,
    /// The same as its callers see it, up to their patience.
    pub seen_s: f64,
    /// Share of requests that fail.
    pub failed: f64,
    pub seen_failed: f64,
    pub cores: f64,
    pub under_way: f64,
    pub disk: f64,
    pub wire: f64,
    pub down: f64,
}

/// What a machine is busy with, as a share of what it can.
#[derive(Debug, Clone, Copy, Default)]
struct Busy {
    cores: f64,
    disk: f64,
}

/// The next moment after `last`.
pub fn step(plan: &Plan, asked: f64, effects: &[Effect], last: &[State]) -> Vec<State> {
    let mut states = last.to_vec();
    for _ in 0..ROUNDS {
        hand_down(plan, asked, effects, &mut states);
        let busy = machines(plan, effects, &states);
        for place in (0..plan.services.len()).rev() {
            states[place] = answer(
                plan,
                place,
                effects,
                &states,
                busy[plan.services[place].node],
            );
        }
        look_from_above(plan, effects, &mut states);
    }
    states
}

/// Nobody sets a time-out below so many times of what is usual.
const PATIENT: f64 = 6.0;
/// A load is borne where at most so many times as much time is taken, and almost nothing fails.
const BORNE_TIMES: f64 = 1.3;
const BORNE_FAILED: f64 = 0.001;

/// What a load comes to when nothing else happens.
fn calm(plan: &Plan, asked: f64) -> Vec<State> {
    let effects = vec![NONE; plan.services.len()];
    let nothing = vec![State::default(); plan.services.len()];
    (0..3).fold(nothing, |states, _| step(plan, asked, &effects, &states))
}

/// Sets pools and time-outs as people do: some times what is usual when all is well.
pub fn settle(plan: &mut Plan, times: &[f64]) {
    let states = calm(plan, 1.0);
    for ((service, state), times) in plan.services.iter_mut().zip(&states).zip(times) {
        service.usual_at_once = (state.rate * state.time_s).max(0.01);
        service.pool = (service.usual_at_once * times).max(16.0);
        for call in &mut service.calls {
            call.timeout_s = call.timeout_s.max(PATIENT * states[call.to].time_s);
        }
    }
}

/// Whether so much more than usual does nobody harm.
pub fn borne(plan: &Plan, asked: f64) -> bool {
    let (usual, then) = (calm(plan, 1.0), calm(plan, asked));
    usual.iter().zip(&then).all(|(usual, then)| {
        then.time_s <= BORNE_TIMES * usual.time_s && then.failed <= BORNE_FAILED
    })
}

/// A call: how likely a try fails, and how long it takes.
fn one_try(call: &Call, from: usize, effects: &[Effect], states: &[State]) -> (f64, f64) {
    let (near, far) = (effects[from], effects[call.to]);
    let loss = 1.0 - (1.0 - near.loss) * (1.0 - far.loss);
    let again = PACKETS * SENT_AGAIN_S * loss / (1.0 - loss).max(0.05);
    let whole = states[call.to].time_s + WIRE_S + near.delay_s + far.delay_s + again;
    // Times of requests have about the shape of a gamma distribution of order two.
    let patience = 2.0 * call.timeout_s / whole;
    let impatient = (1.0 + patience) * (-patience).exp();
    let failed = 1.0 - (1.0 - states[call.to].failed) * (1.0 - impatient);
    (failed.clamp(0.0, 1.0), whole.min(call.timeout_s))
}

/// Failed by this call in the end, tries made, and time taken, where the caller makes it once.
fn tried(call: &Call, broken: bool, from: usize, effects: &[Effect], states: &[State]) -> [f64; 3] {
    if broken {
        return [1.0, 0.0, 0.002];
    }
    let (failed, time) = one_try(call, from, effects, states);
    let tries: f64 = (0..=call.retries).map(|again| failed.powi(again)).sum();
    [failed.powi(call.retries + 1), tries, time * tries]
}

fn hand_down(plan: &Plan, asked: f64, effects: &[Effect], states: &mut [State]) {
    states.iter_mut().for_each(|state| state.rate = 0.0);
    for (gateway, usual) in plan.asked.iter().enumerate() {
        states[gateway].rate = usual * asked;
    }
    for (place, service) in plan.services.iter().enumerate() {
        let alive = 1.0 - states[place].down * f64::from(u8::from(service.replicas <= 1.0));
        let mut goes_on = states[place].rate * alive * (1.0 - effects[place].errors);
        for (at, call) in service.calls.iter().enumerate() {
            let broken = effects[place].broken_call == Some(at);
            let [failed, tries, _] = tried(call, broken, place, effects, states);
            states[call.to].rate += goes_on * call.times * tries;
            if call.needed && !call.posted {
                goes_on *= (1.0 - failed).powf(call.times.min(1.0));
            }
        }
    }
}

fn machines(plan: &Plan, effects: &[Effect], states: &[State]) -> Vec<Busy> {
    let mut busy = vec![Busy::default(); plan.nodes.len()];
    for (place, service) in plan.services.iter().enumerate() {
        let (effect, rate) = (&effects[place], states[place].rate);
        let wanted = rate * service.demand_s * effect.demand_times + effect.hog_cores;
        let node = &plan.nodes[service.node];
        busy[service.node].cores += wanted.min(service.cores) / node.cores;
        busy[service.node].disk +=
            (rate * service.disk_bytes + effect.disk_bytes) / node.disk_bytes;
    }
    busy
}

/// What a service does with what it is asked.
fn answer(plan: &Plan, place: usize, effects: &[Effect], states: &[State], busy: Busy) -> State {
    let service = &plan.services[place];
    let (effect, mut state) = (&effects[place], states[place]);
    let up = 1.0 - effect.down;
    state.down = effect.down;
    let given = service.cores / busy.cores.max(1.0) * up.max(0.01);
    let wanted = state.rate * service.demand_s * effect.demand_times;
    // Whoever else computes in the same containers gets what is left, and half of it for sure.
    let own = (given - effect.hog_cores).max(given / 2.0);
    let use_share = wanted / own;
    let turned_away = (1.0 - FULL / use_share).max(0.0);
    let cpu_s = service.demand_s * effect.demand_times * queue(own, use_share.min(FULL));
    let disk_s = service.wait_s * effect.wait_times * disk_queue(service, busy.disk);
    let (called_s, called_failed) = called(service, place, effects, states);
    state.time_s = cpu_s + disk_s + called_s;
    let pool = (service.pool * up.max(0.01)).min(service.usual_at_once * effect.room);
    let held = if effect.room.is_finite() {
        service.pool - pool
    } else {
        0.0
    };
    let wanted_at_once = state.rate * state.time_s;
    let crowd = wanted_at_once / pool;
    let refused = (1.0 - 1.0 / crowd.max(1e-9)).max(0.0);
    // Who waits for a place in the pool waits longer the fuller it is.
    state.time_s *= 1.0 + crowd.min(1.0).powi(4);
    let fine = (1.0 - effect.errors) * (1.0 - called_failed) * (1.0 - turned_away);
    // Replicas that are down are found out after a moment: the others get most of the requests.
    let lost = if service.replicas > 1.0 && effect.down < 1.0 {
        effect.down * 0.3
    } else {
        effect.down
    };
    state.failed = 1.0 - fine * (1.0 - refused) * (1.0 - lost);
    state.time_s *= 1.0 - 0.9 * lost;
    state.reached = state.rate * (1.0 - lost);
    state.under_way = (state.rate * state.time_s).min(pool) + held;
    state.cores = (wanted.min(given * 0.98) + effect.hog_cores).min(given) * up;
    state.disk =
        (state.rate * (1.0 - lost) * service.disk_bytes + effect.disk_bytes) / busy.disk.max(1.0);
    state.wire = state.rate * (1.0 - 0.7 * state.failed) * service.wire_bytes * (1.0 + effect.loss);
    state
}

/// How many times longer it takes for waiting one's turn, after Sakasegawa (1977).
fn queue(cores: f64, use_share: f64) -> f64 {
    let cores = cores.max(0.5);
    let waits = use_share.powf((2.0 * (cores + 1.0)).sqrt() - 1.0) / (cores * (1.0 - use_share));
    1.0 + waits
}

fn disk_queue(service: &Service, busy: f64) -> f64 {
    // Who hardly touches the disk hardly waits for it.
    let touches = (service.disk_bytes / 2000.0).min(1.0);
    1.0 + touches * 2.0 * busy.min(FULL) / (1.0 - busy.min(FULL))
}

/// Time that a service waits for those it calls, and the share that they make it fail.
fn called(service: &Service, place: usize, effects: &[Effect], states: &[State]) -> (f64, f64) {
    let (mut time, mut fine) = (0.0, 1.0);
    for (at, call) in service.calls.iter().enumerate() {
        let broken = effects[place].broken_call == Some(at);
        let [failed, _, took] = tried(call, broken, place, effects, states);
        if call.posted {
            continue;
        }
        time += fine * took * call.times;
        if call.needed {
            fine *= (1.0 - failed).powf(call.times.min(1.0));
        }
    }
    (time, 1.0 - fine)
}

fn look_from_above(plan: &Plan, effects: &[Effect], states: &mut [State]) {
    let mut sums = vec![[0.0; 3]; states.len()];
    for (place, service) in plan.services.iter().enumerate() {
        for call in &service.calls {
            let (failed, time) = one_try(call, place, effects, states);
            let weight = states[place].rate * call.times + 1e-9;
            let sum = &mut sums[call.to];
            *sum = [
                sum[0] + weight,
                sum[1] + weight * time,
                sum[2] + weight * failed,
            ];
        }
    }
    for (state, [weight, time, failed]) in states.iter_mut().zip(sums) {
        let seen = weight > 0.0;
        state.seen_s = if seen { time / weight } else { state.time_s };
        state.seen_failed = if seen { failed / weight } else { state.failed };
    }
}
