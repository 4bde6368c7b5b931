//! `uncordon_node`: uncordon a node.

use ostler_core::change::Change;

use crate::{
    answer::Changed,
    contract::{Class, Decided, Describe, Refusal},
    view::View,
};

use super::lookup::{self, OneNode};

/// See the module.
pub struct UncordonNode;

impl Describe for UncordonNode {
    type Args = OneNode;
    type Answer = Changed;
    const NAME: &'static str = "uncordon_node";
    const TITLE: &'static str = "Uncordon a node";
    const DESCRIPTION: &'static str = "Places instances on a node again; also ends a drain.";
    const CLASS: Class = Class::Change;

    fn decide(view: &View<'_>, args: Self::Args) -> Result<Decided, Refusal> {
        lookup::node(view, &args.node)?;
        Ok(Decided::Change(Change::UncordonNode { node: args.node }))
    }
}
