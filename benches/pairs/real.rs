//! Real recordings that do not belong together: dry of one, wet of another through the same device.
//!
//! Knows folders of recordings, nothing of how a pair is judged.

use crate::cases::Case;
use effigy_base::audio::decode;
use std::path::Path;

/// At most so many samples of each, from the first on.
const MOST: usize = 1 << 20;

/// Recordings of one device each.
const DEVICES: [(&str, &[&str]); 2] = [
    (
        "compressor-la2a",
        &["sample1", "sample2", "sample3", "sample4", "sample5"],
    ),
    ("fuzz-jhm8", &["bass_1", "bass_2", "guitar_1", "guitar_2"]),
];

/// Every dry recording of a device against every wet one of another take.
pub fn crosswise(data: &Path) -> Vec<Case> {
    let mut cases = Vec::new();
    for (device, takes) in DEVICES {
        let read = |take: &str, side: &str| {
            let path = data.join(device).join(format!("{take}-{side}.wav"));
            decode::read(&path).unwrap().audio
        };
        for dry in takes {
            for wet in takes.iter().filter(|wet| *wet != dry) {
                let (d, w) = (read(dry, "dry"), read(wet, "wet"));
                let rate = d.sample_rate();
                let first = |audio: effigy_base::audio::Audio| {
                    let mut first = audio.into_channels().remove(0);
                    first.truncate(MOST);
                    first
                };
                cases.push(Case {
                    name: format!("{device}: {dry} dry, {wet} wet"),
                    rate,
                    dry: first(d),
                    wet: first(w),
                    truth: None,
                });
            }
        }
    }
    cases
}
