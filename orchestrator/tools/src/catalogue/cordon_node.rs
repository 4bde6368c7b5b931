//! `cordon_node`: cordon a node.

use ostler_core::change::Change;

use crate::{
    answer::Changed,
    contract::{Class, Decided, Describe, Refusal},
    view::View,
};

use super::lookup::{self, OneNode};

/// See the module.
pub struct CordonNode;

impl Describe for CordonNode {
    type Args = OneNode;
    type Answer = Changed;
    const NAME: &'static str = "cordon_node";
    const TITLE: &'static str = "Cordon a node";
    const DESCRIPTION: &'static str = "Stops placing new instances on a node; those on it stay.";
    const CLASS: Class = Class::Change;

    fn decide(view: &View<'_>, args: Self::Args) -> Result<Decided, Refusal> {
        lookup::node(view, &args.node)?;
        Ok(Decided::Change(Change::CordonNode { node: args.node }))
    }
}
