//! What a fuzzer tries: one module a kind of text or bytes that comes from outside. Each says what must be so
//! whatever comes in; that nothing panics, hangs or eats the machine's memory is true of all of them.
//!
//! `orchestrator/fuzz/run` builds and runs them; see there.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a fuzz target stops at the first surprise"
)]

pub mod answers;
pub mod audit;
pub mod calls;
mod house;
pub mod images;
pub mod layers;
mod layout;
pub mod lines;
pub mod manifests;
pub mod policies;
pub mod scrapes;

/// Input as text; what is no UTF-8 is none.
fn text(input: &[u8]) -> Option<&str> {
    std::str::from_utf8(input).ok()
}
