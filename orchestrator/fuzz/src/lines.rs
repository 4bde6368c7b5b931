//! What workloads write. No known secret stays in it, and nothing in it steers a terminal or a page.

use ostler_agents_kit::template::fold;
use ostler_agents_kit::text::{Untrusted, clean};
use ostler_redact::Redactor;

const SECRET: &str = "correct horse battery staple";

/// Reads one input: lines, some with a secret in them.
pub fn try_one(input: &[u8]) {
    let lossy = String::from_utf8_lossy(input);
    let planted = lossy.replace('$', SECRET);
    let redactor = Redactor::new([SECRET.as_bytes()]);
    let kept = redactor.text(&planted);
    assert!(!kept.contains(SECRET), "{kept}");
    let mut value = serde_json::Value::from(planted.as_str());
    redactor.value(&mut value);
    assert!(!value.to_string().contains(SECRET), "{value}");

    for template in fold(lossy.lines()) {
        assert!(template.count > 0);
    }
    let shown = clean(&lossy, 200);
    assert!(shown.chars().count() <= 201, "{shown}");
    assert!(!shown.chars().any(char::is_control), "{shown:?}");
    let untrusted = Untrusted::new(&lossy);
    assert!(!untrusted.as_str().chars().any(char::is_control));
}
