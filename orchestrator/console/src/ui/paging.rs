//! Long lists in pages, so that ten thousand rows are as quick as fifty.

use maud::{Markup, html};
use serde::Deserialize;

use super::bits::part;

/// Rows of a page.
pub const ROWS: usize = 50;

/// What an address asks of a list that is only read in pages.
#[derive(Debug, Deserialize)]
pub struct Asked {
    /// Which page.
    pub page: Option<usize>,
}

/// Which page of how many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// From 1.
    pub number: usize,
    /// At least 1.
    pub of: usize,
    /// Rows in all.
    pub rows: usize,
}

impl Page {
    /// The page that was asked for, or the nearest there is.
    #[must_use]
    pub fn of(rows: usize, wanted: Option<usize>) -> Self {
        let of = rows.div_ceil(ROWS).max(1);
        let number = wanted.unwrap_or(1).clamp(1, of);
        Self { number, of, rows }
    }

    /// Its rows.
    pub fn cut<T>(self, rows: &[T]) -> &[T] {
        let from = (self.number - 1) * ROWS;
        let to = (from + ROWS).min(rows.len());
        rows.get(from..to).unwrap_or_default()
    }

    /// Links to the pages around it; `query` is what else the address says, already encoded.
    #[must_use]
    pub fn links(self, path: &str, query: &[(&str, &str)]) -> Markup {
        let to = |number: usize| {
            let mut address = format!("{path}?page={number}");
            for (name, value) in query.iter().filter(|(_, value)| !value.is_empty()) {
                address.push_str(&format!("&{name}={}", part(value)));
            }
            address
        };
        html! {
            @if self.of > 1 {
                nav.pages aria-label="Pages of this list" {
                    @if self.number > 1 { a rel="prev" href=(to(self.number - 1)) { "← Previous" } }
                    span { "Page " (self.number) " of " (self.of) " · " (self.rows) " rows" }
                    @if self.number < self.of { a rel="next" href=(to(self.number + 1)) { "Next →" } }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_that_is_not_there_is_the_nearest() {
        let rows: Vec<usize> = (0..120).collect();
        assert_eq!(Page::of(0, Some(9)).number, 1);
        assert_eq!(
            Page::of(120, Some(9)).cut(&rows),
            (100..120).collect::<Vec<_>>()
        );
        assert_eq!(Page::of(120, Some(0)).cut(&rows).len(), ROWS);
        assert_eq!(Page::of(0, None).cut(&rows[..0]).len(), 0);
    }
}
