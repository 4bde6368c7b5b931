//! Fuzzes `ostler_fuzz::images`.
#![no_main]
libfuzzer_sys::fuzz_target!(|input: &[u8]| ostler_fuzz::images::try_one(input));
