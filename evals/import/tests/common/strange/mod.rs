//! Recorded incidents made strange: what they say stays the same, how much of it is seen does not.
//!
//! Each change is a function from a case to a case; the same salt makes the same change.

pub mod gaps;
pub mod names;
pub mod noise;
pub mod scale;
pub mod table;

/// The same number for the same text, from 0 up to 1.
pub fn chance(text: &str) -> f64 {
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mixed = (hash ^ (hash >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (mixed >> 11) as f64 / (1_u64 << 53) as f64
}
