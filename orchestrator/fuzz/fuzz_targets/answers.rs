//! Fuzzes `ostler_fuzz::answers`.
#![no_main]
libfuzzer_sys::fuzz_target!(|input: &[u8]| ostler_fuzz::answers::try_one(input));
