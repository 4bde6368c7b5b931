//! What there is to read, as MCP resources: each is one read tool under an address, so reading one is
//! judged and recorded like any call.

use std::sync::Arc;

use ostler_tools::principal::Principal;
use rmcp::{
    ErrorData,
    model::{
        CacheScope, JsonObject, ListResourceTemplatesResult, ListResourcesResult, MetaObject,
        ReadResourceResult, Resource, ResourceContents, ResourceTemplate,
    },
};
use serde_json::{Value, json};

use super::{convert::CALL_KEY, door::Door};
use crate::{answer::Outcome, stamp::Watched};

const SCHEME: &str = "ostler://";
/// What the addresses of services begin with.
const SERVICES: &str = "ostler://services/";
const JSON: &str = "application/json";
/// Most services that are listed one by one; the template reaches the others.
const LISTED: usize = 500;

/// One kind of resource.
struct Kind {
    /// Its address below the scheme, with one `{…}` for each part that is to be given.
    path: &'static str,
    name: &'static str,
    title: &'static str,
    description: &'static str,
    /// The tool that reads it.
    tool: &'static str,
    /// What it is asked, of what was given, joined by `/`.
    asks: fn(&str) -> Value,
    /// What moves when it does.
    moves: fn(&str) -> Option<Watched>,
    /// What of the tool's answer it is.
    shows: fn(Value) -> Value,
}

fn fleet(_: &str) -> Option<Watched> {
    Some(Watched::Fleet)
}

fn papers(_: &str) -> Option<Watched> {
    Some(Watched::Papers)
}

fn service(given: &str) -> Option<Watched> {
    given.parse().ok().map(Watched::Service)
}

fn changes(_: &str) -> Option<Watched> {
    Some(Watched::Changes)
}

const fn whole(answer: Value) -> Value {
    answer
}

/// Of a page of the log, its head alone.
fn head(page: Value) -> Value {
    json!({ "checkpoint": page.get("checkpoint"), "public_key": page.get("public_key") })
}

const KINDS: &[Kind] = &[
    Kind {
        path: "status",
        name: "status",
        title: "The daemon and the fleet at a glance",
        description: "Counts of services, instances, incidents and approvals, and what is wrong with the daemon.",
        tool: "get_status",
        asks: |_| json!({}),
        moves: fleet,
        shows: whole,
    },
    Kind {
        path: "services",
        name: "services",
        title: "All services",
        description: "Every service with its state, instances and findings.",
        tool: "list_services",
        asks: |_| json!({}),
        moves: fleet,
        shows: whole,
    },
    Kind {
        path: "services/{namespace}/{name}",
        name: "service",
        title: "One service",
        description: "Its manifest, state, instances, needs and generations.",
        tool: "get_service",
        asks: |given| json!({ "service": given }),
        moves: service,
        shows: whole,
    },
    Kind {
        path: "graph",
        name: "graph",
        title: "Who needs whom",
        description: "The graph of services and their needs, with how each stands.",
        tool: "get_graph",
        asks: |_| json!({}),
        moves: fleet,
        shows: whole,
    },
    Kind {
        path: "instances/{instance}",
        name: "instance",
        title: "One instance",
        description: "A running container: its health, exits, address and node.",
        tool: "get_instance",
        asks: |given| json!({ "instance": given }),
        moves: fleet,
        shows: whole,
    },
    Kind {
        path: "incidents",
        name: "incidents",
        title: "Incidents",
        description: "The newest incidents with state and cause.",
        tool: "list_incidents",
        asks: |_| json!({}),
        moves: papers,
        shows: whole,
    },
    Kind {
        path: "incidents/{incident}",
        name: "incident",
        title: "One incident",
        description: "Its timeline, evidence, proposals and outcome.",
        tool: "get_incident",
        asks: |given| json!({ "incident": given }),
        moves: papers,
        shows: whole,
    },
    Kind {
        path: "proposals/{proposal}",
        name: "proposal",
        title: "One proposal",
        description: "Its calls, why, evidence, forecast, and who must say yes.",
        tool: "get_proposal",
        asks: |given| json!({ "proposal": given }),
        moves: papers,
        shows: whole,
    },
    Kind {
        path: "approvals",
        name: "approvals",
        title: "Approvals",
        description: "What waits for a person's yes, and what became of earlier requests.",
        tool: "list_approvals",
        asks: |_| json!({}),
        moves: papers,
        shows: whole,
    },
    Kind {
        path: "audit/checkpoint",
        name: "audit checkpoint",
        title: "The audit log's signed head",
        description: "A C2SP checkpoint as a signed note with the key that opens it; keep it elsewhere to find a log \
            that was put back or forked.",
        tool: "export_audit",
        asks: |_| json!({ "limit": 1 }),
        moves: changes,
        shows: head,
    },
];

impl Kind {
    /// Whether something is to be given for it to be one.
    fn is_template(&self) -> bool {
        self.path.contains('{')
    }
}

/// An address that is one of a kind.
struct Found {
    kind: &'static Kind,
    given: String,
}

/// What a concrete address means; nothing where it is none of ours.
fn find(uri: &str) -> Option<Found> {
    let path: Vec<&str> = uri.strip_prefix(SCHEME)?.split('/').collect();
    let fits = |kind: &&Kind| {
        let wanted: Vec<&str> = kind.path.split('/').collect();
        let pairs = wanted.iter().zip(&path);
        wanted.len() == path.len()
            && pairs
                .into_iter()
                .all(|(want, part)| is_part(want) && !part.is_empty() || want == part)
    };
    let kind = KINDS.iter().find(fits)?;
    let parts = kind.path.split('/').zip(&path);
    let given: Vec<&str> = parts
        .filter(|(want, _)| is_part(want))
        .map(|(_, part)| *part)
        .collect();
    Some(Found {
        kind,
        given: given.join("/"),
    })
}

fn is_part(segment: &str) -> bool {
    segment.starts_with('{')
}

/// What moves when a resource does; nothing where the address is none of ours.
pub(super) fn watched(uri: &str) -> Option<Watched> {
    let found = find(uri)?;
    (found.kind.moves)(&found.given)
}

/// The tool that reads an address.
pub(super) fn tool_of(uri: &str) -> Option<&'static str> {
    find(uri).map(|found| found.kind.tool)
}

fn may(door: &dyn Door, caller: &Principal) -> impl Fn(&&Kind) -> bool + use<> {
    let tools: Vec<&str> = door
        .tools_for(caller)
        .into_iter()
        .map(|tool| tool.name)
        .collect();
    move |kind| tools.contains(&kind.tool)
}

/// The resources that a caller may read: fixed ones, and each service.
pub(super) async fn list(door: Arc<dyn Door>, caller: &Principal) -> ListResourcesResult {
    let may = may(&*door, caller);
    let fixed = KINDS.iter().filter(|kind| !kind.is_template()).filter(&may);
    let mut all: Vec<Resource> = fixed.map(resource).collect();
    if KINDS
        .iter()
        .filter(|kind| kind.name == "services")
        .any(|kind| may(&kind))
    {
        let answer = door.call(caller, "list_services", json!({})).await;
        all.extend(
            services(&answer.outcome)
                .take(LISTED)
                .map(|name| Resource::new(format!("{SERVICES}{name}"), name).with_mime_type(JSON)),
        );
    }
    ListResourcesResult::with_all_items(all)
        .with_ttl_ms(0)
        .with_cache_scope(CacheScope::Private)
}

fn services(outcome: &Outcome) -> impl Iterator<Item = String> + '_ {
    let listed = match outcome {
        Outcome::Done { value, .. } => value.get("services").and_then(Value::as_array),
        _ => None,
    };
    let names = listed
        .into_iter()
        .flatten()
        .filter_map(|service| service.get("service")?.as_str());
    names.map(ToOwned::to_owned)
}

fn resource(kind: &Kind) -> Resource {
    Resource::new(format!("{SCHEME}{}", kind.path), kind.name)
        .with_title(kind.title)
        .with_description(kind.description)
        .with_mime_type(JSON)
}

/// The kinds of resources that a caller may read by address.
pub(super) fn templates(door: &dyn Door, caller: &Principal) -> ListResourceTemplatesResult {
    let kinds = KINDS
        .iter()
        .filter(|kind| kind.is_template())
        .filter(may(door, caller));
    let templates = kinds.map(|kind| {
        ResourceTemplate::new(format!("{SCHEME}{}", kind.path), kind.name)
            .with_title(kind.title)
            .with_description(kind.description)
            .with_mime_type(JSON)
    });
    ListResourceTemplatesResult::with_all_items(templates.collect())
        .with_ttl_ms(60_000)
        .with_cache_scope(CacheScope::Private)
}

/// Reads one; the caller's rights and the record are those of the tool behind it.
pub(super) async fn read(
    door: Arc<dyn Door>,
    caller: &Principal,
    uri: &str,
) -> Result<ReadResourceResult, ErrorData> {
    let Some(found) = find(uri) else {
        let known: Vec<String> = KINDS
            .iter()
            .map(|kind| format!("{SCHEME}{}", kind.path))
            .collect();
        let words = format!(
            "there is no resource of that address; addresses are {}",
            known.join(", ")
        );
        return Err(ErrorData::resource_not_found(
            words,
            Some(json!({ "uri": uri })),
        ));
    };
    let args = (found.kind.asks)(&found.given);
    let answer = door.call(caller, found.kind.tool, args).await;
    let value = match answer.outcome {
        Outcome::Done { value, .. } => value,
        Outcome::Refused { words } => {
            return Err(ErrorData::resource_not_found(
                words,
                Some(json!({ "uri": uri })),
            ));
        }
        Outcome::Denied { words, .. } | Outcome::Held { words, .. } => {
            return Err(ErrorData::invalid_request(
                format!("denied by policy: {words}"),
                None,
            ));
        }
        Outcome::Failed { words } => return Err(ErrorData::internal_error(words, None)),
    };
    let value = (found.kind.shows)(value);
    let recorded = JsonObject::from_iter([(CALL_KEY.to_owned(), answer.call.as_str().into())]);
    let contents = ResourceContents::text(value.to_string(), uri)
        .with_mime_type(JSON)
        .with_meta(MetaObject(recorded));
    Ok(ReadResourceResult::new(vec![contents])
        .with_ttl_ms(0)
        .with_cache_scope(CacheScope::Private))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ostler_tools::{catalogue, contract::Class};

    #[test]
    fn every_resource_is_a_read_tool() {
        for kind in KINDS {
            let tool = catalogue::find(kind.tool).unwrap();
            assert!(
                matches!(tool.class, Class::Read | Class::ReadData),
                "{}",
                kind.path
            );
        }
    }

    #[test]
    fn addresses_are_told_apart() {
        let found = |uri| find(uri).map(|found| (found.kind.name, found.given));
        assert_eq!(
            found("ostler://services"),
            Some(("services", String::new()))
        );
        assert_eq!(
            found("ostler://services/shop/cart"),
            Some(("service", "shop/cart".to_owned()))
        );
        assert_eq!(
            found("ostler://audit/checkpoint"),
            Some(("audit checkpoint", String::new()))
        );
        for none in [
            "ostler://services/shop",
            "ostler://services//cart",
            "ostler://",
            "file:///etc/passwd",
            "ostler://secrets",
            "",
        ] {
            assert_eq!(found(none), None, "{none}");
        }
        assert_eq!(watched("ostler://services/shop/Not A Name"), None);
    }
}
