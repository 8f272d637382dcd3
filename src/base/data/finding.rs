//! What can be found out about recordings, in words: how much it matters, where it is, what it is.
//! Knows nothing of how it is found.

use serde::Serialize;
use std::fmt;

/// Peak below which a recording is called very low, in dBFS: 16-bit quantisation noise is then
/// less than 38 dB below it, an ESR floor of 1.6e-4 that no training removes.
pub const LOW_PEAK_DBFS: f64 = -60.0;

/// The offset worth a warning, as a fraction of the RMS of the rest (−40 dB: an ESR of 1e-4).
pub const OFFSET_FRACTION: f64 = 0.01;

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing, often intended.
    Note,
    /// May spoil the result.
    Warning,
    /// Cannot be trained on.
    Error,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

/// Which recording, and which of its channels if not all.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Place {
    /// "dry", "wet", a file.
    pub which: String,
    /// From 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<usize>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.which)?;
        match self.channel {
            Some(channel) => write!(f, " channel {}", channel + 1),
            None => Ok(()),
        }
    }
}

/// What was found, with its figures. Of one recording a fact says what follows the recording's
/// name; of a pair, a whole sentence.
#[derive(Clone, Debug, PartialEq, Serialize, thiserror::Error)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Fact {
    /// Samples that are NaN or infinite.
    #[error(
        "holds {count} samples that are NaN or infinite, the first at sample {position} of channel \
         {}; every sample must be finite: export it again",
        .channel + 1
    )]
    NotFinite {
        /// How many.
        count: usize,
        /// Channel of the first, from 0.
        channel: usize,
        /// Sample index of the first.
        position: usize,
    },
    /// No samples at all.
    #[error("holds no samples; at least one window is needed: record it again")]
    Empty,
    /// Fewer samples than one window.
    #[error(
        "has {samples} samples, one window needs {needed}: record more, or choose a shorter window \
         or a smaller network"
    )]
    TooShort {
        /// Its length.
        samples: usize,
        /// Samples that one window needs.
        needed: usize,
    },
    /// Every sample of a channel has the same value.
    #[error(
        "is silent; it must carry the sound: check the cable and the track that was exported, or \
         choose another channel (--channel 2, in a config channel = 2)"
    )]
    Silent,
    /// A peak below [`LOW_PEAK_DBFS`].
    #[error(
        "peaks at {peak_dbfs:.1} dBFS; above {LOW_PEAK_DBFS} dBFS is needed to stand clear of \
         noise: record it louder"
    )]
    VeryLow {
        /// Largest absolute sample, in dBFS.
        peak_dbfs: f64,
    },
    /// Runs of consecutive samples at the recording's own extreme (a warning at full scale, where
    /// the converter is to blame, else a note).
    #[error(
        "is cut off at {level_dbfs:.1} dBFS in {runs} places ({samples} samples, at most {longest} \
         in a row, first at sample {position}); none is expected unless the effect or the test \
         signal has flat tops: if the converter clipped, record it at a lower level"
    )]
    Clipped {
        /// How many runs.
        runs: usize,
        /// Samples in them, together.
        samples: usize,
        /// Samples in the longest.
        longest: usize,
        /// Where the first begins.
        position: usize,
        /// The level at which it is cut, in dBFS.
        level_dbfs: f64,
    },
    /// Samples above full scale (float files can hold them).
    #[error(
        "exceeds full scale in {samples} samples (peak {peak_dbfs:+.1} dBFS); players and integer \
         files cut at 0 dBFS: lower its level, and the predicted sound's when it is written"
    )]
    AboveFullScale {
        /// How many.
        samples: usize,
        /// The largest, in dBFS.
        peak_dbfs: f64,
    },
    /// A mean above [`OFFSET_FRACTION`] of the RMS.
    #[error(
        "has an offset of {mean:.5} beside an RMS of {rms:.5}; below {:.0} % of it is harmless: \
         remove it with a high-pass filter unless the effect makes it",
        100.0 * OFFSET_FRACTION
    )]
    Offset {
        /// The mean, full scale 1.
        mean: f64,
        /// RMS around the mean, full scale 1.
        rms: f64,
    },
    /// Dry and wet have different sample rates.
    #[error(
        "dry is at {dry_hz} Hz and wet at {wet_hz} Hz; both must be at one rate: resample one of \
         them"
    )]
    RatesDiffer {
        /// Of dry.
        dry_hz: u32,
        /// Of wet.
        wet_hz: u32,
    },
    /// Dry and wet have different numbers of channels.
    #[error("dry has {dry} channels and wet {wet}; name one channel of each, or record both alike")]
    ChannelsDiffer {
        /// Of dry.
        dry: usize,
        /// Of wet.
        wet: usize,
    },
    /// Dry and wet have different lengths.
    #[error(
        "{longer} is {more} samples ({:.3} s) longer than {shorter} ({dry} and {wet}); only what \
         both cover is used: check that they belong together",
        dry.abs_diff(*.wet) as f64 / f64::from(*.sample_rate_hz),
        longer = if dry > wet { "dry" } else { "wet" },
        shorter = if dry > wet { "wet" } else { "dry" },
        more = dry.abs_diff(*wet)
    )]
    LengthsDiffer {
        /// Of dry, in samples.
        dry: usize,
        /// Of wet, in samples.
        wet: usize,
        /// Rate, if they share one.
        sample_rate_hz: u32,
    },
    /// Wet equals dry, sample by sample.
    #[error(
        "wet is identical to dry: there is no effect to learn; check that the effect was switched \
         on and the right file was exported"
    )]
    Identical,
    /// Wet is dry times one number.
    #[error(
        "wet is dry with {gain_db:+.2} dB of gain{} and nothing else: check that the effect was \
         switched on",
        if *.inverted { ", inverted," } else { "" }
    )]
    OnlyGain {
        /// That number in dB.
        gain_db: f64,
        /// Whether it is negative.
        inverted: bool,
    },
    /// Wet runs at another speed than dry: two clocks.
    #[error(
        "wet drifts against dry by {samples:+.1} samples over the recording ({ppm:+.1} ppm); below \
         1 sample is harmless: record both sides with one clock (one interface), or resample wet \
         by that much"
    )]
    Drifts {
        /// Parts per million; positive: wet lags more and more.
        ppm: f64,
        /// Samples that this amounts to over the recording.
        samples: f64,
    },
    /// The effect's filter changes by a clock: chorus, flanger, phaser, vibrato.
    #[error(
        "the effect changes over time by a clock of its own, as a chorus, flanger, phaser or \
         vibrato does (depth {depth:.2}, repeating every {period_seconds:.2} s or a part of it); a \
         network hears only dry and cannot learn when: switch the modulation off, or expect the \
         average sound"
    )]
    FilterMoves {
        /// Its period, or several of them.
        period_seconds: f64,
        /// 0 (static) to 1.
        depth: f64,
    },
    /// The effect's gain changes by a clock: tremolo.
    #[error(
        "the effect's loudness sways by {swing_db:.1} dB every {period_seconds:.2} s by a clock of \
         its own, as a tremolo's does; a network hears only dry and cannot learn when: switch the \
         modulation off, or expect the average sound"
    )]
    GainSways {
        /// Its period.
        period_seconds: f64,
        /// From the lowest to the highest gain.
        swing_db: f64,
    },
}

impl Fact {
    /// Whether it is a quick look's suspicion that the effect moves by a clock of its own.
    pub fn is_motion(&self) -> bool {
        matches!(self, Self::FilterMoves { .. } | Self::GainSways { .. })
    }
}

/// One thing worth telling, where it is and how much it matters.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    /// How much it matters.
    pub severity: Severity,
    /// What it is.
    #[serde(flatten)]
    pub fact: Fact,
    /// Where; `None` for what holds of dry and wet together.
    #[serde(flatten)]
    pub place: Option<Place>,
}

impl Finding {
    /// Something about dry and wet together.
    pub fn of_pair(severity: Severity, fact: Fact) -> Self {
        Self {
            severity,
            place: None,
            fact,
        }
    }

    /// The sentence without its severity.
    pub fn message(&self) -> String {
        match &self.place {
            Some(place) => format!("{place} {}", self.fact),
            None => self.fact.to_string(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.severity, self.message())
    }
}
