//! Effects that move by a clock of their own, as a model that can be fitted: a filter on dry, and
//! another behind a delay line, an all-pass chain or a gain that a slow oscillator moves (chorus,
//! flanger, vibrato; phaser; tremolo).
//!
//! First the part's value is tracked moment by moment ([`track`]), then the oscillator behind the
//! track is found ([`oscillator`]), then everything is brought nearer to the sound itself, at a low
//! rate first ([`refine`]): what the published models learn by gradients from a random start
//! (Carson et al. 2023; Mitcheltree et al. 2023) is solved for here in seconds. Several recordings
//! of one effect share all but the phase. Knows nothing of files or of networks.

mod clip;
mod detect;
mod equations;
mod fold;
mod normal;
mod oscillator;
mod refine;
mod track;

pub use crate::dsp::modulation::{Modulation, Motion, Oscillator, Part, Phases};
pub use clip::Recording;
pub use detect::{Moving, detect};
pub use track::PARTS;

use crate::dsp::modulation::{LEAD, Operator, SIDEBANDS};
use clip::{Clip, excerpts, factor, fewer};
use equations::{Filters, Whole};
use rayon::prelude::*;
use track::Track;

/// A plain oscillator that leaves less is right; else so many slower ones are tried.
const EXPLAINED: f64 = 0.02;
const TRIED: usize = 4;

/// So many slower ones go on to where held-back stretches tell which is right; or beside the best that of another
/// part, if it leaves not much more.
const FINALISTS: usize = 2;
const COMPARABLE: f64 = 10.0;

/// Most steps at each of the lower rates; of each candidate before one is chosen.
const STEPS: usize = 15;
const TRIED_STEPS: usize = 4;

/// A wave of more harmonics is believed where it leaves less than this share of what a plain one does.
const CARRIED: f64 = 0.35;

/// Two oscillators of which one leaves more than the other by less than this share of what a plain one does are as good.
const HARDLY: f64 = 2e-3;

/// Harmonics of a finished curve, and those beyond a wave that a slower one carries.
pub const HARMONICS: usize = 16;
const BEYOND: usize = 4;

/// No harmonic is faster than this: a part that moves so fast is heard as a sound of its own.
const FASTEST_HZ: f64 = 60.0;

/// The sound is looked at with about so many samples a second at first, the first two of them, or of all-pass chains
/// the last two: for delays low frequencies are forgiving, but chains sweep above them, and near half the rate turn
/// the phase otherwise than at their own.
const COARSE: [f64; 3] = [2750.0, 7350.0, 22_050.0];

/// Taps of the filters there: as long in time as finished ones, or longer.
const COARSE_TAPS: [usize; 3] = [16, 28, 40];

/// Samples that a delay is early there.
const COARSE_LEADS: [f64; 3] = [3.0, 5.0, 8.0];

/// Recordings whose motion is tracked; the phase of the others is looked for.
const TRACKED: usize = 4;

/// Most samples that are learned from: 30 s at 48 kHz.
const MOST_SAMPLES: usize = 1_440_000;

/// Most samples that tell a recording's phase.
const PHASE_SAMPLES: usize = 480_000;

/// How large a model is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Taps of the filters on dry and behind the part.
    pub taps: usize,
    /// Most harmonics of the curve.
    pub harmonics: usize,
    /// Whether there may be a second oscillator.
    pub second: bool,
}

impl Default for Size {
    fn default() -> Self {
        Self {
            taps: 80,
            harmonics: 32,
            second: false,
        }
    }
}

/// What is to be known of an effect before it is learned.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shape {
    /// What moves.
    pub part: Part,
    /// Whether two oscillators move it.
    pub second: bool,
    /// Most harmonics of the first that lie below what the second does.
    pub harmonics: usize,
}

/// An effect fitted to recordings.
#[derive(Clone, Debug, PartialEq)]
pub struct Fitted {
    /// What they share.
    pub effect: Modulation,
    /// Where the oscillator stood with the first sample of each recording.
    pub phases: Vec<Phases>,
    /// How often a second it moved in each, where that can be told: no analogue clock keeps time from take to
    /// take. The effect's rate is the mean.
    pub rates: Vec<f64>,
    /// What is left of them (ESR).
    pub left: f64,
}

impl Fitted {
    fn new(whole: Whole, around: Filters, left: f64) -> Self {
        Self {
            effect: Modulation {
                motion: whole.motion,
                dry_filter: around.dry,
                wet_filter: around.wet,
            },
            phases: whole.phases,
            rates: whole.rates,
            left,
        }
    }

    /// A first fit, from nothing but the recordings, with any part or with this one; `None` where
    /// nothing returns, or told to stop.
    pub fn begin(
        recordings: &[Recording<'_>],
        hz: f64,
        (part, size): (Option<Part>, Size),
        go_on: &dyn Fn() -> bool,
    ) -> Option<Self> {
        let clips = excerpts(recordings, hz, MOST_SAMPLES);
        let mut whole = nearer(recordings, &clips, hz, (part, size.second), go_on)?;
        (whole.taps, whole.lead) = (size.taps, LEAD);
        let below = below_second(&whole.motion);
        let oscillator = &mut whole.motion.oscillator;
        let heard = oscillator.curve.len() / 2;
        let wanted = if heard > HARMONICS {
            heard + BEYOND
        } else {
            HARMONICS
        };
        let most = (FASTEST_HZ / oscillator.rate_hz.max(1e-3)) as usize;
        let harmonics = wanted.min(most).min(below).clamp(1, size.harmonics);
        oscillator.curve.resize(2 * harmonics, 0.0);
        let (around, left) = whole.filters(&clips, hz)?;
        go_on().then(|| Self::new(whole, around, left))
    }

    /// What explains the recordings best, two oscillators where there may be two; `None` as in [`Fitted::begin`].
    pub fn shape_of(
        recordings: &[Recording<'_>],
        hz: f64,
        two: bool,
        go_on: &dyn Fn() -> bool,
    ) -> Option<Shape> {
        let clips = excerpts(recordings, hz, MOST_SAMPLES);
        let motion = nearer(recordings, &clips, hz, (None, two), go_on)?.motion;
        Some(Shape {
            part: motion.part,
            second: motion.second.is_some(),
            harmonics: below_second(&motion),
        })
    }

    /// An effect that is known, with the phases of these recordings.
    pub fn of(effect: Modulation, recordings: &[Recording<'_>], hz: f64) -> Self {
        let each = recordings.par_iter().map(|r| effect.stood(r, hz));
        let (phases, rates) = each.unzip();
        Self {
            phases,
            rates,
            effect,
            left: f64::INFINITY,
        }
    }

    /// Takes at most so many steps nearer to the recordings at their own rate. `None` where it cannot be
    /// fitted.
    pub fn refine(
        self,
        recordings: &[Recording<'_>],
        hz: f64,
        steps: usize,
        go_on: &dyn Fn() -> bool,
    ) -> Option<Self> {
        let clips = excerpts(recordings, hz, MOST_SAMPLES);
        let mut whole = Whole {
            taps: self.effect.wet_filter.len(),
            lead: LEAD,
            motion: self.effect.motion,
            phases: self.phases,
            rates: self.rates,
            apart: false,
        };
        let (around, left) = whole.refine(&clips, hz, steps, go_on)?;
        Some(Self::new(whole, around, left))
    }

    /// The effect's answer to the dry side of one of the recordings, at its own rate.
    pub fn answer(&self, at: usize, dry: &[f32], hz: f64) -> Vec<f32> {
        let mut effect = self.effect.clone();
        effect.motion.oscillator.rate_hz = self.rates[at];
        effect.answer(dry, self.phases[at], hz)
    }
}

/// Harmonics of the first oscillator that lie below a second one's lowest sideband.
fn below_second(motion: &Motion) -> usize {
    let Some(second) = &motion.second else {
        return usize::MAX;
    };
    let times = second.rate_hz / motion.oscillator.rate_hz.max(f64::MIN_POSITIVE);
    (times as usize).saturating_sub(SIDEBANDS + 1).max(1)
}

/// Recordings at a lower rate, and how long filters are there, and how early a delay.
struct Lower {
    clips: Vec<Clip>,
    hz: f64,
    taps: usize,
    lead: f64,
}

impl Lower {
    /// At all lower rates.
    fn all(clips: &[Clip], hz: f64) -> [Self; 3] {
        [0, 1, 2].map(|at| {
            let factor = factor(hz, COARSE[at]);
            Self {
                clips: fewer(clips, factor),
                hz: hz / factor as f64,
                taps: COARSE_TAPS[at],
                lead: COARSE_LEADS[at],
            }
        })
    }

    /// The same with other clips.
    fn with(&self, clips: impl Iterator<Item = Clip>) -> Self {
        Self {
            clips: clips.collect(),
            ..*self
        }
    }
}

/// Those of the lower rates that say what a part does.
fn of_part(lower: &[Lower; 3], part: Part) -> &[Lower] {
    match part {
        Part::AllPass { .. } => &lower[1..],
        _ => &lower[..2],
    }
}

/// The motion that leaves least of the recordings at the lower rates.
fn nearer(
    recordings: &[Recording<'_>],
    clips: &[Clip],
    hz: f64,
    may_be: (Option<Part>, bool),
    go_on: &dyn Fn() -> bool,
) -> Option<Whole> {
    let lower = Lower::all(clips, hz);
    let mut chosen = chosen(recordings, &lower, hz, may_be, go_on)?;
    let best = match chosen.len() {
        1 => chosen.pop()?,
        _ => {
            let heard = |whole: &Whole| held_back(whole.clone(), &lower, go_on);
            let heard = chosen
                .into_iter()
                .filter_map(|whole| Some((heard(&whole)?, whole)));
            heard.min_by(|a, b| a.0.total_cmp(&b.0))?.1
        }
    };
    let (best, _) = finished(best, &lower, go_on)?;
    go_on().then_some(best)
}

/// A motion brought nearer at one lower rate after the other, and the filters at the last.
fn finished(
    mut whole: Whole,
    lower: &[Lower; 3],
    go_on: &dyn Fn() -> bool,
) -> Option<(Whole, Filters)> {
    let mut around = None;
    for lower in of_part(lower, whole.motion.part) {
        (whole.taps, whole.lead) = (lower.taps, lower.lead);
        around = Some(whole.refine(&lower.clips, lower.hz, STEPS, go_on)?.0);
    }
    Some((whole, around?))
}

/// What a motion leaves (ESR) of the ends of the clips, which it has not heard.
fn held_back(whole: Whole, lower: &[Lower; 3], go_on: &dyn Fn() -> bool) -> Option<f64> {
    let heard = lower
        .each_ref()
        .map(|lower| lower.with(lower.clips.iter().map(Clip::beginning)));
    let (whole, around) = finished(whole, &heard, go_on)?;
    let last = of_part(lower, whole.motion.part).last()?;
    let sums = last.clips.par_iter().map(|clip| {
        let end = clip.end();
        let energy: f64 = end.wet[end.skip..].iter().map(|x| x * x).sum();
        let phases = whole.phases[clip.recording];
        [whole.missed(&around, &[&end], last.hz, phases), energy]
    });
    let [left, energy] = sums.reduce(|| [0.0; 2], |a, b| [a[0] + b[0], a[1] + b[1]]);
    Some(left / energy.max(f64::MIN_POSITIVE))
}

/// A motion tried on the tracked recordings at a low rate.
struct Tried {
    whole: Whole,
    around: Filters,
    left: f64,
}

impl Tried {
    /// On the first of these rates that says what the part does.
    fn new(
        found: oscillator::Found,
        lower: &[Lower; 3],
        steps: usize,
        go_on: &dyn Fn() -> bool,
    ) -> Option<Self> {
        let Lower {
            clips,
            hz,
            taps,
            lead,
        } = of_part(lower, found.motion.part).first()?;
        let mut whole = Whole::of(found, *taps, *lead);
        let (around, _) = whole.refine(clips, *hz, steps, go_on)?;
        // A recording that was caught in another place turns to where it belongs; where two oscillators stood, a
        // track's own phases say.
        if whole.motion.second.is_none() {
            whole.turn_to(&around, clips, *hz);
        }
        let (around, left) = whole.refine(clips, *hz, steps, go_on)?;
        Some(Self {
            whole,
            around,
            left,
        })
    }
}

/// The motions that leave least of the tracked recordings at a low rate, with the phases of all: those of two parts;
/// or two of the slower oscillators that may carry a wave, and two that know nothing of each other. More of the sound
/// tells which it is.
fn chosen(
    recordings: &[Recording<'_>],
    lower: &[Lower; 3],
    hz: f64,
    (part, two): (Option<Part>, bool),
    go_on: &dyn Fn() -> bool,
) -> Option<Vec<Whole>> {
    let tracked = recordings.iter().enumerate().take(TRACKED);
    let tracked: Vec<Clip> = tracked.map(|(at, r)| clip::loudest(r, at)).collect();
    let candidates = candidates(&tracked, hz, part, go_on);
    let own = lower.each_ref().map(|lower| {
        let own = lower.clips.iter().filter(|c| c.recording < tracked.len());
        lower.with(own.cloned())
    });
    let plain = candidates.into_iter().filter_map(|(tracks, found)| {
        let tried = Tried::new(found.clone(), &own, TRIED_STEPS, go_on)?;
        Some((tracks, found, tried))
    });
    let mut plain: Vec<_> = plain.collect();
    plain.sort_by(|a, b| a.2.left.total_cmp(&b.2.left));
    let part = plain.first()?.2.whole.motion.part;
    let alike = (0..plain.len()).filter(|at| plain[*at].2.whole.motion.part == part);
    let meant = oscillator::meant(alike.collect(), |at| {
        let tried = &plain[*at].2;
        (tried.left, tried.whole.motion.oscillator.rate_hz)
    });
    plain.swap(0, meant?);
    let (tracks, found, best) = plain.first()?;
    let left = best.left;
    let mut finalists = match left > EXPLAINED {
        true => slower(tracks, found, &own, go_on),
        false => Vec::new(),
    };
    finalists.truncate(FINALISTS);
    if left > EXPLAINED && two {
        finalists.extend(beside(tracks, (found, left), &own, go_on));
    }
    finalists.retain(|more| more.left < CARRIED * left);
    if finalists.is_empty() {
        let mut plain = plain.into_iter().map(|(_, _, tried)| tried);
        finalists.extend(plain.next());
        let other = plain.find(|tried| tried.whole.motion.part != part);
        finalists.extend(other.filter(|tried| tried.left < COMPARABLE * left));
    }
    let located = finalists.into_iter().map(|tried| -> Option<Whole> {
        let Tried {
            mut whole, around, ..
        } = tried;
        let lower = of_part(lower, whole.motion.part).first()?;
        for at in whole.phases.len()..recordings.len() {
            let clips: Vec<&Clip> = lower.clips.iter().filter(|c| c.recording == at).collect();
            whole.phases.push([0.0; 2]);
            whole.rates.push(whole.motion.oscillator.rate_hz);
            whole.phases[at] = whole.anywhere(&around, &clips, lower.hz);
        }
        Some(whole)
    });
    located.collect()
}

/// Slower oscillators with the plain one among their harmonics, that first that leaves least: those that
/// explain the tracks best are tried, then those on either side of the best, as long as one is better.
fn slower(
    tracks: &[Track],
    plain: &oscillator::Found,
    lower: &[Lower; 3],
    go_on: &dyn Fn() -> bool,
) -> Vec<Tried> {
    let found = oscillator::carrying(tracks, plain);
    let fast = plain.motion.oscillator.rate_hz;
    let times = |of: &oscillator::Found| (fast / of.motion.oscillator.rate_hz).round() as usize;
    let mut next: Vec<usize> = found.iter().take(TRIED).map(times).collect();
    let (mut seen, mut tried): (Vec<usize>, Vec<(usize, Tried)>) = (Vec::new(), Vec::new());
    while let Some(at) = next.pop() {
        if seen.contains(&at) {
            continue;
        }
        seen.push(at);
        let candidate = found.iter().find(|found| times(found) == at);
        let there = candidate.and_then(|f| Tried::new(f.clone(), lower, STEPS, go_on));
        tried.extend(there.map(|there| (at, there)));
        tried.sort_by(|a, b| a.1.left.total_cmp(&b.1.left));
        if let (true, Some((at, _))) = (next.is_empty(), tried.first()) {
            let beside = [at - 1, at + 1].into_iter();
            next.extend(beside.filter(|at| !seen.contains(at)));
        }
    }
    tried.into_iter().map(|(_, tried)| tried).collect()
}

/// Of two oscillators that know nothing of each other, the plain one, which leaves so much, one of them, what leaves
/// least; of those that leave hardly more the slowest, for a rate and its sideband say the same.
fn beside(
    tracks: &[Track],
    (plain, of_plain): (&oscillator::Found, f64),
    lower: &[Lower; 3],
    go_on: &dyn Fn() -> bool,
) -> Option<Tried> {
    let found = oscillator::beside(tracks, plain).into_iter();
    let tried = found.filter_map(|found| Tried::new(found, lower, STEPS, go_on));
    let mut tried: Vec<Tried> = tried.collect();
    let least = tried.iter().map(|tried| tried.left);
    let least = least.fold(f64::INFINITY, f64::min);
    tried.retain(|tried| tried.left <= oscillator::AS_GOOD * least + HARDLY * of_plain);
    let rate = |tried: &Tried| tried.whole.motion.oscillator.rate_hz;
    tried.into_iter().min_by(|a, b| rate(a).total_cmp(&rate(b)))
}

/// The tracks of each part that may be it, with an oscillator behind them: of all-pass chains the two best.
fn candidates(
    clips: &[Clip],
    hz: f64,
    part: Option<Part>,
    go_on: &dyn Fn() -> bool,
) -> Vec<(Vec<Track>, oscillator::Found)> {
    let parts = part.map_or(PARTS.to_vec(), |part| vec![part]);
    let tracked = parts.into_iter().flat_map(|part| {
        let each = clips.par_iter().map(|clip| track::tracks(part, clip, hz));
        let each: Vec<Vec<Track>> = each.collect();
        let ways = each.iter().map(Vec::len).min().filter(|_| go_on());
        let way =
            |at: usize| -> Vec<Track> { each.iter().map(|tracks| tracks[at].clone()).collect() };
        (0..ways.unwrap_or(0)).map(way).collect::<Vec<Vec<Track>>>()
    });
    let (mut chains, mut all): (Vec<Vec<Track>>, Vec<Vec<Track>>) =
        tracked.partition(|tracks| matches!(tracks[0].part, Part::AllPass { .. }));
    let share = |tracks: &[Track]| tracks.iter().map(|t| t.free).sum::<f64>();
    chains.sort_by(|a, b| share(b).total_cmp(&share(a)));
    all.extend(chains.into_iter().take(2));
    let found = |tracks: Vec<Track>| {
        let found = oscillator::plain(&tracks).into_iter();
        found.map(move |found| (tracks.clone(), found))
    };
    all.into_iter().flat_map(found).collect()
}

impl Whole {
    /// Takes the phase that leaves least of each recording, wherever it is.
    fn turn_to(&mut self, around: &Filters, clips: &[Clip], hz: f64) {
        for at in 0..self.phases.len() {
            let own: Vec<&Clip> = clips.iter().filter(|c| c.recording == at).collect();
            let there = self.anywhere(around, &own, hz);
            let left = |phases: Phases| self.missed(around, &own, hz, phases);
            if left(there) < 0.8 * left(self.phases[at]) {
                self.phases[at] = there;
            }
        }
    }
}

impl Modulation {
    fn filters(&self) -> Filters {
        Filters {
            dry: self.dry_filter.clone(),
            wet: self.wet_filter.clone(),
        }
    }

    /// The effect's answer to `dry`, silence before it, the oscillators at `phases` with its first
    /// sample.
    pub fn answer(&self, dry: &[f32], phases: Phases, hz: f64) -> Vec<f32> {
        let x: Vec<f64> = dry.iter().map(|&x| f64::from(x)).collect();
        let mut moved = vec![0.0; x.len()];
        let motion = self.motion.clone().with_second_at(phases[1]);
        Operator::new(self.motion.part, hz).run(&motion, phases[0], &x, &mut moved);
        let answer = self.filters().answer(&x, &moved);
        answer.iter().map(|&y| y as f32).collect()
    }

    /// Where the oscillators stood with the first sample of a recording, of which two seconds or so are
    /// enough: the phases that leave least, looked for all around at a low rate, then nearby. And how often a
    /// second it moves there, which is what was learned unless it was heard often enough to tell.
    pub fn stood(&self, recording: &Recording<'_>, hz: f64) -> (Phases, f64) {
        self.stood_in(std::slice::from_ref(recording), 0.0, hz)
    }

    /// The same of all sides of a recording, the oscillator so far ahead (radians) on the right.
    pub fn stood_in(&self, sides: &[Recording<'_>], ahead: f64, hz: f64) -> (Phases, f64) {
        let sought = Sought::new(self, sides, ahead, hz);
        let (phase, rate) = sought.at_its_rate(sought.coarsely());
        (sought.nearby(phase, rate), rate)
    }
}

/// A recording whose phase is looked for.
struct Sought<'a> {
    effect: &'a Modulation,
    clips: Vec<Clip>,
    hz: f64,
    /// At a low rate, with filters that say there what the effect's own say.
    coarse: Vec<Clip>,
    low: f64,
    whole: Whole,
    around: Option<Filters>,
}

/// Rates tried on either side of the learned one.
const RATES_TRIED: f64 = 12.0;

impl<'a> Sought<'a> {
    fn new(effect: &'a Modulation, sides: &[Recording<'_>], ahead: f64, hz: f64) -> Self {
        let clips = excerpts(sides, hz, PHASE_SAMPLES).into_iter();
        let clips = clips.map(|clip| Clip {
            ahead: if clip.recording == 1 { ahead } else { 0.0 },
            // All move by one oscillator.
            recording: 0,
            ..clip
        });
        let clips: Vec<Clip> = clips.collect();
        let whole = Whole {
            motion: effect.motion.clone(),
            phases: vec![[0.0; 2]],
            rates: vec![effect.motion.oscillator.rate_hz],
            apart: false,
            taps: COARSE_TAPS[1],
            lead: COARSE_LEADS[1],
        };
        let factor = factor(hz, COARSE[1]);
        let low = hz / factor as f64;
        let answered = clips.iter().map(|clip| {
            let mut moved = vec![0.0; clip.dry.len()];
            let operator = Operator::new(effect.motion.part, hz);
            let mut operator = operator.starting_at(clip.start);
            operator.run(&effect.motion, clip.ahead, &clip.dry, &mut moved);
            Clip {
                wet: effect.filters().answer(&clip.dry, &moved),
                ..clip.clone()
            }
        });
        let answered: Vec<Clip> = answered.collect();
        let around = whole.filters(&fewer(&answered, factor), low);
        Self {
            effect,
            coarse: fewer(&clips, factor),
            clips,
            hz,
            low,
            whole,
            around: around.map(|(around, _)| around),
        }
    }

    fn coarsely(&self) -> Phases {
        let clips: Vec<&Clip> = self.coarse.iter().collect();
        let around = self.around.as_ref();
        around.map_or([0.0; 2], |around| {
            self.whole.anywhere(around, &clips, self.low)
        })
    }

    /// The rate near the learned one that leaves least where the phase in the recording's middle stays, where
    /// the recording tells; the phase with its first sample, and that rate.
    fn at_its_rate(&self, phase: Phases) -> (Phases, f64) {
        let learned = self.effect.motion.oscillator.rate_hz;
        let ends = self.coarse.iter().map(|clip| {
            let start = clip.start as f64;
            [start + clip.skip as f64, start + clip.dry.len() as f64]
        });
        let ends: Vec<[f64; 2]> = ends.collect();
        let first = ends
            .iter()
            .map(|ends| ends[0])
            .fold(f64::INFINITY, f64::min);
        let last = ends.iter().map(|ends| ends[1]).fold(0.0, f64::max);
        let Some(around) = &self.around else {
            return (phase, learned);
        };
        // Of two oscillators the slower one is hardly heard as often.
        let two = self.effect.motion.second.is_some();
        if two || learned * (last - first) / self.low < oscillator::TOLD {
            return (phase, learned);
        }
        let middle = 0.5 * (first + last) / self.low;
        let clips: Vec<&Clip> = self.coarse.iter().collect();
        let at = |steps: f64| {
            let share = oscillator::ASTRAY * steps / RATES_TRIED;
            let turned = std::f64::consts::TAU * learned * share * middle;
            ([phase[0] - turned, phase[1]], learned * (1.0 + share))
        };
        let left = |steps: f64| {
            let (phase, rate) = at(steps);
            let whole = Whole {
                rates: vec![rate],
                ..self.whole.clone()
            };
            whole.missed(around, &clips, self.low, phase)
        };
        let steps = (0..=2 * RATES_TRIED as usize).map(|i| i as f64 - RATES_TRIED);
        let tried: Vec<(f64, f64)> = steps.map(|steps| (steps, left(steps))).collect();
        let least = (0..tried.len()).min_by(|&a, &b| tried[a].1.total_cmp(&tried[b].1));
        let least = least.unwrap_or(0);
        let of_learned = tried[tried.len() / 2].1;
        if tried[least].1 > oscillator::MUCH_LESS * of_learned {
            return (phase, learned);
        }
        let [before, after] = [least.wrapping_sub(1), least + 1].map(|i| tried.get(i));
        // Where the parabola through three of them turns.
        let between = match (before, after) {
            (Some((_, a)), Some((_, c))) => {
                0.5 * (a - c) / (a - 2.0 * tried[least].1 + c).max(1e-300)
            }
            _ => 0.0,
        };
        at(tried[least].0 + between.clamp(-0.5, 0.5))
    }

    fn nearby(&self, phase: Phases, rate: f64) -> Phases {
        let full: Vec<&Clip> = self.clips.iter().collect();
        let near = Whole {
            lead: LEAD,
            rates: vec![rate],
            ..self.whole.clone()
        };
        near.nearby(&self.effect.filters(), &full, self.hz, phase)
    }
}

#[cfg(test)]
mod tests;
