//! A wrong knowledge base is refused with the file, the cause and the field.

use super::super::Knowledge;

fn refused(text: &str) -> String {
    Knowledge::from_files(&[("mine.yaml", text)])
        .unwrap_err()
        .to_string()
}

const GOOD: &str = "causes:
- id: one
  blames: service
  says: is one
  when: {fact: {name: a}}
  strength: 0.5
";

#[test]
fn what_is_right_is_read() {
    let knowledge = Knowledge::from_files(&[("mine.yaml", GOOD)]).unwrap();
    assert_eq!(knowledge.causes().len(), 1);
    assert_eq!(knowledge.cause("one").unwrap().says, "is one");
    assert!(knowledge.cause("two").is_none());
}

#[test]
fn an_unknown_field_is_refused() {
    let words = refused(&GOOD.replace("says:", "sais:"));
    assert!(
        words.starts_with("`mine.yaml` is no list of causes"),
        "{words}"
    );
    assert!(words.contains("sais"), "{words}");
}

#[test]
fn an_unknown_test_is_refused() {
    let words = refused(&GOOD.replace("fact:", "fakt:"));
    assert!(words.contains("fakt"), "{words}");
}

#[test]
fn a_strength_out_of_range_is_refused() {
    let words = refused(&GOOD.replace("0.5", "1.5"));
    assert_eq!(
        words,
        "`mine.yaml`: cause `one`: `strength` is 1.5; accepted is above 0 up to 1"
    );
}

#[test]
fn another_way_as_sure_as_the_first_is_refused() {
    let way = "  less_surely: [{when: {fact: {name: b}}, strength: 0.5}]\n";
    let words = refused(&format!("{GOOD}{way}"));
    assert_eq!(
        words,
        "`mine.yaml`: cause `one`: `less_surely` has a strength of 0.5; accepted is above 0 and below the cause's own"
    );
}

#[test]
fn a_wrong_pattern_is_refused() {
    let words = refused(&GOOD.replace("{name: a}", "{name: a, matches: '('}"));
    assert!(
        words.starts_with("`mine.yaml`: cause `one`: `matches` is no pattern"),
        "{words}"
    );
}

#[test]
fn excluding_nobody_is_refused() {
    let words = refused(&format!("{GOOD}  excludes: [two]\n"));
    assert_eq!(
        words,
        "`mine.yaml`: cause `one`: `excludes` names `two`, which no file has"
    );
}

#[test]
fn an_id_that_is_taken_is_refused() {
    let both = [("mine.yaml", GOOD), ("yours.yaml", GOOD)];
    let words = Knowledge::from_files(&both).unwrap_err().to_string();
    assert_eq!(
        words,
        "`yours.yaml`: cause `one`: `id` is taken by another cause; ids are unique"
    );
}

#[test]
fn a_test_that_says_nothing_is_refused() {
    let words = refused(&GOOD.replace("{fact: {name: a}}", "{all: []}"));
    assert!(words.contains("`when` has an empty list"), "{words}");
    let words = refused(&GOOD.replace("{name: a}", "{equals: 1}"));
    assert!(words.contains("`fact` has no `name`"), "{words}");
}
