//! Log lines by kind: numbers and ids in them become `#`, so that lines that say the same are the same.

/// The kind of a line: its first sixty words, what varies in them replaced.
#[must_use]
pub fn kind_of(line: &str) -> String {
    line.split_whitespace()
        .take(60)
        .map(mask_word)
        .collect::<Vec<_>>()
        .join(" ")
}

/// Letters and digits in a row that are an id as a whole, where they hold a digit: of hexadecimal digits only …
const HEX_ID: usize = 6;
/// … or of any letters.
const ANY_ID: usize = 16;

/// A word that holds digits varies, unless it is a path or a short word such as `p99`.
fn mask_word(word: &str) -> String {
    let digits = word.chars().filter(char::is_ascii_digit).count();
    if digits == 0 {
        return word.to_owned();
    }
    let mut out = String::new();
    for run in word.split_inclusive(|c: char| !c.is_ascii_alphanumeric()) {
        let body = run.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
        if is_id(body) {
            out.push('#');
            out.push_str(run.get(body.len()..).unwrap_or_default());
        } else {
            mask_numbers(run, digits, &mut out);
        }
    }
    out
}

fn is_id(run: &str) -> bool {
    let hex = run.len() >= HEX_ID && run.bytes().all(|b| b.is_ascii_hexdigit());
    (hex || run.len() >= ANY_ID) && run.bytes().any(|b| b.is_ascii_digit())
}

/// Numbers, and in a word of many `digits` the hexadecimal letters that follow them.
fn mask_numbers(run: &str, digits: usize, out: &mut String) {
    let mut in_number = false;
    for letter in run.chars() {
        let number =
            letter.is_ascii_digit() || (in_number && letter.is_ascii_hexdigit() && digits > 3);
        if number && !in_number {
            out.push('#');
        } else if !number {
            out.push(letter);
        }
        in_number = number;
    }
}

#[cfg(test)]
mod tests {
    use super::kind_of;

    #[test]
    fn what_varies_is_left_out() {
        for (line, kind) in [
            ("GET /item/17 200 3ms", "GET /item/# # #ms"),
            ("no  numbers\there", "no numbers here"),
            ("id=0f3a9c1e42 done", "id=# done"),
            ("build abc1234, trace=fe0c4d-ab12cd", "build #, trace=#-#"),
            ("key sk9QxTzW4vLm2Yp7Rt", "key #"),
            ("decade café p99", "decade café p#"),
            ("", ""),
        ] {
            assert_eq!(kind_of(line), kind);
        }
        assert_eq!(kind_of(&"a ".repeat(200)).split(' ').count(), 60);
    }
}
