//! A request for a yes, wherever it is shown: what exactly it covers, why policy asks, the answer.

use maud::{Markup, html};
use ostler_tools::{
    principal::Role,
    record::{Approval, ApprovalCall, ApprovalState},
    words::untrusted,
};

use crate::ui::{
    bits::{Tone, badge, time},
    diff,
    frame::Frame,
};

/// Where it is decided on.
pub(super) fn purpose(approval: &Approval) -> String {
    match &approval.proposal {
        Some(proposal) => format!("/proposals/{proposal}"),
        None => format!("/approvals/{}", approval.id),
    }
}

/// Whose yes it needs, in words.
pub(super) fn needs(approval: &Approval) -> String {
    let roles: Vec<&str> = approval.needs.iter().map(|role| role.as_str()).collect();
    match (approval.any, roles.as_slice()) {
        (_, []) => "needs nobody's yes".to_owned(),
        (_, [one]) => format!("needs the yes of an {one}"),
        (true, many) => format!("needs the yes of an {}", many.join(" or ")),
        (false, many) => format!(
            "needs the yes of an {}, from different people",
            many.join(" and an ")
        ),
    }
}

/// The exact calls, field by field.
pub(super) fn calls(calls: &[ApprovalCall]) -> Markup {
    html! {
        ol.calls {
            @for call in calls {
                li {
                    p { code { (call.tool) } " " (call.summary) @if call.used { " " (badge(Tone::Good, "done")) } }
                    @for service in &call.diff { p.quiet { (service.service) } (diff::lines(&service.lines)) }
                    @if !call.beside.is_empty() { (diff::lines(&call.beside)) }
                    @if call.omitted > 0 { p.quiet { "and " (call.omitted) " more lines" } }
                    details {
                        summary { "Arguments and digest" }
                        pre { (untrusted(&serde_json::to_string_pretty(&call.arguments).unwrap_or_default())) }
                        p.quiet { "SHA-256 " code { (call.digest) } }
                    }
                }
            }
        }
    }
}

/// Why policy asks, who must say yes, who said what.
pub(super) fn asks(frame: &Frame, approval: &Approval) -> Markup {
    html! {
        ul.because { @for because in &approval.because { li { (because) } } }
        p { (capital(&needs(approval))) "." }
        @for yes in &approval.yes { p { (badge(Tone::Good, "yes")) " " (yes.by) " as " (yes.role.as_str()) } }
        @if let (Some(by), Some(at)) = (&approval.decided_by, approval.decided_at) {
            p {
                (crate::ui::bits::standing(&approval.state)) " by " (by) " " (time(at, frame.now))
                @if let Some(reason) = &approval.reason { ": " q { (untrusted(reason)) } }
            }
        }
        @if approval.state == ApprovalState::Waiting {
            p.quiet { "It expires " (time(approval.expires_at, frame.now)) "; after a yes the calls may be made for " (approval.valid_for) "." }
        }
    }
}

/// The form for a yes or a no, for whom policy and the request would let answer.
pub(super) fn answer(frame: &Frame, approval: &Approval, action: &str) -> Markup {
    if approval.state != ApprovalState::Waiting {
        return html! {};
    }
    if let Some(words) = cannot(frame, approval) {
        return html! { p.quiet.cannot { (words) } };
    }
    html! {
        form.answer method="post" action=(action) {
            (frame.token())
            input type="hidden" name="back" value=(frame.path);
            label for="reason" { "Reason " span.quiet { "(needed for a no; on record either way)" } }
            textarea #reason name="reason" rows="2" maxlength="500" {}
            div.buttons {
                @if frame.may.tool("approve") { button.yes type="submit" name="answer" value="yes" { "Approve" } }
                @if frame.may.tool("reject") { button.no type="submit" name="answer" value="no" { "Reject" } }
                @if frame.may.tool("reject") && approval.proposal.is_some() {
                    button.plain type="submit" name="answer" value="another" { "Ask for another plan" }
                }
            }
        }
    }
}

/// Why this person cannot answer, where that is known beforehand.
fn cannot(frame: &Frame, approval: &Approval) -> Option<&'static str> {
    if !frame.may.tool("approve") && !frame.may.tool("reject") {
        return Some("Your role looks and does not answer requests.");
    }
    if approval.requested_by == frame.you {
        return Some("You asked for this yourself: somebody else must answer.");
    }
    if approval.yes.iter().any(|yes| yes.by == frame.you) {
        return Some("You said yes already: the other yes is another person's.");
    }
    let mine = |role: &Role| frame.may.roles.contains(role);
    (!approval.needs.iter().any(mine)).then_some("Somebody with another role must answer.")
}

fn capital(words: &str) -> String {
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(letters).collect()
    })
}
