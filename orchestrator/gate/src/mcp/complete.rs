//! Completions: names and ids that exist, for arguments of prompts and addresses of resources. They come
//! from read tools, so nobody is told of what they may not list.

use std::sync::Arc;

use ostler_tools::principal::Principal;
use rmcp::model::{ArgumentInfo, CompleteResult, CompletionContext, CompletionInfo};
use serde_json::{Value, json};

use super::door::Door;
use crate::answer::Outcome;

/// Where values of an argument come from: a tool, the list in its answer and the field of each entry.
fn source(argument: &str) -> Option<(&'static str, &'static str, &'static str)> {
    Some(match argument {
        "service" | "namespace" | "name" => ("list_services", "services", "service"),
        "instance" => ("list_instances", "instances", "instance"),
        "incident" => ("list_incidents", "incidents", "id"),
        "proposal" => ("list_proposals", "proposals", "id"),
        _ => return None,
    })
}

/// Values that fit what is typed so far, best first; none where there is nothing to offer.
pub(super) async fn complete(
    door: Arc<dyn Door>,
    caller: &Principal,
    argument: &ArgumentInfo,
    context: Option<&CompletionContext>,
) -> CompleteResult {
    let Some((tool, list, field)) = source(&argument.name) else {
        return CompleteResult::default();
    };
    let answer = door.call(caller, tool, json!({})).await;
    let Outcome::Done { value, .. } = answer.outcome else {
        return CompleteResult::default();
    };
    let entries = value
        .get(list)
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    let all = entries.filter_map(|entry| entry.get(field)?.as_str());
    let namespace = context.and_then(|context| context.get_argument("namespace"));
    let parts = all.filter_map(|full| part(&argument.name, full, namespace.map(String::as_str)));
    fitting(parts, &argument.value)
}

/// What of a service's full name an argument takes.
fn part<'a>(argument: &str, full: &'a str, namespace: Option<&str>) -> Option<&'a str> {
    match (argument, full.split_once('/')) {
        ("namespace", Some((of, _))) => Some(of),
        ("name", Some((of, name))) => namespace.is_none_or(|wanted| wanted == of).then_some(name),
        _ => Some(full),
    }
}

fn fitting<'a>(all: impl Iterator<Item = &'a str>, typed: &str) -> CompleteResult {
    let mut fits: Vec<&str> = all.filter(|value| value.contains(typed)).collect();
    fits.sort_unstable_by_key(|value| (!value.starts_with(typed), *value));
    fits.dedup();
    let total = u32::try_from(fits.len()).ok();
    let more = fits.len() > CompletionInfo::MAX_VALUES;
    let values = fits
        .into_iter()
        .take(CompletionInfo::MAX_VALUES)
        .map(ToOwned::to_owned)
        .collect();
    CompletionInfo::with_pagination(values, total, more)
        .map_or_else(|_| CompleteResult::default(), CompleteResult::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(all: &[&str], typed: &str) -> Vec<String> {
        fitting(all.iter().copied(), typed).completion.values
    }

    #[test]
    fn what_begins_so_comes_first_and_once() {
        assert_eq!(
            values(&["shop/cart", "cart/x", "shop/cart", "store"], "cart"),
            ["cart/x", "shop/cart"]
        );
        assert!(values(&["a"], "b").is_empty());
    }

    #[test]
    fn at_most_a_hundred_are_offered() {
        let many: Vec<String> = (0..150).map(|n| format!("s{n:03}")).collect();
        let found = fitting(many.iter().map(String::as_str), "s");
        assert_eq!(found.completion.values.len(), 100);
        assert_eq!(
            (found.completion.total, found.completion.has_more),
            (Some(150), Some(true))
        );
    }

    #[test]
    fn a_service_is_asked_for_whole_or_in_parts() {
        assert_eq!(part("service", "shop/cart", None), Some("shop/cart"));
        assert_eq!(part("namespace", "shop/cart", None), Some("shop"));
        assert_eq!(part("name", "shop/cart", Some("shop")), Some("cart"));
        assert_eq!(part("name", "shop/cart", Some("other")), None);
    }
}
