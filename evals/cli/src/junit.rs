//! A report as JUnit XML, for CI systems.

use crate::{figures, report::Report, row::Row};

/// The XML.
pub fn xml(report: &Report) -> String {
    let failures = report.rows.iter().filter(|row| !row.passed()).count();
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n<testsuite name=\"ostler eval {}\" tests=\"{}\" failures=\"{failures}\">\n",
        escape(&report.agent),
        report.rows.len()
    );
    let figures = figures::of(report);
    let figures = figures.iter();
    text.push_str(&properties(
        figures.map(|(name, value)| (name.trim(), value.clone())),
    ));
    for row in &report.rows {
        text.push_str(&case(row));
    }
    text.push_str("</testsuite>\n</testsuites>\n");
    text
}

fn case(row: &Row) -> String {
    let name = format!(
        "<testcase classname=\"{}.{}\" name=\"{} run {}\"",
        escape(&row.suite),
        escape(&row.category),
        escape(&row.case),
        row.run
    );
    let properties = properties(measures(row).into_iter());
    if row.passed() {
        return format!("{name}>{properties}</testcase>\n");
    }
    let wrong = escape(&row.wrong.join("\n"));
    format!("{name}>{properties}<failure message=\"{wrong}\"/></testcase>\n")
}

/// What was measured of a run.
fn measures(row: &Row) -> Vec<(&'static str, String)> {
    let mut all = vec![
        ("tokens", row.asked.tokens.to_string()),
        ("money", figures::money(row.asked.nano)),
    ];
    if let Some(after) = row.mended {
        all.push(("mended_seconds", format!("{after:.0}")));
    }
    if let Some(approvals) = row.approvals {
        all.push(("approvals", approvals.to_string()));
    }
    if let Some(evidence) = row.evidence {
        all.push(("claims", evidence.claims.to_string()));
        all.push(("claims_made", evidence.made.to_string()));
        all.push(("claims_quoting", evidence.quoting.to_string()));
        all.push(("claims_held", evidence.held.to_string()));
    }
    all
}

fn properties<'a>(all: impl Iterator<Item = (&'a str, String)>) -> String {
    let one = |(name, value): (&str, String)| {
        format!(
            "<property name=\"{}\" value=\"{}\"/>",
            escape(name),
            escape(&value)
        )
    };
    format!(
        "<properties>{}</properties>\n",
        all.map(one).collect::<String>()
    )
}

/// Text as it may stand in XML and HTML, attributes included; what no XML may hold becomes a mark.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\n' => escaped.push_str("&#10;"),
            c if c.is_control() => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::escape;

    #[test]
    fn nothing_breaks_out() {
        assert_eq!(
            escape("<a b=\"c\">'&\u{7}"),
            "&lt;a b=&quot;c&quot;&gt;&#39;&amp;\u{fffd}"
        );
    }
}
