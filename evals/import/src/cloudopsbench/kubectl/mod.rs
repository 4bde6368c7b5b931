//! Reads what `kubectl` prints for people. Nothing here knows a data set.

pub mod describe;
pub mod quantity;
pub mod table;
