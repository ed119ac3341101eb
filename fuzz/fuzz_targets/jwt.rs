#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sivcar_fuzz::jwt(data));
