//! The most memory this process has held at once, where the system tells.

/// Starts counting anew from what is held now. Without effect where the system cannot.
pub fn reset() {
    // Linux: 5 sets the resident set's high-water mark to the present size.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

/// The largest resident set in bytes since [`reset`]; `None` where the system does not tell.
pub fn peak() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    #[test]
    fn the_peak_follows_what_is_touched() {
        super::reset();
        let before = super::peak().unwrap();
        let touched = vec![1u8; 64 << 20];
        let after = super::peak().unwrap();
        assert!(touched.iter().all(|&b| b == 1));
        // Other tests of the process may free as much meanwhile: half must be seen.
        assert!(after >= before + (32 << 20), "{before} then {after}");
    }
}
