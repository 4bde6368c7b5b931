//! `drain_node`: drain a node.

use ostler_core::change::Change;

use crate::{
    answer::Changed,
    contract::{Class, Decided, Describe, Refusal},
    view::View,
};

use super::lookup::{self, OneNode};

/// See the module.
pub struct DrainNode;

impl Describe for DrainNode {
    type Args = OneNode;
    type Answer = Changed;
    const NAME: &'static str = "drain_node";
    const TITLE: &'static str = "Drain a node";
    const DESCRIPTION: &'static str = "Empties a node: its instances are replaced elsewhere in the order of needs, then stopped. \
        Where there is no other node, services on it go down.";
    const CLASS: Class = Class::Change;
    const DESTRUCTIVE: bool = true;

    fn decide(view: &View<'_>, args: Self::Args) -> Result<Decided, Refusal> {
        lookup::node(view, &args.node)?;
        Ok(Decided::Change(Change::DrainNode { node: args.node }))
    }
}
