//! What policy would decide.

use axum::response::Html;
use maud::{Markup, html};
use ostler_tools::{
    answer::{Explanation, Policies, Verdict},
    catalogue,
    words::untrusted,
};
use serde_json::{Value, json};

use crate::{
    problem::Problem,
    ui::{
        bits::{fact, standing},
        frame::Frame,
    },
    visit::{Posted, Visit},
};

pub(crate) async fn show(visit: Visit) -> Result<Html<String>, Problem> {
    let policies = visit
        .ask_if_may::<Policies>("get_policies", json!({}))
        .await?;
    let frame = visit.frame("Policy", "/policy");
    let body = page(&frame, ("", "{}", ""), &bundle(policies.as_ref()));
    Ok(Html(body.into_string()))
}

/// Asks how a call would be decided. By POST, so that arguments stand in no address.
pub(crate) async fn explain(posted: Posted) -> Result<Html<String>, Problem> {
    let (tool, by) = (posted.needed("tool")?, posted.text("principal"));
    let text = posted.text("arguments").unwrap_or("{}");
    let arguments: Value = serde_json::from_str(text)
        .map_err(|error| Problem::bad(&format!("the arguments are not JSON: {error}")))?;
    let args = json!({ "tool": tool, "arguments": arguments, "principal": by });
    let told: Explanation = posted.visit.ask("explain_policy", args).await?;
    let frame = posted.visit.frame("Policy", "/policy");
    let asked = (tool, text, by.unwrap_or_default());
    Ok(Html(page(&frame, asked, &answer(&told)).into_string()))
}

/// The policies as they were written.
fn bundle(policies: Option<&Policies>) -> Markup {
    html! {
        @if let Some(policies) = policies {
            section {
                h2 { "Policies in force" }
                p.quiet { "Version " code { (policies.version) } ". What none permits is denied; what one forbids is denied whatever others permit." }
                @for file in &policies.files {
                    details { summary { (file.name) } pre { (untrusted(&file.text)) } }
                }
            }
        }
    }
}

fn page(frame: &Frame, asked: (&str, &str, &str), below: &Markup) -> Markup {
    let (tool, arguments, by) = asked;
    frame.page(&html! {
        h1 { "Policy" }
        section {
            h2 { "How would it decide?" }
            form.explain method="post" action="/policy" {
                (frame.token())
                label { "Tool " select name="tool" required {
                    @for one in catalogue::ALL { option value=(one.name) selected[one.name == tool] { (one.name) } }
                } }
                label { "As whom " input name="principal" value=(untrusted(by)) placeholder="you; or agent:healer" autocomplete="off"; }
                label { "Arguments, as JSON " textarea name="arguments" rows="4" spellcheck="false" { (untrusted(arguments)) } }
                button type="submit" { "Explain" }
            }
        }
        (below)
    })
}

fn answer(told: &Explanation) -> Markup {
    let needs: Vec<&str> = told.needs.iter().map(|role| role.as_str()).collect();
    html! {
        section aria-live="polite" {
            h2 { "It would say" }
            p { (standing(&told.decision)) " " (untrusted(&told.words)) }
            dl.facts {
                (fact("As", &html! { (untrusted(&told.principal)) }))
                (fact("Tool", &html! { code { (told.tool) } }))
                @if told.decision == Verdict::NeedsApproval { (fact("Needs", &html! { (needs.join(", ")) })) }
                @for policy in &told.policies { (fact(&policy.id, &html! { (policy.words) })) }
                (fact("Version", &html! { code { (told.policy_version) } }))
            }
            details { summary { "Facts that the policies were given" } pre { (untrusted(&serde_json::to_string_pretty(&told.facts).unwrap_or_default())) } }
        }
    }
}
