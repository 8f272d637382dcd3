//! What a box's behaviour means to whoever plays through it.
//!
//! Judges figures alone.

use super::behaviour::Behaviour;
use crate::audio::level::decibels;
use serde::Serialize;
use std::fmt;
use std::ops::Deref;

/// From here on a sound in silence is heard, in dBFS.
const AUDIBLE_DBFS: f64 = -80.0;
/// From here on a constant eats headroom and clicks where playing starts and stops, in dBFS.
const HARMFUL_DC_DBFS: f64 = -50.0;
/// What swells by this much in the silence listened to does not end, in decibels.
const GROWING_DB: f64 = 6.0;
/// From here on a delay colours what is mixed with dry, in samples.
const LATE_SAMPLES: i64 = 8;
/// Rates that players offer, in hertz.
const USUAL_RATES: [u32; 6] = [44_100, 48_000, 88_200, 96_000, 176_400, 192_000];

/// Something that a player would hear.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Fault {
    /// NaN or infinity.
    NotFinite,
    /// It swells while nothing is played.
    Grows,
    /// A tone while nothing is played.
    Sings,
    /// Some other sound while nothing is played.
    Noisy,
    /// A constant while nothing is played.
    Dc,
    /// It goes on after a note has ended.
    GoesOn,
    /// It starts this many samples late.
    Late {
        /// So many.
        samples: i64,
    },
    /// It starts this many samples before its input, once its declared latency is taken off.
    Early {
        /// So many.
        samples: i64,
    },
    /// It is upside down.
    Inverted,
    /// Its answer hangs on the last bit of what is played, from this level on.
    Erratic {
        /// Peak level of the sine, in dBFS.
        dbfs: f64,
    },
    /// Its memory can be led where silence does not lead it back from.
    Strays {
        /// So many of the states that were tried.
        lost: u32,
        /// All of them.
        tried: u32,
    },
    /// It says nothing to a click.
    Deaf,
    /// Not the rate of its players.
    Rate,
}

impl Fault {
    /// Whether nobody could play with it: it sounds by itself.
    pub fn is_grave(&self) -> bool {
        matches!(self, Self::NotFinite | Self::Grows | Self::Sings)
    }
}

/// A behaviour and what it means.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Judged {
    /// The figures.
    #[serde(flatten)]
    pub behaviour: Behaviour,
    /// Whether one could play through it: it neither grows nor sings.
    pub passes: bool,
    /// What a player would hear, gravest first.
    pub faults: Vec<Told>,
}

/// A fault in words.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Told {
    /// Which.
    #[serde(flatten)]
    pub fault: Fault,
    /// Whether nobody could play with it.
    pub grave: bool,
    /// With its figures.
    pub text: String,
}

impl From<Behaviour> for Judged {
    fn from(behaviour: Behaviour) -> Self {
        let told = |fault: Fault| Told {
            grave: fault.is_grave(),
            text: behaviour.explain(&fault),
            fault,
        };
        let faults: Vec<Told> = behaviour.faults().into_iter().map(told).collect();
        Self {
            passes: !faults.iter().any(|told| told.grave),
            faults,
            behaviour,
        }
    }
}

impl Deref for Judged {
    type Target = Behaviour;

    fn deref(&self) -> &Behaviour {
        &self.behaviour
    }
}

impl Behaviour {
    /// What a player would hear, gravest first; what an effect may do by its nature is told too.
    pub fn faults(&self) -> Vec<Fault> {
        let idle = &self.idle;
        let heard = idle.rms_dbfs > AUDIBLE_DBFS;
        let grows = heard && idle.growth_db > GROWING_DB;
        let late = self.start_samples.unwrap_or(0);
        let strays = self.strays.unwrap_or_default();
        let found = [
            (!self.finite, Fault::NotFinite),
            (grows, Fault::Grows),
            (heard && idle.tone.is_some(), Fault::Sings),
            (heard && idle.tone.is_none(), Fault::Noisy),
            (idle.dc_dbfs() > HARMFUL_DC_DBFS, Fault::Dc),
            (self.decay_seconds.is_none(), Fault::GoesOn),
            (late >= LATE_SAMPLES, Fault::Late { samples: late }),
            (late < 0, Fault::Early { samples: -late }),
            (self.inverted == Some(true), Fault::Inverted),
            (
                self.erratic_dbfs.is_some(),
                Fault::Erratic {
                    dbfs: self.erratic_dbfs.unwrap_or(0.0),
                },
            ),
            (
                strays.lost > 0,
                Fault::Strays {
                    lost: strays.lost,
                    tried: strays.tried,
                },
            ),
            (self.start_samples.is_none(), Fault::Deaf),
            (!self.is_played_at_its_rate(), Fault::Rate),
        ];
        let found = found.into_iter().filter(|(is, _)| *is);
        found.map(|(_, fault)| fault).collect()
    }

    fn is_played_at_its_rate(&self) -> bool {
        match self.players_rate_hz {
            Some(rate) => rate == self.sample_rate_hz,
            None => USUAL_RATES.contains(&self.sample_rate_hz),
        }
    }

    /// Whether it grows, sings or is no sound at all.
    pub fn is_unplayable(&self) -> bool {
        self.faults().iter().any(Fault::is_grave)
    }

    /// A fault in words, with its figures.
    pub fn explain(&self, fault: &Fault) -> String {
        let idle = &self.idle;
        let level = level(idle.rms_dbfs).unwrap_or_default();
        let seconds = idle.seconds;
        match fault {
            Fault::NotFinite => "it answers with NaN or infinity".to_string(),
            Fault::Grows => format!(
                "it grows in silence: by {:.0} dB within {seconds:.0} s, to {level}",
                idle.growth_db
            ),
            Fault::Sings => {
                let hz = idle.tone.map_or(0.0, |tone| tone.hz);
                format!("it sings in silence: a tone of {hz:.0} Hz at {level}")
            }
            Fault::Noisy => format!("it is not silent in silence: {level}"),
            Fault::Dc => format!(
                "a constant of {:+.4} ({}) in silence",
                idle.dc,
                self::level(idle.dc_dbfs()).unwrap_or_default()
            ),
            Fault::GoesOn => "it goes on sounding 4 s after a note has ended".to_string(),
            Fault::Late { samples } => format!("it starts {samples} samples late"),
            Fault::Early { samples } => {
                format!("it starts {samples} samples early: its declared latency is too long")
            }
            Fault::Inverted => "its polarity is inverted".to_string(),
            Fault::Erratic { dbfs } => format!(
                "to peaks of {dbfs:.0} dBFS it answers by chance: sounds that differ in their last bit come \
                 out differently; let it learn from playing that loud, too"
            ),
            Fault::Strays { lost, tried } => {
                let left = self.strays.map_or(0.0, |strays| strays.loudest);
                format!(
                    "led astray, it may not come back: of {tried} states that its memory may be in, \
                     {lost} still sound after 3 s of silence ({}); trained here, training.stray_starts = \
                     16 teaches it to",
                    self::level(decibels(left)).unwrap_or_default()
                )
            }
            Fault::Deaf => "it does not answer a click".to_string(),
            Fault::Rate => {
                let own = self.sample_rate_hz;
                match self.players_rate_hz {
                    Some(rate) => format!(
                        "it runs at {own} Hz and its players at {rate} Hz: those that do not \
                         resample play it at the wrong rate"
                    ),
                    None => format!("{own} Hz is a rate that players do not offer: 48000 is usual"),
                }
            }
        }
    }

    /// Gain of the softest step of the staircase, in decibels.
    pub fn low_level_gain_db(&self) -> Option<f64> {
        self.staircase.first().map(|step| step.gain_db)
    }
}

/// A level in words; none where there is nothing.
fn level(dbfs: f64) -> Option<String> {
    (dbfs > -200.0 || dbfs.is_nan()).then(|| format!("{dbfs:.1} dBFS"))
}

/// Figures in a line, then a fault a line.
impl fmt::Display for Behaviour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let idle = &self.idle;
        f.write_str(match self.is_unplayable() {
            true => "does not pass: ",
            false => "passes: ",
        })?;
        match level(idle.rms_dbfs) {
            Some(level) => write!(f, "{level} in silence")?,
            None => f.write_str("silent in silence")?,
        }
        if let Some(level) = level(idle.dc_dbfs()) {
            write!(f, ", constant {level}")?;
        }
        match self.start_samples {
            Some(samples) => write!(f, ", starts after {samples} samples")?,
            None => write!(f, ", does not answer a click")?,
        }
        match self.inverted {
            Some(true) => write!(f, ", polarity inverted")?,
            Some(false) => write!(f, ", polarity kept")?,
            None => {}
        }
        match self.decay_seconds {
            Some(seconds) => write!(f, ", a note ends within {seconds:.2} s")?,
            None => write!(f, ", a note does not end within 4 s")?,
        }
        if let (Some(soft), Some(loud)) = (self.staircase.first(), self.staircase.last()) {
            write!(
                f,
                ", gain {:+.1} dB at {:.0} dBFS and {:+.1} dB at {:.0} dBFS",
                soft.gain_db, soft.level_dbfs, loud.gain_db, loud.level_dbfs
            )?;
        }
        write!(f, ", aliasing {:.0} dB", self.aliasing_db)?;
        for fault in self.faults() {
            let mark = if fault.is_grave() { "fault" } else { "note" };
            write!(f, "\n  {mark}: {}", self.explain(&fault))?;
        }
        Ok(())
    }
}
