//! Whether what lies between two recordings moves by a clock of its own, decided between two
//! hypotheses that are both fitted: filters around a part that stands still where that is best, and
//! the same around the part moved by oscillators. Knows nothing of what is told of it.

use super::clip::{self, Clip};
use super::equations::Whole;
use super::oscillator;
use super::track::{Track, tracks};
use super::{COARSE, COARSE_LEADS, COARSE_TAPS};
use crate::audio;
use crate::dsp::modulation::{Motion, Part, WIDEST};
use serde::Serialize;

/// The moving hypothesis leaves less than this share of what the other leaves: most effects that move
/// leave a tenth of it, and a part that moves by chance, behind a distortion or in a room, nine.
const BETTER: f64 = 0.5;

/// A track that returns so often as exactly is none by chance: less will do.
const OFTEN: f64 = 2.5;
const EXACTLY: f64 = 0.1;
const SLIGHTLY_BETTER: f64 = 0.8;

/// Oscillators leave less than this share of the track.
const PERIODIC: f64 = 0.6;

/// The hypotheses are compared with about so many samples a second, after so many steps of the
/// second.
const RATE: f64 = 7350.0;
const STEPS: usize = 6;

/// Steps of each oscillator before one is chosen.
const COARSE_STEPS: usize = 4;

/// Of the filters in both.
const TAPS: usize = 48;

/// Samples that a delay is early there.
const LEAD: f64 = 5.0;

/// What was not heard nearly once returns only by assumption.
const FEWEST_CYCLES: f64 = 0.9;

/// The two hypotheses, and the motion of the second.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Moving {
    /// What moves.
    pub part: Part,
    /// How often a second.
    pub rate_hz: f64,
    /// From where to where it moves: seconds of delay, hertz of the all-pass chain, factors
    /// of a gain.
    pub from: f64,
    /// The upper end.
    pub to: f64,
    /// ESR that filters leave around the part standing still.
    pub still: f64,
    /// ESR that they leave around the part in motion.
    pub moving: f64,
    /// Share of the track's variance that no oscillator explains.
    pub aperiodic: f64,
    /// How often the motion was heard.
    pub cycles: f64,
}

impl Moving {
    /// Whether the effect moves by itself.
    pub fn detected(&self) -> bool {
        let sure = self.cycles > OFTEN && self.aperiodic < EXACTLY;
        let better = if sure { SLIGHTLY_BETTER } else { BETTER };
        self.moving < better * self.still
            && self.aperiodic < PERIODIC
            && self.cycles > FEWEST_CYCLES
    }
}

/// Fits both hypotheses with these parts, of the all-pass chains with the best, and gives what leaves least in
/// motion; `None` for recordings of less than a second, or where nothing returns.
pub fn detect<'a>(
    dry: impl Into<audio::Track<'a>>,
    wet: impl Into<audio::Track<'a>>,
    hz: f64,
    parts: &[Part],
) -> Option<Moving> {
    let (dry, wet) = (dry.into(), wet.into());
    let len = dry.len().min(wet.len());
    let clip = clip::loudest_of_all(dry.part(0..len), wet.part(0..len));
    // From its own first sample on.
    let clip = Clip { start: 0, ..clip };
    let tracked = parts.iter().flat_map(|&part| tracks(part, &clip, hz));
    let (chains, others): (Vec<Track>, Vec<Track>) =
        tracked.partition(|track| matches!(track.part, Part::AllPass { .. }));
    let chain = chains.into_iter().max_by(|a, b| a.free.total_cmp(&b.free));
    let heard = Heard::new(&clip, hz);
    let tried = others.iter().chain(&chain);
    let tried = tried.filter_map(|track| heard.compare(track));
    tried.min_by(|a, b| a.moving.total_cmp(&b.moving))
}

/// A clip at two lower rates.
struct Heard {
    /// Where oscillators are told apart: low frequencies are forgiving, and cost little.
    coarse: Clip,
    coarse_hz: f64,
    /// Where most of the sound is, and a sixth of the work.
    clip: Clip,
    hz: f64,
}

impl Heard {
    fn new(clip: &Clip, hz: f64) -> Self {
        let [coarse, factor] = [COARSE[0], RATE].map(|rate| clip::factor(hz, rate));
        Self {
            coarse: clip.fewer(coarse),
            coarse_hz: hz / coarse as f64,
            clip: clip.fewer(factor),
            hz: hz / factor as f64,
        }
    }

    /// Both hypotheses of one part.
    fn compare(&self, track: &Track) -> Option<Moving> {
        let still = self.standing(track)?;
        let found = oscillator::plain(std::slice::from_ref(track));
        let aperiodic = found
            .iter()
            .map(|found| found.left)
            .fold(f64::INFINITY, f64::min);
        // What no oscillator explains is not worth the steps.
        let steps = if aperiodic < PERIODIC {
            [COARSE_STEPS, STEPS]
        } else {
            [0, 0]
        };
        let tried = found
            .into_iter()
            .filter_map(|found| self.tried(found, steps[0]));
        let mut whole = oscillator::meant(tried.collect(), |tried| {
            (tried.1, tried.0.motion.oscillator.rate_hz)
        })?
        .0;
        (whole.taps, whole.lead) = (TAPS, LEAD);
        let clips = std::slice::from_ref(&self.clip);
        let (_, moving) = whole.refine(clips, self.hz, steps[1], &|| true)?;
        let [from, to] = ends(&whole.motion);
        let rate_hz = whole.motion.oscillator.rate_hz;
        Some(Moving {
            part: track.part,
            rate_hz,
            cycles: rate_hz * track.moment * track.values.len() as f64,
            from,
            to,
            still,
            moving,
            aperiodic,
        })
    }

    /// An oscillator brought nearer to the low frequencies, and what it leaves of them.
    fn tried(&self, found: oscillator::Found, steps: usize) -> Option<(Whole, f64)> {
        let mut whole = Whole::of(found, COARSE_TAPS[0], COARSE_LEADS[0]);
        let clips = std::slice::from_ref(&self.coarse);
        let (_, left) = whole.refine(clips, self.coarse_hz, steps, &|| true)?;
        Some((whole, left))
    }

    /// The least that filters leave around the part where it stands still: at the value that explains most,
    /// and at the middle of the track.
    fn standing(&self, track: &Track) -> Option<f64> {
        let mut values = track.values.clone();
        values.sort_unstable_by(f64::total_cmp);
        let tried = [track.still_value, values[values.len() / 2]];
        let tried = tried.into_iter().filter_map(|centre| {
            let whole = Whole::still(Motion::still(track.part, centre), TAPS, LEAD);
            let clips = std::slice::from_ref(&self.clip);
            Some(whole.filters(clips, self.hz)?.1)
        });
        tried.min_by(f64::total_cmp)
    }
}

/// Between what a motion goes to and fro, in seconds or hertz.
fn ends(motion: &Motion) -> [f64; 2] {
    let [high, low] = motion.range();
    [low, high].map(|value| match motion.part {
        Part::Gain => motion.centre + value,
        _ => (motion.centre + value).clamp(-WIDEST, WIDEST).exp(),
    })
}
