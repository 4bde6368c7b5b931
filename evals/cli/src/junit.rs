//! A report as JUnit XML, for CI systems.

use crate::report::{Report, Row};

/// The XML.
pub fn xml(report: &Report) -> String {
    let failures = report.rows.iter().filter(|row| !row.passed()).count();
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n<testsuite name=\"ostler eval {}\" tests=\"{}\" failures=\"{failures}\">\n",
        escape(&report.agent),
        report.rows.len()
    );
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
    if row.passed() {
        return format!("{name}/>\n");
    }
    let wrong = escape(&row.wrong.join("\n"));
    format!("{name}><failure message=\"{wrong}\"/></testcase>\n")
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
