//! How alike names are.

/// Letters to insert, delete or replace to make one name of another (Levenshtein).
pub fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (above, left) in one.chars().zip(1..) {
        let mut diagonal = left - 1;
        let mut last = left;
        let mut next = vec![left];
        for (letter, up) in other.iter().zip(row.iter().skip(1)) {
            let replaced = diagonal + usize::from(*letter != above);
            last = replaced.min(up + 1).min(last + 1);
            next.push(last);
            diagonal = *up;
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

/// A name without case and punctuation.
pub fn plain(name: &str) -> String {
    name.chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|letter| letter.to_ascii_lowercase())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_counts_edits() {
        assert_eq!(distance("cart", "cart"), 0);
        assert_eq!(distance("cart", "carts"), 1);
        assert_eq!(distance("carts", "cart"), 1);
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
    }

    #[test]
    fn plain_drops_case_and_punctuation() {
        assert_eq!(plain("My-App_2"), "myapp2");
    }
}
