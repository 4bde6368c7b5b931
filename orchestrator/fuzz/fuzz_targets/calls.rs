//! Fuzzes `ostler_fuzz::calls`.
#![no_main]
libfuzzer_sys::fuzz_target!(|input: &[u8]| ostler_fuzz::calls::try_one(input));
