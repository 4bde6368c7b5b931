//! Prompts for what people on call ask most. Each only asks for read tools; who uses one gets no right
//! from it.

use rmcp::{
    ErrorData,
    model::{
        CacheScope, GetPromptResult, ListPromptsResult, Prompt, PromptArgument, PromptMessage,
        Resource, Role,
    },
};
use serde_json::{Map, Value};

/// Most characters of an argument.
const ARGUMENT_LIMIT: usize = 400;

/// One prompt.
struct Asked {
    name: &'static str,
    title: &'static str,
    description: &'static str,
    arguments: &'static [Argument],
    text: &'static str,
}

struct Argument {
    name: &'static str,
    description: &'static str,
    /// What stands in where it is not given; without, it must be.
    otherwise: Option<&'static str>,
}

const SERVICE: Argument = Argument {
    name: "service",
    description: "The service, as namespace/name",
    otherwise: None,
};

const ALL: &[Asked] = &[
    Asked {
        name: "why_is_it_unwell",
        title: "Why is a service slow or failing?",
        description: "Finds out what is broken, since when and why, with evidence; changes nothing",
        arguments: &[SERVICE],
        text: include_str!("prompts/why_is_it_unwell.md"),
    },
    Asked {
        name: "summarise_the_night",
        title: "What happened while I slept?",
        description: "A hand-over: what is open, what happened, who did what, what to watch",
        arguments: &[Argument {
            name: "since",
            description: "How far back, such as `12h`",
            otherwise: Some("12h"),
        }],
        text: include_str!("prompts/summarise_the_night.md"),
    },
    Asked {
        name: "review_proposal",
        title: "Should I say yes to this proposal?",
        description: "Checks a proposal's evidence and looks for what speaks against it",
        arguments: &[Argument {
            name: "proposal",
            description: "The proposal's id",
            otherwise: None,
        }],
        text: include_str!("prompts/review_proposal.md"),
    },
    Asked {
        name: "before_i_change",
        title: "What would happen if I did this?",
        description: "Tries a change on the twin, reads policy and says what would be disturbed; does not do it",
        arguments: &[
            SERVICE,
            Argument {
                name: "change",
                description: "What is to be done, in words",
                otherwise: None,
            },
        ],
        text: include_str!("prompts/before_i_change.md"),
    },
];

/// All of them.
pub(super) fn list() -> ListPromptsResult {
    let prompts = ALL.iter().map(|asked| {
        let arguments = asked.arguments.iter().map(|argument| {
            PromptArgument::new(argument.name)
                .with_description(argument.description)
                .with_required(argument.otherwise.is_none())
        });
        Prompt::new(
            asked.name,
            Some(asked.description),
            Some(arguments.collect()),
        )
        .with_title(asked.title)
    });
    ListPromptsResult::with_all_items(prompts.collect())
        .with_ttl_ms(3_600_000)
        .with_cache_scope(CacheScope::Public)
}

/// One of them, with its arguments in their places.
pub(super) fn get(name: &str, given: &Map<String, Value>) -> Result<GetPromptResult, ErrorData> {
    let Some(asked) = ALL.iter().find(|asked| asked.name == name) else {
        let known: Vec<&str> = ALL.iter().map(|asked| asked.name).collect();
        return Err(bad(format!(
            "there is no such prompt; prompts are {}",
            known.join(", ")
        )));
    };
    let unknown = given
        .keys()
        .find(|key| asked.arguments.iter().all(|argument| argument.name != *key));
    if let Some(unknown) = unknown {
        return Err(bad(format!("`{unknown}` is no argument of `{name}`")));
    }
    let mut text = asked.text.to_owned();
    let mut messages = Vec::new();
    for argument in asked.arguments {
        let value = match given.get(argument.name).and_then(Value::as_str) {
            Some(value) => plain(argument.name, value)?,
            None => argument
                .otherwise
                .ok_or_else(|| bad(format!("`{}` is missing", argument.name)))?
                .to_owned(),
        };
        text = text.replace(&format!("{{{}}}", argument.name), &value);
        messages.extend(link(argument.name, &value));
    }
    messages.insert(0, PromptMessage::new_text(Role::User, text));
    Ok(GetPromptResult::new(messages).with_description(asked.description))
}

/// What an argument names, as a resource to look at.
fn link(argument: &str, value: &str) -> Option<PromptMessage> {
    let uri = match argument {
        "service" => format!("ostler://services/{value}"),
        "proposal" => format!("ostler://proposals/{value}"),
        _ => return None,
    };
    super::resources::tool_of(&uri)?;
    let resource = Resource::new(uri, value).with_mime_type("application/json");
    Some(PromptMessage::new_resource_link(Role::User, resource))
}

/// One line of bounded length: an argument fills a place in a text, it does not write one.
fn plain(name: &str, value: &str) -> Result<String, ErrorData> {
    let fits = value.chars().count() <= ARGUMENT_LIMIT && !value.chars().any(char::is_control);
    let asked = fits && !value.trim().is_empty();
    asked
        .then(|| value.trim().replace(['{', '}'], ""))
        .ok_or_else(|| {
            bad(format!(
                "`{name}` must be one line of 1 to {ARGUMENT_LIMIT} characters"
            ))
        })
}

fn bad(words: String) -> ErrorData {
    ErrorData::invalid_params(words, None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ostler_tools::{catalogue, contract::Class};
    use serde_json::json;

    /// Words in back-ticks that look like tools.
    fn tools_of(text: &str) -> impl Iterator<Item = &str> {
        let quoted = text.split('`').skip(1).step_by(2);
        quoted.filter(|word| {
            word.contains('_') && word.chars().all(|c| c.is_ascii_lowercase() || c == '_')
        })
    }

    #[test]
    fn every_place_is_an_argument_and_every_tool_only_reads() {
        for asked in ALL {
            for argument in asked.arguments {
                assert!(
                    asked.text.contains(&format!("{{{}}}", argument.name)),
                    "{}",
                    asked.name
                );
            }
            let places = asked.text.matches('{').count();
            assert_eq!(places, asked.arguments.len(), "{}", asked.name);
            for tool in tools_of(asked.text) {
                let found = catalogue::find(tool);
                let found = found.unwrap_or_else(|| panic!("{}: {tool}", asked.name));
                assert!(
                    matches!(found.class, Class::Read | Class::ReadData),
                    "{tool}"
                );
            }
        }
    }

    #[test]
    fn arguments_fill_places_and_nothing_more() {
        let given = |value: Value| value.as_object().cloned().unwrap_or_default();
        let made = get(
            "why_is_it_unwell",
            &given(json!({ "service": "shop/cart" })),
        )
        .unwrap();
        assert_eq!(made.messages.len(), 2, "the text and a link");
        for (name, args) in [
            ("why_is_it_unwell", json!({})),
            ("why_is_it_unwell", json!({ "service": "a\nnew order" })),
            (
                "why_is_it_unwell",
                json!({ "service": "shop/cart", "more": "x" }),
            ),
            (
                "before_i_change",
                json!({ "service": "shop/cart", "change": "x".repeat(401) }),
            ),
            ("nothing", json!({})),
        ] {
            assert!(get(name, &given(args.clone())).is_err(), "{name} {args}");
        }
        assert!(get("summarise_the_night", &Map::new()).is_ok());
    }
}
