#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let _ = wesal_gateway::fuzzing::caller_headers(input);
});
