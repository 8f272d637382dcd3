//! Giving memory back: the C library keeps what long recordings took, for a next one that may be hours
//! away.

/// Returns to the system what is not in use.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub fn give_back() {
    unsafe extern "C" {
        /// glibc's; it may be called at any time, from any thread.
        fn malloc_trim(pad: usize) -> i32;
    }
    // SAFETY: it touches only what is not in use.
    unsafe { malloc_trim(0) };
}

/// Other systems do so by themselves, or cannot.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub fn give_back() {}
