//! Zeroed memory in large pages, where the system has them for the asking.
//!
//! A training step walks through hundreds of megabytes row by row, each row on a page of its own:
//! with 4 KiB pages the processor spends a good part of its time looking up where they are.

/// From this size on large pages are worth asking for.
const LARGE: usize = 8 << 20;

/// `len` zeros.
pub(crate) fn zeros(len: usize) -> Vec<f32> {
    // Fresh from the system, and not yet backed by any page.
    let values = vec![0.0f32; len];
    if size_of_val(values.as_slice()) >= LARGE {
        ask_for_large_pages(&values);
    }
    values
}

#[cfg(target_os = "linux")]
fn ask_for_large_pages(values: &[f32]) {
    use std::ffi::{c_int, c_void};

    unsafe extern "C" {
        fn madvise(address: *mut c_void, length: usize, advice: c_int) -> c_int;
    }
    const MADV_HUGEPAGE: c_int = 14;
    const PAGE: usize = 4096;

    let start = (values.as_ptr() as usize).next_multiple_of(PAGE);
    let end = (values.as_ptr() as usize + size_of_val(values)) / PAGE * PAGE;
    // SAFETY: the range lies within one live allocation, and the advice changes no content. A
    // refusal leaves ordinary pages, so the result does not matter.
    unsafe {
        madvise(start as *mut c_void, end - start, MADV_HUGEPAGE);
    }
}

#[cfg(not(target_os = "linux"))]
fn ask_for_large_pages(_values: &[f32]) {}

/// Asks the allocator to hold on to what is freed, for programs that allocate the same tensors in
/// every step: giving 20 MB back and asking for them again costs more than filling them does,
/// since the system clears and maps every page anew. Without effect but on Linux with glibc.
pub fn hold_freed() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        use std::ffi::c_int;

        unsafe extern "C" {
            fn mallopt(parameter: c_int, value: c_int) -> c_int;
        }
        const M_TRIM_THRESHOLD: c_int = -1;
        const M_MMAP_THRESHOLD: c_int = -3;
        // The largest that glibc accepts.
        const LARGEST: c_int = 32 << 20;
        // SAFETY: both parameters are documented; a refusal leaves everything as it was.
        unsafe {
            mallopt(M_MMAP_THRESHOLD, LARGEST);
            mallopt(M_TRIM_THRESHOLD, c_int::MAX);
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn memory_is_zero_and_as_long_as_asked_for() {
        let values = super::zeros(super::LARGE / 4 + 3);
        assert_eq!(values.len(), super::LARGE / 4 + 3);
        assert!(values.iter().all(|&x| x == 0.0));
    }
}
