//! What is posted: what whoever may say yes needs to know whether to look, and where. No arguments, no
//! differences, nobody's reasons: those are in the console, for who is signed in.

use chrono::{DateTime, SecondsFormat};
use ostler_broker::Redactor;
use ostler_core::time::Time;
use reqwest::Url;
use serde_json::{Value, json};

use super::{
    notice::{News, Notice},
    settings::Format,
};

/// Most calls that are shown.
const CALLS: usize = 10;
/// Most characters of a text.
const TEXT: usize = 300;

/// The body in a webhook's format.
pub fn body(notice: &Notice, format: Format, console: Option<&Url>, redactor: &Redactor) -> Value {
    let shown = Shown::of(notice, console, redactor);
    match format {
        Format::Json => shown.json(notice),
        Format::Slack => shown.slack(notice),
    }
}

/// A notice's texts, without secrets, each on one line and short.
struct Shown {
    by: String,
    decided_by: Option<String>,
    calls: Vec<(String, String)>,
    more: usize,
    because: Vec<String>,
    needs: Vec<&'static str>,
    url: Option<String>,
}

impl Shown {
    fn of(notice: &Notice, console: Option<&Url>, redactor: &Redactor) -> Self {
        let approval = &notice.approval;
        let text = |text: &str| line(&redactor.text(text));
        let calls = approval.calls.iter().take(CALLS);
        Self {
            by: text(&approval.requested_by),
            decided_by: approval.decided_by.as_deref().map(text),
            calls: calls
                .map(|call| (call.tool.clone(), text(&call.summary)))
                .collect(),
            more: approval.calls.len().saturating_sub(CALLS),
            because: approval
                .because
                .iter()
                .take(CALLS)
                .map(|words| text(words))
                .collect(),
            needs: approval.needs.iter().map(|role| role.as_str()).collect(),
            url: console.and_then(|console| page(notice, console)),
        }
    }

    fn json(&self, notice: &Notice) -> Value {
        let approval = &notice.approval;
        let calls: Vec<Value> = self
            .calls
            .iter()
            .map(|(tool, summary)| json!({ "tool": tool, "summary": summary }))
            .collect();
        json!({
            "type": format!("approval.{}", notice.news.word()),
            "timestamp": moment(notice.at),
            "data": {
                "approval": approval.id,
                "proposal": approval.proposal,
                "requested_by": self.by,
                "requested_at": moment(approval.requested_at),
                "expires_at": moment(approval.expires_at),
                "needs": self.needs,
                "any": approval.any,
                "because": self.because,
                "calls": calls,
                "more_calls": self.more,
                "decided_by": self.decided_by,
                "url": self.url,
            },
        })
    }

    fn slack(&self, notice: &Notice) -> Value {
        let by = mrkdwn(&self.by);
        let who = self.decided_by.as_deref().map(mrkdwn);
        let headline = match (notice.news, who) {
            (News::Requested, _) => {
                let needs = self
                    .needs
                    .join(if notice.approval.any { " or " } else { " and " });
                format!("{by} waits for a yes of {needs}")
            }
            (News::Approved, Some(who)) => format!("{who} said yes to {by}"),
            (News::Approved, None) => format!("{by} got a yes"),
            (News::Rejected, Some(who)) => format!("{who} said no to {by}"),
            (News::Rejected, None) => format!("{by} got a no"),
            (News::Expired, _) => format!("what {by} asked for ended without an answer"),
        };
        let mut lines = vec![format!("*{headline}*")];
        lines.extend(
            self.calls
                .iter()
                .map(|(_, summary)| format!("• {}", mrkdwn(summary))),
        );
        if self.more > 0 {
            lines.push(format!("• and {} more", self.more));
        }
        let mut blocks = vec![section(&lines.join("\n"))];
        if notice.news == News::Requested {
            let because: Vec<String> = self.because.iter().map(|words| mrkdwn(words)).collect();
            let until = moment(notice.approval.expires_at);
            blocks.push(context(&format!("{} · until {until}", because.join("; "))));
        }
        let id = mrkdwn(notice.approval.id.as_str());
        blocks.push(context(&match &self.url {
            Some(url) => format!("<{}|{id} in the console>", mrkdwn(url)),
            None => id,
        }));
        json!({ "text": headline, "blocks": blocks, "unfurl_links": false, "unfurl_media": false })
    }
}

/// `verbatim`: names and addresses in the text do not become mentions and links.
fn section(text: &str) -> Value {
    let text = json!({ "type": "mrkdwn", "text": cut(text, 2_900), "verbatim": true });
    json!({ "type": "section", "text": text })
}

fn context(text: &str) -> Value {
    let text = json!({ "type": "mrkdwn", "text": cut(text, 2_900), "verbatim": true });
    json!({ "type": "context", "elements": [text] })
}

/// Text in which nothing is a mention, a link or an entity for Slack.
/// <https://docs.slack.dev/messaging/formatting-message-text>
fn mrkdwn(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// One line, of so many characters.
fn line(text: &str) -> String {
    let plain: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    cut(&plain, TEXT)
}

fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let kept: String = text.chars().take(most.saturating_sub(1)).collect();
    format!("{kept}…")
}

/// The console's page: looking there needs a session, and answering a form of that page.
fn page(notice: &Notice, console: &Url) -> Option<String> {
    let approval = &notice.approval;
    let path = match &approval.proposal {
        Some(proposal) => format!("proposals/{proposal}"),
        None => format!("approvals/{}", approval.id),
    };
    console.join(&path).ok().map(String::from)
}

/// As RFC 3339 has it.
fn moment(time: Time) -> String {
    let millis = i64::try_from(time.0).unwrap_or(i64::MAX);
    let at = DateTime::from_timestamp_millis(millis);
    at.map_or_else(String::new, |at| {
        at.to_rfc3339_opts(SecondsFormat::Millis, true)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::notice::tests::request;

    fn notice(summary: &str) -> Notice {
        let mut approval = request("apr_1");
        approval.calls[0].summary = summary.to_owned();
        approval.calls[0].arguments = json!({ "replicas": "private" });
        approval.reason = Some("private".to_owned());
        Notice {
            news: News::Requested,
            at: Time(1_000),
            approval,
        }
    }

    fn posted(summary: &str, format: Format) -> String {
        let console = Url::parse("https://ostler.example/ops/").unwrap();
        let redactor = Redactor::new([&b"hunter2-hunter2"[..]]);
        body(&notice(summary), format, Some(&console), &redactor).to_string()
    }

    #[test]
    fn a_program_learns_what_waits_and_where_to_look() {
        let text = posted("scale `shop/cart`", Format::Json);
        let value: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["type"], "approval.requested");
        assert_eq!(value["timestamp"], "1970-01-01T00:00:01.000Z");
        let data = &value["data"];
        assert_eq!(data["url"], "https://ostler.example/ops/approvals/apr_1");
        assert_eq!(data["calls"][0]["summary"], "scale `shop/cart`");
        assert_eq!(data["needs"], json!(["operator"]));
    }

    #[test]
    fn nothing_private_is_posted_in_either_format() {
        for format in [Format::Json, Format::Slack] {
            let text = posted("set env to hunter2-hunter2 password=abcdef", format);
            for secret in ["hunter2", "abcdef", "private", "\"digest\""] {
                assert!(!text.contains(secret), "{secret}: {text}");
            }
            assert!(text.contains("[redacted]"), "{text}");
        }
    }

    #[test]
    fn what_others_wrote_is_text_in_slack() {
        let text = posted(
            "<!channel> <https://evil.example|approve> & \u{7}@here",
            Format::Slack,
        );
        let value: Value = serde_json::from_str(&text).unwrap();
        let block = value["blocks"][0]["text"].clone();
        assert_eq!(block["verbatim"], true);
        let words = block["text"].as_str().unwrap();
        assert!(
            words.contains("&lt;!channel&gt; &lt;https://evil.example|approve&gt; &amp;"),
            "{words}"
        );
        // The only link is the one to the console.
        assert_eq!(text.matches('<').count(), 1, "{text}");
        assert!(
            text.contains("<https://ostler.example/ops/approvals/apr_1|"),
            "{text}"
        );
    }

    #[test]
    fn long_texts_are_cut() {
        let text = posted(&"x".repeat(10_000), Format::Slack);
        assert!(text.len() < 2_000, "{}", text.len());
    }
}
