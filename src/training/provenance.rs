//! Where and by what a result was made: time, machine, versions.
//!
//! Knows nothing of the result.

use crate::calendar::Date;
use crate::simd::{self, Isa};
use serde::{Deserialize, Serialize};
use std::time::{SystemTime, UNIX_EPOCH};

/// The version of burn this build stands on; a test holds it to `Cargo.toml`.
pub const BURN: &str = "0.22.1";

/// What made a result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provenance {
    /// When, in universal time ("2026-11-26 09:14 UTC").
    pub finished: String,
    /// Version of effigy.
    pub effigy: String,
    /// Version of burn.
    pub burn: String,
    /// Operating system and processor family ("linux x86_64").
    pub system: String,
    /// The processor as it names itself; absent from runs of versions that could not tell.
    pub processor: Option<String>,
    /// Cores this process may use.
    pub cores: usize,
    /// Vector instructions in use.
    pub instructions: String,
}

impl Provenance {
    /// This process, now.
    pub fn now() -> Self {
        Self {
            finished: universal(SystemTime::now()),
            effigy: env!("CARGO_PKG_VERSION").to_string(),
            burn: BURN.to_string(),
            system: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
            processor: Some(simd::processor()),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            instructions: Isa::detect().to_string(),
        }
    }

    /// The machine in one line.
    pub fn machine(&self) -> String {
        let name = self.processor.as_deref().unwrap_or("processor");
        let cores = if self.cores == 1 { "core" } else { "cores" };
        let Self {
            cores: n,
            instructions,
            system,
            ..
        } = self;
        format!("{name}, {n} {cores}, {instructions}, {system}")
    }
}

/// A time as "2026-11-26 09:14 UTC".
pub fn universal(time: SystemTime) -> String {
    let seconds = time.duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    let Date {
        year,
        month,
        day,
        hour,
        minute,
        ..
    } = Date::utc(seconds);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02} UTC")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn times_are_those_of_the_calendar() {
        // `date -u -d @N`
        for (seconds, expected) in [
            (0, "1970-01-01 00:00 UTC"),
            (951_782_399, "2000-02-28 23:59 UTC"),
            (951_782_400, "2000-02-29 00:00 UTC"),
            (1_709_251_199, "2024-02-29 23:59 UTC"),
            (4_107_542_400, "2100-03-01 00:00 UTC"),
        ] {
            assert_eq!(
                universal(UNIX_EPOCH + Duration::from_secs(seconds)),
                expected
            );
        }
    }

    #[test]
    fn the_version_of_burn_is_the_pinned_one() {
        let manifest = include_str!("../../Cargo.toml");
        assert!(manifest.contains(&format!("burn = {{ version = \"={BURN}\"")));
        let lines = Provenance::now();
        assert!(lines.cores > 0 && lines.machine().contains(std::env::consts::ARCH));
    }
}
