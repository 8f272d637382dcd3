//! Where and by what a result was made: time, machine, versions.
//!
//! Knows nothing of the result.

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
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let [year, month, day] = date(days);
    format!(
        "{year:04}-{month:02}-{day:02} {:02}:{:02} UTC",
        rest / 3600,
        rest / 60 % 60
    )
}

/// Year, month and day of a number of days after 1970-01-01, in the Gregorian calendar. Years
/// are counted from March on, so that the day of a leap year is the last one.
fn date(days: u64) -> [u64; 3] {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 {
        from_march + 3
    } else {
        from_march - 9
    };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    [year, month, day]
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
