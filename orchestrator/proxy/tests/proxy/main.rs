//! The proxy before real servers on this machine's own address.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::expect_used,
    reason = "a test may stop at the first surprise"
)]

mod bench;
mod counts;
mod drain;
mod heads;
mod retries;
mod tunnels;
mod weights;
mod wired;
