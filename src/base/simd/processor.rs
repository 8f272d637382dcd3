//! What the processor calls itself, for reports of measurements.

/// The processor's own name ("Intel(R) Xeon(R) Processor"), or that of its architecture where it
/// has none to give.
pub fn processor() -> String {
    brand()
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| std::env::consts::ARCH.to_string())
}

/// The brand string: 48 bytes in the answers to three questions.
#[cfg(target_arch = "x86_64")]
fn brand() -> Option<String> {
    use core::arch::x86_64::__cpuid;
    const EXTENDED: u32 = 0x8000_0000;
    const BRAND: [u32; 3] = [EXTENDED + 2, EXTENDED + 3, EXTENDED + 4];
    if __cpuid(EXTENDED).eax < BRAND[2] {
        return None;
    }
    let answers = BRAND.map(|question| {
        let answer = __cpuid(question);
        [answer.eax, answer.ebx, answer.ecx, answer.edx]
    });
    let bytes: Vec<u8> = answers
        .into_iter()
        .flatten()
        .flat_map(u32::to_le_bytes)
        .take_while(|byte| *byte != 0)
        .collect();
    let name = String::from_utf8_lossy(&bytes);
    // Makers pad it to a width.
    Some(name.split_whitespace().collect::<Vec<_>>().join(" "))
}

#[cfg(not(target_arch = "x86_64"))]
fn brand() -> Option<String> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_processor_has_a_name_that_fits_on_a_line() {
        let name = processor();
        assert!(!name.is_empty() && name.len() <= 48, "{name}");
        assert!(!name.contains(['\n', '\0']), "{name}");
    }
}
