//! Fuzzes `ostler_fuzz::lines`.
#![no_main]
libfuzzer_sys::fuzz_target!(|input: &[u8]| ostler_fuzz::lines::try_one(input));
