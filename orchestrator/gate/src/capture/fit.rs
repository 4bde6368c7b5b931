//! Makes a capture small enough to keep: what is farthest goes first. Pure.

use ostler_tools::answer::{Capture, CapturedService};
use serde::Serialize;

/// Most bytes of a capture as JSON.
pub(super) const LIMIT: usize = 512 << 10;

/// Leaves out logs, then signals, then services, the farthest first, until it fits; then of the
/// incident's own service the oldest lines and generations.
pub(super) fn fit(capture: &mut Capture) {
    let mut over = bytes(capture).saturating_sub(LIMIT);
    let own = usize::from(!capture.services.is_empty());
    for drop in [without_logs, without_signals] {
        for service in capture.services.iter_mut().skip(own).rev() {
            if over == 0 {
                return;
            }
            let (less, what) = drop(service);
            if less > 0 {
                over = over.saturating_sub(less);
                let words = format!("{what} of `{}`: no room", service.service);
                capture.left_out.push(words);
            }
        }
    }
    while over > 0 && capture.services.len() > own {
        if let Some(gone) = capture.services.pop() {
            over = over.saturating_sub(bytes(&gone));
            let words = format!("`{}`: no room", gone.service);
            capture.left_out.push(words);
        }
    }
    if over > 0 {
        shrink_own(capture);
    }
}

fn without_logs(service: &mut CapturedService) -> (usize, &'static str) {
    let mut less = 0;
    for one in &mut service.instances {
        less += bytes(&std::mem::take(&mut one.untrusted_lines)).saturating_sub(2);
    }
    (less, "logs")
}

fn without_signals(service: &mut CapturedService) -> (usize, &'static str) {
    let mut less = bytes(&std::mem::take(&mut service.signals)).saturating_sub(2);
    for one in &mut service.instances {
        less += bytes(&std::mem::take(&mut one.signals)).saturating_sub(2);
    }
    (less, "signals")
}

/// Halves what the incident's own service has most of, until it fits.
fn shrink_own(capture: &mut Capture) {
    capture
        .left_out
        .push("older lines, events, changes and generations: no room".to_owned());
    while bytes(capture) > LIMIT {
        let before = bytes(capture);
        halve_newest_last(&mut capture.events);
        capture.changes.truncate(capture.changes.len() / 2);
        for service in &mut capture.services {
            service.earlier.truncate(service.earlier.len().div_ceil(2));
            for one in &mut service.instances {
                halve_newest_last(&mut one.untrusted_lines);
            }
            if service.instances.len() > 20 {
                service.instances.truncate(service.instances.len() / 2);
            }
        }
        if bytes(capture) == before {
            return;
        }
    }
}

fn halve_newest_last<T>(items: &mut Vec<T>) {
    items.drain(..items.len().div_ceil(2));
}

fn bytes<T: Serialize>(value: &T) -> usize {
    serde_json::to_vec(value).map_or(0, |bytes| bytes.len())
}
