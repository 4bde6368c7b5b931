//! Tables, and showing something again and again.

use std::time::Duration;

use comfy_table::{Cell, Color, ContentArrangement, Table, presets::NOTHING};

use super::{error::CliError, out::Out};

/// How often a watched result is asked for again.
const WATCH: Duration = Duration::from_secs(1);

/// A plain cell.
pub fn cell(text: impl ToString) -> Cell {
    Cell::new(text)
}

/// A coloured cell.
pub fn coloured(text: impl ToString, colour: Color) -> Cell {
    match colour {
        Color::Reset => Cell::new(text),
        _ => Cell::new(text).fg(colour),
    }
}

/// A table without lines, or words when there is nothing in it.
pub fn table(out: &Out, empty: &str, headers: &[&str], rows: Vec<Vec<Cell>>) -> String {
    if rows.is_empty() {
        return empty.to_owned();
    }
    let mut table = Table::new();
    table
        .load_style(NOTHING)
        .set_header(headers.iter().copied());
    if out.colour {
        table.enforce_styling();
    } else {
        table.force_no_tty();
    }
    if out.terminal {
        table.set_content_arrangement(ContentArrangement::Dynamic);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.add_rows(rows);
    tidy(&table.to_string())
}

/// Names and values, one a line.
pub fn pairs(pairs: &[(&str, String)]) -> String {
    let width = pairs
        .iter()
        .map(|(name, _)| name.chars().count())
        .max()
        .unwrap_or(0)
        + 2;
    let line = |(name, value): &(&str, String)| {
        let indented = value.replace('\n', &format!("\n{:width$}", ""));
        format!("{:width$}{indented}", format!("{name}:"))
    };
    pairs.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// A heading and what stands under it, indented.
pub fn section(title: &str, body: &str) -> String {
    let indented: Vec<String> = body.lines().map(|line| format!("  {line}")).collect();
    format!("\n{title}:\n{}", indented.join("\n"))
}

fn tidy(text: &str) -> String {
    text.lines()
        .map(str::trim_end)
        .collect::<Vec<_>>()
        .join("\n")
}

/// Shows a result once, or with `--watch` whenever it changed: repainted on a terminal, else printed again.
pub async fn show(
    out: &mut Out,
    mut fetch: impl AsyncFnMut(&Out) -> Result<String, CliError>,
) -> Result<(), CliError> {
    let mut last = fetch(out).await?;
    if !out.watch {
        return out.line(&last);
    }
    loop {
        if out.terminal {
            out.raw(b"\x1b[H\x1b[2J")?;
        }
        out.line(&last)?;
        last = loop {
            tokio::time::sleep(WATCH).await;
            let next = fetch(out).await?;
            if next != last {
                break next;
            }
        };
    }
}
