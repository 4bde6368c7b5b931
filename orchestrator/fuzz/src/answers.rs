//! What language models answer: read as a conclusion, or refused in words.

use ostler_agents_llm::answer::read;

/// Reads one input.
pub fn try_one(input: &[u8]) {
    let lossy = String::from_utf8_lossy(input);
    if let Err(words) = read(&lossy) {
        assert!(!words.is_empty());
    }
}
