//! Fuzzes `ostler_fuzz::policies`.
#![no_main]
libfuzzer_sys::fuzz_target!(|input: &[u8]| ostler_fuzz::policies::try_one(input));
