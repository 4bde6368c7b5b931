//! What a scheduler says of the nodes when none takes an instance.
//!
//! `0/4 nodes are available: 1 node(s) were unschedulable, 3 Insufficient cpu. preemption: …` (message
//! of the Kubernetes scheduler's `FailedScheduling`): each node is counted once, under the first filter
//! that it fails, in the order cordon, taint, selector and affinity, resources.

/// A filter that some nodes failed, and how many did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused {
    /// How many nodes.
    pub nodes: usize,
    /// By what: `cordon`, `taint`, `labels` (selector or affinity), `ready`, `steers`, `cpu`, `memory`
    /// or `other`.
    pub by: &'static str,
}

/// Words that stand for a filter.
const WORDS: [(&str, &str); 9] = [
    ("untolerated taint {node-role.kubernetes.io/", "steers"),
    ("were unschedulable", "cordon"),
    (
        "untolerated taint {node.kubernetes.io/unschedulable",
        "cordon",
    ),
    ("untolerated taint {node.kubernetes.io/", "ready"),
    ("untolerated taint", "taint"),
    ("node affinity", "labels"),
    ("node selector", "labels"),
    ("Insufficient cpu", "cpu"),
    ("Insufficient memory", "memory"),
];

/// How many nodes there are, and what each filter refused; nothing where the words say something else.
pub fn read(words: &str) -> Option<(usize, Vec<Refused>)> {
    let (all, rest) = words
        .strip_prefix("0/")?
        .split_once(" nodes are available: ")?;
    let reasons = rest.split(" preemption:").next()?.trim_end_matches('.');
    let refused = reasons.split(", ").filter_map(|reason| {
        let (nodes, said) = reason.trim().split_once(' ')?;
        let by = WORDS.iter().find(|(word, _)| said.contains(word));
        Some(Refused {
            nodes: nodes.parse().ok()?,
            by: by.map_or("other", |(_, by)| by),
        })
    });
    Some((all.parse().ok()?, refused.collect()))
}

/// The filter that stopped an instance, of which so many nodes never take work: the one that the nodes
/// which came furthest failed last. Nothing where only those nodes refused,
/// or something else did too. `possible` says which filters what was seen of the nodes leaves.
pub fn stopped_by(
    words: &str,
    idle: usize,
    possible: impl Fn(&str) -> bool,
) -> Option<&'static str> {
    let (_, mut refused) = read(words)?;
    // Nodes that steer the fleet are closed, by a taint of their own or by a cordon.
    let closed = ["steers", "cordon"];
    let closed = closed
        .iter()
        .find_map(|by| refused.iter().position(|one| one.by == *by));
    if let Some(one) = closed.and_then(|place| refused.get_mut(place)) {
        one.nodes = one.nodes.saturating_sub(idle);
    }
    let left = refused.into_iter();
    let left: Vec<Refused> = left
        .filter(|one| one.nodes > 0 && possible(one.by))
        .collect();
    if left.iter().any(|one| one.by == "other") {
        return None;
    }
    let order = ["cpu", "memory", "cordon", "taint", "ready", "labels"];
    order
        .into_iter()
        .find(|by| left.iter().any(|one| one.by == *by))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_filter_that_stopped_an_instance_is_read() {
        let said = |reasons: &str| {
            format!(
                "0/4 nodes are available: {reasons}. preemption: 0/4 nodes are available: 4 Preemption is not helpful for scheduling."
            )
        };
        let cases = [
            ("4 node(s) were unschedulable", Some("cordon")),
            (
                "1 node(s) were unschedulable, 3 Insufficient cpu",
                Some("cpu"),
            ),
            (
                "1 node(s) were unschedulable, 3 node(s) didn't match Pod's node affinity/selector",
                Some("labels"),
            ),
            (
                "2 node(s) didn't match Pod's node affinity/selector, 2 node(s) were unschedulable",
                Some("cordon"),
            ),
            (
                "1 node(s) were unschedulable, 3 node(s) had untolerated taint {critical: true}",
                Some("taint"),
            ),
            (
                "1 node(s) had untolerated taint {node-role.kubernetes.io/control-plane: }, 3 Insufficient memory",
                Some("memory"),
            ),
            (
                "1 node(s) were unschedulable, 3 node(s) didn't match pod anti-affinity rules",
                None,
            ),
        ];
        for (reasons, by) in cases {
            assert_eq!(stopped_by(&said(reasons), 1, |_| true), by, "{reasons}");
        }
        assert_eq!(
            stopped_by(
                "pod has unbound immediate PersistentVolumeClaims",
                1,
                |_| true
            ),
            None
        );
    }
}
