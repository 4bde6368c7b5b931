//! Places a graph in layers: whoever needs stands left of what it needs. Pure, the same picture for the
//! same graph, linear in its size but for sorting: it is drawn anew whenever a page is shown.
//!
//! After Sugiyama, Tagawa, Toda, "Methods for Visual Understanding of Hierarchical System Structures"
//! (1981): layers by longest path, order in a layer by the mean place of the neighbours.

use std::collections::{BTreeMap, VecDeque};

/// How often the order in the layers is improved.
const SWEEPS: usize = 4;

/// A place: the layer from the left, the row from the top.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// From 0.
    pub layer: usize,
    /// From 0.
    pub row: usize,
}

/// Places nodes 0 to `count`, exclusive; an edge goes from who needs to what it needs. Edges of circles
/// are drawn, but do not decide on layers.
#[must_use]
pub fn place(count: usize, edges: &[(usize, usize)]) -> Vec<Place> {
    let edges: Vec<_> = edges
        .iter()
        .copied()
        .filter(|(from, to)| from != to && *from < count && *to < count)
        .collect();
    let layer = layers(count, &edges);
    let mut rows: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (node, layer) in layer.iter().enumerate() {
        rows.entry(*layer).or_default().push(node);
    }
    let neighbours = neighbours(count, &edges);
    let mut at: Vec<f64> = vec![0.0; count];
    settle(&rows, &mut at);
    for sweep in 0..SWEEPS {
        let forwards: Vec<usize> = rows.keys().copied().collect();
        let order: Box<dyn Iterator<Item = usize>> = if sweep % 2 == 0 {
            Box::new(forwards.into_iter())
        } else {
            Box::new(forwards.into_iter().rev())
        };
        for layer in order {
            let Some(row) = rows.get_mut(&layer) else {
                continue;
            };
            let mean = |node: &usize| mean_of(*node, &neighbours, &at);
            row.sort_by(|one, other| mean(one).total_cmp(&mean(other)).then(one.cmp(other)));
            settle_row(row, &mut at);
        }
    }
    let mut places = vec![Place { layer: 0, row: 0 }; count];
    for (layer, row) in rows {
        for (index, node) in row.into_iter().enumerate() {
            if let Some(place) = places.get_mut(node) {
                *place = Place { layer, row: index };
            }
        }
    }
    places
}

fn settle(rows: &BTreeMap<usize, Vec<usize>>, at: &mut [f64]) {
    for row in rows.values() {
        settle_row(row, at);
    }
}

/// Where each of a row stands, around the middle.
#[expect(clippy::cast_precision_loss, reason = "rows are few")]
fn settle_row(row: &[usize], at: &mut [f64]) {
    let middle = row.len() as f64 / 2.0;
    for (index, node) in row.iter().enumerate() {
        if let Some(place) = at.get_mut(*node) {
            *place = index as f64 - middle;
        }
    }
}

fn neighbours(count: usize, edges: &[(usize, usize)]) -> Vec<Vec<usize>> {
    let mut found = vec![Vec::new(); count];
    for (from, to) in edges {
        for (one, other) in [(from, to), (to, from)] {
            if let Some(list) = found.get_mut(*one) {
                list.push(*other);
            }
        }
    }
    found
}

#[expect(clippy::cast_precision_loss, reason = "neighbours are few")]
fn mean_of(node: usize, neighbours: &[Vec<usize>], at: &[f64]) -> f64 {
    let own = at.get(node).copied().unwrap_or_default();
    let list = neighbours.get(node).map(Vec::as_slice).unwrap_or_default();
    if list.is_empty() {
        return own;
    }
    let sum: f64 = list.iter().filter_map(|node| at.get(*node)).sum();
    sum / list.len() as f64
}

/// The longest path to each node from a node that nobody needs.
fn layers(count: usize, edges: &[(usize, usize)]) -> Vec<usize> {
    let mut needs = vec![Vec::new(); count];
    let mut waiting = vec![0_usize; count];
    for (from, to) in edges {
        if let (Some(list), Some(number)) = (needs.get_mut(*from), waiting.get_mut(*to)) {
            list.push(*to);
            *number += 1;
        }
    }
    let mut layer = vec![0; count];
    let free = |node: &usize| waiting.get(*node) == Some(&0);
    let mut ready: VecDeque<usize> = (0..count).filter(free).collect();
    while let Some(node) = ready.pop_front() {
        let next = layer.get(node).copied().unwrap_or(0) + 1;
        for to in needs.get(node).into_iter().flatten() {
            if let (Some(layer), Some(number)) = (layer.get_mut(*to), waiting.get_mut(*to)) {
                *layer = next.max(*layer);
                *number -= 1;
                if *number == 0 {
                    ready.push_back(*to);
                }
            }
        }
    }
    layer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_needs_stands_left_and_lines_do_not_cross_for_nothing() {
        // web → cart → db, web → auth; shop → auth.
        let places = place(5, &[(0, 1), (1, 2), (0, 3), (4, 3)]);
        for (from, to) in [(0, 1), (1, 2), (0, 3), (4, 3)] {
            assert!(places[from].layer < places[to].layer, "{places:?}");
        }
        let crossed = place(4, &[(0, 3), (1, 2)]);
        let order = |one: usize, other: usize| crossed[one].row.cmp(&crossed[other].row);
        assert_eq!(order(0, 1), order(3, 2), "{crossed:?}");
    }

    #[test]
    fn circles_and_strangers_do_no_harm() {
        let places = place(3, &[(0, 1), (1, 0), (2, 2), (7, 1)]);
        assert_eq!(places.len(), 3);
        let mut seen: Vec<_> = places
            .iter()
            .map(|place| (place.layer, place.row))
            .collect();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 3, "no two at one place");
    }
}
