//! Fuzzes `ostler_fuzz::audit`.
#![no_main]
libfuzzer_sys::fuzz_target!(|input: &[u8]| ostler_fuzz::audit::try_one(input));
