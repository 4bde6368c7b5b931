//! Fuzzes `ostler_fuzz::scrapes`.
#![no_main]
libfuzzer_sys::fuzz_target!(|input: &[u8]| ostler_fuzz::scrapes::try_one(input));
