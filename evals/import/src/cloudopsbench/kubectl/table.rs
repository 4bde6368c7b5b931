//! Tables: a line of headings, cells below at the same columns.

use std::collections::BTreeMap;

/// Rows of a table, each by its headings; cells that are empty are absent.
pub fn rows(text: &str) -> Vec<BTreeMap<String, String>> {
    let mut lines = text.lines();
    let Some(head) = lines.next() else {
        return Vec::new();
    };
    let columns = columns(head);
    lines
        .filter(|line| !line.trim().is_empty())
        .map(|line| row(line, &columns))
        .collect()
}

/// Where each heading starts; headings are apart by two spaces or more.
fn columns(head: &str) -> Vec<(usize, String)> {
    let mut columns: Vec<(usize, String)> = Vec::new();
    let mut gap = 2;
    for (at, letter) in head.char_indices() {
        if letter == ' ' {
            gap += 1;
            continue;
        }
        match columns.last_mut().filter(|_| gap < 2) {
            Some((_, name)) if gap == 1 => name.extend([' ', letter]),
            Some((_, name)) => name.push(letter),
            None => columns.push((at, letter.to_string())),
        }
        gap = 0;
    }
    columns
}

fn row(line: &str, columns: &[(usize, String)]) -> BTreeMap<String, String> {
    let ends = columns
        .iter()
        .skip(1)
        .map(|(start, _)| *start)
        .chain([usize::MAX]);
    let mut row = BTreeMap::new();
    for ((start, name), end) in columns.iter().zip(ends) {
        let cell: String = line
            .chars()
            .skip(*start)
            .take(end.saturating_sub(*start))
            .collect();
        let cell = cell.trim();
        if !cell.is_empty() {
            row.insert(name.clone(), cell.to_owned());
        }
    }
    row
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_found_below_their_headings() {
        let text =
            "NAME   ACCESS MODES   AGE\none    RWO            2d\ntwo                   3d\n";
        let rows = rows(text);
        assert_eq!(rows.len(), 2);
        assert_eq!(rows[0]["ACCESS MODES"], "RWO");
        assert!(!rows[1].contains_key("ACCESS MODES"));
        assert_eq!(rows[1]["AGE"], "3d");
    }
}
