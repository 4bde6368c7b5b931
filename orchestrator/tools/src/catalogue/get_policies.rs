//! `get_policies`: the policies in force, as they were written.

use crate::{
    answer::Policies,
    contract::{About, Class, Decided, Describe, Refusal},
    query::Query,
    view::View,
};

use super::lookup::Nothing;

/// See the module.
pub struct GetPolicies;

impl Describe for GetPolicies {
    type Args = Nothing;
    type Answer = Policies;
    const NAME: &'static str = "get_policies";
    const TITLE: &'static str = "The policies in force";
    const DESCRIPTION: &'static str = "Gives the policies in force as they were written, file by file, in Cedar's language, and their \
        version. `explain_policy` tells what they decide.";
    const CLASS: Class = Class::Read;

    fn decide(_view: &View<'_>, _args: Self::Args) -> Result<Decided, Refusal> {
        Ok(Decided::Query {
            query: Query::Policies,
            about: About::fleet(),
        })
    }
}
