//! Who needs whom, coloured by health.

use std::collections::{BTreeMap, BTreeSet};

use axum::response::Html;
use maud::{Markup, html};
use ostler_core::{id::ServiceKey, plan::ServiceState};
use ostler_tools::{
    answer::{Graph, GraphNode},
    words::{short, word},
};
use serde_json::json;

use crate::{
    problem::Problem,
    ui::{
        bits::{self, nothing, tone_of},
        layers,
    },
    visit::Visit,
};

/// Most services in one picture.
const MOST: usize = 150;
const WIDE: usize = 168;
const HIGH: usize = 34;
const GAP_X: usize = 64;
const GAP_Y: usize = 14;
const EDGE: usize = 8;
/// Most letters of a name in its box.
const LETTERS: usize = 20;

pub(crate) async fn show(visit: Visit) -> Result<Html<String>, Problem> {
    let whole: Graph = visit.ask("get_graph", json!({})).await?;
    let frame = visit.frame("Graph", "/graph");
    let many = whole.services.len() > MOST;
    let shown = if many {
        around_trouble(&whole)
    } else {
        whole.clone()
    };
    let body = html! {
        h1 { "Who needs whom" }
        @if whole.services.is_empty() { (nothing("There is no service yet.")) }
        @else if many {
            p.quiet { "Of " (whole.services.len()) " services, the picture shows those that are not well and what is next to them." }
        }
        @if !shown.services.is_empty() { (picture(&shown, None)) (legend()) }
        @else if many { (nothing("Every service is well.")) }
        (table(&shown))
    };
    Ok(Html(frame.page(&body).into_string()))
}

/// Services that are not well, and what is next to them.
fn around_trouble(graph: &Graph) -> Graph {
    let well =
        |node: &GraphNode| matches!(node.state, Some(ServiceState::Healthy | ServiceState::Idle));
    let sick: BTreeSet<&ServiceKey> = graph
        .services
        .iter()
        .filter(|node| !well(node))
        .map(|node| &node.service)
        .take(MOST / 3)
        .collect();
    let near = graph
        .needs
        .iter()
        .filter(|edge| sick.contains(&edge.service) || sick.contains(&edge.needs));
    let mut kept: BTreeSet<&ServiceKey> = sick.clone();
    kept.extend(near.flat_map(|edge| [&edge.service, &edge.needs]));
    let kept: BTreeSet<&ServiceKey> = kept.into_iter().take(MOST).collect();
    Graph {
        services: graph
            .services
            .iter()
            .filter(|node| kept.contains(&node.service))
            .cloned()
            .collect(),
        needs: graph
            .needs
            .iter()
            .filter(|edge| kept.contains(&edge.service) && kept.contains(&edge.needs))
            .cloned()
            .collect(),
    }
}

/// The picture, with one service marked where it is about one.
pub(super) fn picture(graph: &Graph, marked: Option<&ServiceKey>) -> Markup {
    let index: BTreeMap<&ServiceKey, usize> = graph
        .services
        .iter()
        .enumerate()
        .map(|(index, node)| (&node.service, index))
        .collect();
    let edges: Vec<(usize, usize)> = graph
        .needs
        .iter()
        .filter_map(|edge| Some((*index.get(&edge.service)?, *index.get(&edge.needs)?)))
        .collect();
    let places = layers::place(graph.services.len(), &edges);
    let corner = |node: usize| {
        places.get(node).map_or((0, 0), |place| {
            (
                EDGE + place.layer * (WIDE + GAP_X),
                EDGE + place.row * (HIGH + GAP_Y),
            )
        })
    };
    let layers = places
        .iter()
        .map(|place| place.layer + 1)
        .max()
        .unwrap_or(1);
    let rows = places.iter().map(|place| place.row + 1).max().unwrap_or(1);
    let (width, height) = (
        2 * EDGE + layers * (WIDE + GAP_X) - GAP_X,
        2 * EDGE + rows * (HIGH + GAP_Y) - GAP_Y,
    );
    html! {
        div.graph tabindex="0" role="region" aria-label="Graph of services" {
            svg width=(width) height=(height) viewBox={ "0 0 " (width) " " (height) } {
                @for (from, to) in &edges {
                    @let ((x1, y1), (x2, y2)) = (corner(*from), corner(*to));
                    @let (x1, y1, y2) = (x1 + WIDE, y1 + HIGH / 2, y2 + HIGH / 2);
                    @let bend = GAP_X / 2;
                    path.edge d={ "M" (x1) " " (y1) "C" (x1 + bend) " " (y1) " " (x2.saturating_sub(bend)) " " (y2) " " (x2) " " (y2) } {}
                }
                @for (number, node) in graph.services.iter().enumerate() { (one(node, corner(number), marked == Some(&node.service))) }
            }
        }
    }
}

fn one(node: &GraphNode, (x, y): (usize, usize), marked: bool) -> Markup {
    let name = short(&node.service);
    let cut: String = name.chars().take(LETTERS).collect();
    let cut = if cut.len() < name.len() {
        format!("{cut}…")
    } else {
        cut
    };
    let state = node
        .state
        .map_or_else(|| "not known".to_owned(), |state| word(&state));
    html! {
        a href=(bits::service_path(&node.service)) class={ "node " (tone_of(node.state).class()) @if marked { " marked" } } {
            title { (name) ": " (state) ", felt by " (node.blast_radius) }
            rect x=(x) y=(y) width=(WIDE) height=(HIGH) rx="5" {}
            rect.stripe x=(x) y=(y) width="5" height=(HIGH) rx="2" {}
            text x=(x + 14) y=(y + 15) { (cut) }
            text.small x=(x + 14) y=(y + 28) { (state) }
        }
    }
}

fn legend() -> Markup {
    html! { p.quiet { "A line goes from who needs, on the left, to what it needs. Each box says its state." } }
}

/// The same in words, for whom a picture says nothing.
fn table(graph: &Graph) -> Markup {
    html! {
        @if !graph.services.is_empty() {
            details {
                summary { "The same as a table" }
                div.scroll tabindex="0" role="region" aria-label="Services and needs" {
                    table {
                        thead { tr { th scope="col" { "Service" } th scope="col" { "State" } th scope="col" { "Needs" } th.number scope="col" { "Felt by" } } }
                        tbody {
                            @for node in &graph.services {
                                tr {
                                    td { (bits::service(&node.service)) }
                                    td { (bits::state(node.state)) }
                                    td { @for edge in graph.needs.iter().filter(|edge| edge.service == node.service) { (bits::service(&edge.needs)) " " } }
                                    td.number { (node.blast_radius) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}
