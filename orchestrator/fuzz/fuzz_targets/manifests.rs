//! Fuzzes `ostler_fuzz::manifests`.
#![no_main]
libfuzzer_sys::fuzz_target!(|input: &[u8]| ostler_fuzz::manifests::try_one(input));
