//! Orders, reach and cycles of the dependency graph.

use std::collections::BTreeSet;

use ostler_core::{graph::Graph, id::ServiceKey};

use crate::common::{intent, key};

const SHOP: [(&str, &str); 5] = [
    (
        "frontend",
        "image: a\nneeds: [{service: cart}, {service: catalog}]",
    ),
    ("cart", "image: a\nneeds: [{service: store}]"),
    ("catalog", "image: a\nneeds: [{service: store}]"),
    ("store", "image: a"),
    ("mail", "image: a"),
];

fn names(keys: impl IntoIterator<Item = impl std::borrow::Borrow<ServiceKey>>) -> Vec<String> {
    keys.into_iter()
        .map(|key| key.borrow().name.to_string())
        .collect()
}

#[test]
fn needed_services_start_first_and_stop_last() {
    let intent = intent(&SHOP);
    let graph = Graph::of(&intent);
    assert_eq!(
        names(graph.start_order()),
        ["mail", "store", "cart", "catalog", "frontend"]
    );
    assert_eq!(
        names(graph.stop_order()),
        ["frontend", "catalog", "cart", "store", "mail"]
    );
    graph.acyclic().unwrap();
}

#[test]
fn reach_goes_through_others() {
    let intent = intent(&SHOP);
    let graph = Graph::of(&intent);
    let (store, frontend) = (key("store"), key("frontend"));
    assert_eq!(
        names(graph.dependents(&store)),
        ["cart", "catalog", "frontend"]
    );
    assert_eq!(names(graph.needed_by(&store)), ["cart", "catalog"]);
    assert_eq!(
        names(graph.dependencies(&frontend)),
        ["cart", "catalog", "store"]
    );
    assert_eq!(names(graph.needs_of(&frontend)), ["cart", "catalog"]);
    assert_eq!(graph.blast_radius([&store]).len(), 4);
    assert_eq!(graph.blast_radius([&key("mail"), &key("nobody")]).len(), 1);
}

#[test]
fn a_cycle_is_named_and_orders_still_hold_every_service_once() {
    let mut intent = intent(&SHOP);
    let cyclic = crate::common::spec("image: a\nneeds: [{service: frontend}]");
    intent.services.get_mut(&key("store")).unwrap().spec = cyclic.into();
    let graph = Graph::of(&intent);
    let cycle = graph.acyclic().unwrap_err();
    assert_eq!(
        cycle.to_string(),
        "default/cart → default/store → default/frontend → default/cart"
    );
    assert_eq!(
        graph
            .start_order()
            .into_iter()
            .collect::<BTreeSet<_>>()
            .len(),
        5
    );
    assert_eq!(
        graph.dependents(&key("store")).len(),
        3,
        "itself is not among them"
    );
}

#[test]
fn a_service_that_needs_itself_is_a_cycle() {
    let mut intent = intent(&[("a", "image: x")]);
    let own = crate::common::spec("image: a\nneeds: [{service: a}]");
    intent.services.get_mut(&key("a")).unwrap().spec = own.into();
    assert_eq!(
        Graph::of(&intent).acyclic().unwrap_err().to_string(),
        "default/a → default/a"
    );
}
