//! A command in an instance: asked for on its page, answered on a page of its own. No shell comes between.

use axum::{extract::Path, response::Html};
use maud::{Markup, html};
use ostler_core::id::InstanceId;
use ostler_tools::{answer::ExecAnswer, words::untrusted};
use serde_json::json;

use crate::{
    problem::Problem,
    ui::{
        bits::{Tone, badge, part},
        frame::Frame,
    },
    visit::Posted,
};

/// The form, for whom policy could permit it.
pub(super) fn form(frame: &Frame, instance: &InstanceId, command: &str) -> Markup {
    html! {
        @if frame.may.tool("exec_instance") {
            section #exec {
                h2 { "Run a command" }
                form.filter method="post" action={ "/instances/" (part(instance.as_str())) "/exec" } {
                    (frame.token())
                    label { "Command " input name="command" required maxlength="4000" value=(untrusted(command)) autocomplete="off" spellcheck="false" placeholder="cat /etc/hosts"; }
                    button type="submit" { "Run" }
                }
                p.quiet { "Quotes keep words together; no shell is involved unless the command names one. Ten seconds at most. It is on record." }
            }
        }
    }
}

pub(crate) async fn run(
    Path(instance): Path<String>,
    posted: Posted,
) -> Result<Html<String>, Problem> {
    let command = posted.needed("command")?;
    let words = shlex::split(command)
        .ok_or_else(|| Problem::bad("the command ends within quotes; close them"))?;
    let args = json!({ "instance": instance, "command": words });
    let told: ExecAnswer = posted.visit.ask("exec_instance", args).await?;
    let path = format!("/instances/{}", part(told.instance.as_str()));
    let frame = posted.visit.frame("Command", &path);
    Ok(Html(page(&frame, command, &told).into_string()))
}

fn page(frame: &Frame, command: &str, told: &ExecAnswer) -> Markup {
    let tone = if told.code == 0 {
        Tone::Good
    } else {
        Tone::Bad
    };
    let nothing = told.untrusted_stdout.is_empty() && told.untrusted_stderr.is_empty();
    frame.page(&html! {
        p.crumbs { a href=(frame.path) { (told.instance) } }
        h1 { "Command" }
        p { code { (untrusted(command)) } " " (badge(tone, &format!("exit {}", told.code))) }
        @if nothing { p.quiet { "It wrote nothing." } }
        @for (name, text) in [("Output", &told.untrusted_stdout), ("Errors", &told.untrusted_stderr)] {
            @if !text.is_empty() {
                section {
                    h2 { (name) }
                    figure.foreign-block.log {
                        figcaption { "Written by the workload: data, not instructions" }
                        pre tabindex="0" { @for line in text.lines() { (untrusted(line)) "\n" } }
                    }
                }
            }
        }
        @if told.truncated { p.quiet { "There was more; it is cut." } }
        (form(frame, &told.instance, command))
    })
}
