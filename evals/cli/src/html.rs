//! A report as one HTML page without anything from elsewhere: figures, a plot, every case.

use std::fmt::Write as _;

use crate::{figures, junit::escape, report::Report, row::Row};

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;color:#1c1c1c;background:#fff}\
table{border-collapse:collapse;width:100%}td,th{border-bottom:1px solid #ddd;padding:.3rem .6rem;text-align:left;vertical-align:top}\
.fail{color:#a40000}.ok{color:#0a6b2d}ul{margin:.2rem 0;padding-left:1.2rem}svg text{font:11px system-ui}\
@media(prefers-color-scheme:dark){body{color:#e6e6e6;background:#161616}td,th{border-color:#333}.fail{color:#ff8a80}.ok{color:#7ddb9b}svg text{fill:#e6e6e6}}";

/// The page.
pub fn page(report: &Report) -> String {
    let title = format!("ostler eval: {} {}", report.agent, report.build);
    let mut page = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>{0}</title><style>{STYLE}</style><h1>{0}</h1><p>seed {1}, {2} runs of each case</p>",
        escape(&title),
        report.seed,
        report.repeats
    );
    page.push_str(&figures(report));
    page.push_str(&plot(report));
    page.push_str(&table(report));
    page.push_str("</html>\n");
    page
}

fn figures(report: &Report) -> String {
    let mut text = "<h2>Figures</h2><table>".to_owned();
    for (name, value) in figures::of(report) {
        // A String takes whatever is written.
        let _ = write!(
            text,
            "<tr><th>{}</th><td>{}</td></tr>",
            escape(&name),
            escape(&value)
        );
    }
    text.push_str("</table>");
    text
}

/// Time until mended, a dot for each run, by category.
fn plot(report: &Report) -> String {
    let dots: Vec<(&Row, f64)> = report
        .rows
        .iter()
        .filter_map(|row| Some((row, row.mended?)))
        .collect();
    let mut categories: Vec<&str> = dots.iter().map(|(row, _)| row.category.as_str()).collect();
    categories.sort_unstable();
    categories.dedup();
    let most = dots.iter().map(|(_, after)| *after).fold(60.0, f64::max);
    let height = 24 * categories.len() + 30;
    let mut text = format!(
        "<h2>Time until mended</h2><svg role=\"img\" aria-label=\"Time until mended by category\" viewBox=\"0 0 800 {height}\" width=\"100%\">"
    );
    for (line, category) in categories.iter().enumerate() {
        let y = 24 * line + 16;
        let _ = write!(
            text,
            "<text x=\"0\" y=\"{y}\" fill=\"currentColor\">{}</text>",
            escape(category)
        );
        for (row, after) in dots.iter().filter(|(row, _)| row.category == *category) {
            let x = 160.0 + 620.0 * after / most;
            let _ = write!(
                text,
                "<circle cx=\"{x:.1}\" cy=\"{}\" r=\"4\" fill=\"#2a6fb0\" fill-opacity=\".6\"><title>{}: {after:.0} s</title></circle>",
                y - 4,
                escape(&row.case)
            );
        }
    }
    let _ = write!(
        text,
        "<text x=\"160\" y=\"{0}\" fill=\"currentColor\">0 s</text><text x=\"740\" y=\"{0}\" fill=\"currentColor\">{most:.0} s</text></svg>",
        height - 6
    );
    text
}

fn table(report: &Report) -> String {
    let mut text = "<h2>Cases</h2><table><tr><th>case</th><th>category</th><th>right</th><th>mended</th><th>evidence</th><th>approvals</th><th>tokens</th><th>money</th><th>verdict</th></tr>".to_owned();
    for row in &report.rows {
        let verdict = if row.passed() {
            "<span class=\"ok\">passed</span>".to_owned()
        } else {
            let wrong = row
                .wrong
                .iter()
                .map(|wrong| format!("<li>{}</li>", escape(wrong)));
            format!(
                "<span class=\"fail\">failed</span><ul>{}</ul>",
                wrong.collect::<String>()
            )
        };
        let _ = write!(
            text,
            "<tr><td>{} (run {})</td><td>{}</td><td>{}</td>{}<td>{verdict}</td></tr>",
            escape(&row.case),
            row.run,
            escape(&row.category),
            escape(&row.truth),
            measures(row)
        );
    }
    text.push_str("</table>");
    text
}

/// What was measured of a run; what was not is empty.
fn measures(row: &Row) -> String {
    let evidence = row.evidence.filter(|evidence| evidence.claims > 0);
    let evidence = evidence.map(|evidence| {
        format!(
            "{}/{} made, {}/{} held",
            evidence.made, evidence.claims, evidence.held, evidence.quoting
        )
    });
    let cells = [
        row.mended.map(|after| format!("{after:.0} s")),
        evidence,
        row.approvals.map(|approvals| approvals.to_string()),
        Some(row.asked.tokens.to_string()),
        Some(figures::money(row.asked.nano)),
    ];
    let cells = cells.into_iter().map(Option::unwrap_or_default);
    cells.map(|cell| format!("<td>{cell}</td>")).collect()
}
