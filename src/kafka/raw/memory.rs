//! What the C library does with the memory that librdkafka gives back.
//!
//! librdkafka copies each record that is staged, and frees the copies once they are acknowledged: some megabytes per transaction. By
//! default glibc then returns them to the system, which clears them page by page for the next transaction: a sixth of a process's time.
//! Deliberately not here: what Rust allocates, which comes back by itself ([`crate::record::spare`]).

#[cfg(all(target_os = "linux", target_env = "gnu"))]
use std::ffi::c_int;

/// Has the C library keep what is freed, up to what a producer's queue may hold.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub(in crate::kafka) fn keep() {
    // mallopt(3)
    const M_TRIM_THRESHOLD: c_int = -1;
    const M_MMAP_THRESHOLD: c_int = -3;
    const TRIM_BYTES: c_int = 64 << 20;
    const MMAP_BYTES: c_int = 32 << 20; // the most it takes
    unsafe extern "C" {
        fn mallopt(parameter: c_int, value: c_int) -> c_int;
    }
    // SAFETY: sets two numbers, each under the allocator's lock; one that it does not know it refuses.
    unsafe {
        mallopt(M_TRIM_THRESHOLD, TRIM_BYTES);
        mallopt(M_MMAP_THRESHOLD, MMAP_BYTES);
    }
}

/// Other C libraries have other rules.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(in crate::kafka) fn keep() {}
