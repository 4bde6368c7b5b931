//! Fuzzes `ostler_fuzz::layers`.
#![no_main]
libfuzzer_sys::fuzz_target!(
    |input: ostler_fuzz::layers::Layer| ostler_fuzz::layers::try_one(&input)
);
