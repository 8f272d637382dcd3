//! An effect that moves by itself: a filter on the dry sound, and another behind a delay, a chain of
//! all-pass filters or a gain that an oscillator moves. A differentiable oscillator as in Carson,
//! Valentini-Botinhao & Bilbao 2023 and Mitcheltree et al. 2023; found and solved for outside
//! (`effigy::training`), with gradients all the same: the moved sound carries the exact slopes that
//! [`Operator`] gives, so that whatever is learned around it reaches its numbers too.
//!
//! Its clock is its state. Where knobs enter beside the sound they are [`network::Modulated`]'s phase (with the
//! first sample heard), rate, depth, and a second oscillator's phase. Knows no other network.

use super::effect_network::{Build, EffectNetwork, Memory, Reach, Site, warmed_up};
use super::parts::numbers;
use super::state::State;
use super::work::Work;
use crate::config::{ModulatedConfig, SECOND_HARMONICS};
use crate::dsp::modulation::{
    LONGEST_SECONDS, MOST_FEEDBACK, Modulation, Motion, Operator, Oscillator, SWAYED, Second,
};
use crate::kernels;
use crate::network::{
    self, Architecture, AudioChannels, Branches, Control, Join, Layer, MovedPart, Split,
    settling_samples,
};
use burn::module::Param;
use burn::prelude::*;

/// All but the filters is in samples and cycles per sample.
#[derive(Module, Debug)]
pub struct Modulated {
    /// The logarithm of the rate over [`USUAL_RATE`], the mean of the value, the feedback.
    numbers: Param<Tensor<1>>,
    /// `[2 · harmonics]`
    curve: Param<Tensor<1>>,
    /// Of a second oscillator: the logarithm of its rate over [`USUAL_RATE`], then its curve.
    second: Option<Param<Tensor<1>>>,
    /// On dry and behind the part, the oldest tap first: `[1, 2, taps]`
    filters: Param<Tensor<3>>,
    /// Of a stereo effect: by how much the oscillator is ahead on the right, radians. `[1]`
    ahead: Option<Param<Tensor<1>>>,
    #[module(skip)]
    part: MovedPart,
    #[module(skip)]
    audio: AudioChannels,
    warm_up: usize,
}

/// 1 Hz at 44.1 kHz: near it the logarithm of a rate keeps its last digits.
const USUAL_RATE: f64 = 1.0 / 44_100.0;

/// The longest delay in samples: of 192 kHz.
const LONGEST: f64 = LONGEST_SECONDS * 192_000.0;

impl Modulated {
    /// The effect it stands for, in samples and cycles per sample.
    pub fn effect(&self) -> Modulation {
        let filters = numbers(&self.filters);
        let (dry, wet) = filters.split_at(filters.len() / 2);
        let newest_first = |taps: &[f32]| taps.iter().rev().map(|x| f64::from(*x)).collect();
        Modulation {
            motion: self.motion(),
            dry_filter: match self.part {
                MovedPart::Gain => Vec::new(),
                _ => newest_first(dry),
            },
            wet_filter: newest_first(wet),
        }
    }

    /// The same network as that effect: of the same part, with no more harmonics and taps than it has.
    pub fn with(mut self, effect: &Modulation) -> Self {
        let motion = &effect.motion;
        let rate = logarithm(motion.oscillator.rate_hz);
        let held = [rate, motion.centre, motion.feedback].map(|x| x as f32);
        self.numbers = replaced(self.numbers, held.to_vec());
        let curve = motion.oscillator.curve.iter().map(|x| *x as f32);
        self.curve = replaced(self.curve, curve.collect());
        self.second = self.second.map(|old| {
            let Some(second) = &motion.second else {
                return replaced(old, Vec::new());
            };
            let rate = logarithm(second.rate_hz) as f32;
            let curve = second.curve.iter().map(|x| *x as f32);
            replaced(old, std::iter::once(rate).chain(curve).collect())
        });
        let taps = self.filters.dims()[2];
        let mut filters = Vec::with_capacity(2 * taps);
        for filter in [&effect.dry_filter, &effect.wet_filter] {
            let mut filter: Vec<f32> = filter.iter().map(|x| *x as f32).collect();
            filter.resize(taps, 0.0);
            filters.extend(filter.into_iter().rev());
        }
        self.filters = replaced(self.filters, filters);
        self
    }

    /// The same network with the oscillator so far ahead on the right, where it has a right side.
    pub fn with_ahead(mut self, radians: f64) -> Self {
        let ahead = self.ahead.take();
        self.ahead = ahead.map(|old| replaced(old, vec![radians as f32]));
        self
    }

    /// Whether two oscillators move it.
    pub fn has_second(&self) -> bool {
        self.second.is_some()
    }

    /// By how much the oscillator is ahead on the right of a stereo effect, radians; 0 of others.
    pub fn ahead(&self) -> f64 {
        let ahead = self.ahead.as_ref().map(numbers);
        ahead
            .and_then(|ahead| Some(f64::from(*ahead.first()?)))
            .unwrap_or(0.0)
    }

    fn motion(&self) -> Motion {
        let held = numbers(&self.numbers);
        let number = |at: usize| held.get(at).map_or(0.0, |x| f64::from(*x));
        let curve = numbers(&self.curve);
        Motion {
            part: self.part,
            centre: number(1),
            oscillator: Oscillator {
                rate_hz: rate(number(0)),
                curve: curve.iter().map(|x| f64::from(*x)).collect(),
            },
            second: self.second.as_ref().map(|second| {
                let second = numbers(second);
                let (first, curve) = second.split_first().unwrap_or((&0.0, &[]));
                Second {
                    rate_hz: rate(f64::from(*first)),
                    phase: 0.0,
                    curve: curve.iter().map(|x| f64::from(*x)).collect(),
                }
            }),
            feedback: number(2).clamp(-MOST_FEEDBACK, MOST_FEEDBACK),
        }
    }

    fn taps(&self) -> usize {
        self.filters.dims()[2]
    }

    /// Knobs that say with the first sample heard what `knobs` say so many samples later.
    pub(super) fn knobs_before(&self, knobs: &[f32], samples: i64) -> Vec<f32> {
        let mut before = knobs.to_vec();
        if let [phase, rate, _, second @ ..] = before.as_mut_slice() {
            let motion = self.motion();
            let rates = [
                Some(motion.oscillator.rate_hz),
                motion.second.map(|s| s.rate_hz),
            ];
            let phases = std::iter::once(phase).chain(second);
            for (phase, hz) in phases.zip(rates.into_iter().flatten()) {
                let cycles = hz * f64::from(*rate) * samples as f64;
                *phase -= (std::f64::consts::TAU * cycles.fract()) as f32;
            }
        }
        before
    }

    /// The sum of each parameter less itself, which is 0, times its slope: nothing but its gradient.
    fn slopes(&self, slopes: Vec<f32>, side: usize, [batch, len]: [usize; 2]) -> Tensor<3> {
        let mut all = vec![self.numbers.val(), self.curve.val()];
        all.extend(self.second.iter().map(Param::val));
        all.extend(self.ahead.iter().filter(|_| side == 1).map(Param::val));
        let all = Tensor::cat(all, 0);
        let nothing = all.clone() - all.detach();
        let count = nothing.dims()[0];
        let device = nothing.device();
        let slopes = TensorData::new(slopes, [batch, count, len]);
        let slopes = Tensor::<3>::from_data(slopes, &device);
        (slopes * nothing.reshape([1, count, 1])).sum_dim(1)
    }
}

/// What stands for a rate in cycles per sample, and the rate that it stands for.
fn logarithm(rate: f64) -> f64 {
    (rate.max(1e-12) / USUAL_RATE).ln()
}

fn rate(logarithm: f64) -> f64 {
    (USUAL_RATE * logarithm.clamp(-30.0, 30.0).exp()).min(0.5)
}

/// A parameter with other values, the first of as many as it has; the rest 0.
fn replaced<const D: usize>(old: Param<Tensor<D>>, mut values: Vec<f32>) -> Param<Tensor<D>> {
    old.map(|old| {
        let shape = old.dims();
        values.resize(shape.iter().product(), 0.0);
        Tensor::from_data(TensorData::new(values, shape), &old.device())
    })
}

/// The numbers of a tensor, in order.
fn to_host<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    let data = tensor.into_data().convert::<f32>();
    data.try_to_vec().unwrap_or_default()
}

/// What a batch's moved sound is, and what is left behind.
struct Heard {
    /// `[batch][taps − 1 + len]`, dry and moved.
    dry: Vec<f32>,
    moved: Vec<f32>,
    /// `[batch][number][len]`: rate, centre, feedback, curve, the second's rate and curve, and on the right of a
    /// stereo effect the phase.
    slopes: Vec<f32>,
    states: Vec<f32>,
}

impl Modulated {
    /// Plays one side of `[batch][dry + knobs][len]` on the host, from where its states stand.
    fn hear(
        &self,
        input: &[f32],
        side: usize,
        [batch, rows, len]: [usize; 3],
        states: Option<&[f32]>,
    ) -> Heard {
        let heard_channels = self.audio.dry;
        let ahead = if side == 0 { 0.0 } else { self.ahead() };
        let past = self.taps() - 1;
        let learned = self.motion();
        let with_slopes = self.numbers.val().is_require_grad();
        let mut heard = Heard {
            dry: Vec::new(),
            moved: Vec::new(),
            slopes: Vec::new(),
            states: Vec::new(),
        };
        for at in 0..batch {
            let sound = &input[at * rows * len..][..rows * len];
            let (sounds, knobs) = sound.split_at(heard_channels * len);
            let sound = &sounds[side.min(heard_channels - 1) * len..][..len];
            let knob = |at: usize| knobs.get(at * len).copied().map(f64::from);
            let (motion, phase) = match (knob(0), knob(1), knob(2)) {
                (Some(phase), Some(rate), Some(depth)) => {
                    let played = learned.played(rate, depth);
                    (played.with_second_at(knob(3).unwrap_or(0.0)), phase + ahead)
                }
                _ => (learned.clone(), ahead),
            };
            let mut operator = Operator::reaching(self.part, 1.0, LONGEST);
            let held = operator.saved_len() + 2 * past;
            let state =
                states.map_or_else(|| vec![0.0; held], |all| all[at * held..][..held].to_vec());
            let (pasts, saved) = state.split_at(2 * past);
            let saved: Vec<f64> = saved.iter().map(|x| f64::from(*x)).collect();
            operator.load(&saved);
            let x: Vec<f64> = sound.iter().map(|x| f64::from(*x)).collect();
            let mut moved = vec![0.0; len];
            if with_slopes {
                let mut slopes = Vec::new();
                operator.run_with_slopes(&motion, phase, &x, &mut moved, &mut slopes);
                heard.take_slopes(&slopes, &motion, side == 1);
            } else {
                operator.run(&motion, phase, &x, &mut moved);
            }
            let moved: Vec<f32> = moved.iter().map(|x| *x as f32).collect();
            let all = [
                [&pasts[..past], sound].concat(),
                [&pasts[past..], &moved].concat(),
            ];
            for side in &all {
                heard.states.extend(&side[side.len() - past..]);
            }
            heard
                .states
                .extend(operator.save().iter().map(|x| *x as f32));
            let [dry, moved] = all;
            heard.dry.extend(dry);
            heard.moved.extend(moved);
        }
        heard
    }
}

impl Heard {
    /// The operator's slopes by the parameters, one row of time each.
    fn take_slopes(&mut self, slopes: &[f64], motion: &Motion, with_phase: bool) {
        let width = motion.numbers() + motion.phases();
        let curve = motion.oscillator.curve.len();
        let rate = motion.oscillator.rate_hz;
        // Of the rate's logarithm.
        let mut row = |number: usize, factor: f64| {
            let column = slopes.iter().skip(number).step_by(width);
            self.slopes
                .extend(column.map(|slope| (factor * slope) as f32));
        };
        row(width - 3, rate);
        row(0, 1.0);
        row(width - 1, 1.0);
        (1..=curve).for_each(|number| row(number, 1.0));
        if let Some(second) = &motion.second {
            row(width - 5, second.rate_hz);
            let own = curve + 1..=curve + second.curve.len();
            own.for_each(|number| row(number, 1.0));
        }
        if with_phase {
            row(width - 2, 1.0);
        }
    }
}

impl EffectNetwork for Modulated {
    fn forward(&self, dry: Tensor<3>) -> Tensor<3> {
        self.forward_from(dry, State::default())
    }

    fn forward_from(&self, dry: Tensor<3>, state: State) -> Tensor<3> {
        warmed_up(self, dry, state)
    }

    fn audio_channels(&self) -> AudioChannels {
        self.audio
    }

    fn reach(&self) -> Reach<'_> {
        Reach::Memory(self)
    }

    fn work(&self, len: usize) -> Work {
        Work::nth(
            0,
            self.audio.wet * (2 * self.taps() + 16) * (self.warm_up + len),
        )
    }

    fn architecture(&self, sample_rate: u32, _: &[Control]) -> Architecture {
        let effect = self.effect();
        let motion = &effect.motion;
        let taps = |filter: &[f64]| filter.iter().map(|x| *x as f32).collect();
        let rate = motion.oscillator.rate_hz;
        let layer = network::Modulated {
            part: self.part,
            numbers: [rate, motion.centre, motion.feedback]
                .map(|x| x as f32)
                .to_vec(),
            curve: numbers(&self.curve),
            second: motion.second.as_ref().map_or(Vec::new(), |second| {
                let curve = second.curve.iter().map(|x| *x as f32);
                std::iter::once(second.rate_hz as f32)
                    .chain(curve)
                    .collect()
            }),
            dry_filter: taps(&effect.dry_filter),
            wet_filter: taps(&effect.wet_filter),
            silence: settling_samples(sample_rate),
            ahead: 0.0,
        };
        let layer = match self.audio.wet {
            1 => Layer::Modulated(layer),
            _ => {
                let right = network::Modulated {
                    ahead: self.ahead() as f32,
                    ..layer.clone()
                };
                let split = match self.audio.dry {
                    1 => Split::Copy,
                    dry => Split::Slice(vec![1; dry]),
                };
                Layer::Branches(Branches {
                    split,
                    branches: vec![vec![Layer::Modulated(layer)], vec![Layer::Modulated(right)]],
                    join: Join::Concat,
                })
            }
        };
        Architecture::Sequential(network::Sequential {
            input_channels: self.audio.dry,
            layers: vec![layer],
        })
    }
}

impl Memory for Modulated {
    fn advance(&self, input: Tensor<3>, mut state: State) -> (Tensor<3>, State) {
        let shape = input.dims();
        let device = input.device();
        let input = to_host(input.detach());
        let mut after = State::default();
        let mut sides = Vec::new();
        for side in 0..self.audio.wet {
            let states = state.take().map(to_host);
            let heard = self.hear(&input, side, shape, states.as_deref());
            let (answer, left) = self.answer(heard, side, shape, &device);
            sides.push(answer);
            after.push(left);
        }
        let answer = match sides.len() {
            1 => sides.swap_remove(0),
            _ => Tensor::cat(sides, 1),
        };
        (answer, after)
    }

    fn warm_up(&self) -> usize {
        self.warm_up
    }
}

impl Modulated {
    /// What the filters make of a side that was heard, `[batch, 1, len]`, and the state that it leaves.
    fn answer(
        &self,
        heard: Heard,
        side_at: usize,
        [batch, _, len]: [usize; 3],
        device: &Device,
    ) -> (Tensor<3>, Tensor<2>) {
        let past = self.taps() - 1;
        let side = |values: Vec<f32>| {
            let data = TensorData::new(values, [batch, 1, past + len]);
            Tensor::<3>::from_data(data, device)
        };
        let (dry, mut moved) = (side(heard.dry), side(heard.moved));
        if !heard.slopes.is_empty() {
            let slopes = self.slopes(heard.slopes, side_at, [batch, len]);
            let before = moved.clone().narrow(2, 0, past);
            let now = moved.narrow(2, past, len) + slopes;
            moved = if past == 0 {
                now
            } else {
                Tensor::cat(vec![before, now], 2)
            };
        }
        let filters = self.filters.val();
        let answer = match self.part {
            MovedPart::Gain => kernels::conv1d(moved, filters.narrow(1, 1, 1), None, [0, 0], 1),
            _ => kernels::conv1d(Tensor::cat(vec![dry, moved], 1), filters, None, [0, 0], 1),
        };
        let held = heard.states.len() / batch.max(1);
        let states = TensorData::new(heard.states, [batch, held]);
        (answer, Tensor::from_data(states, device))
    }
}

/// First numbers, before anything is known: a slow chorus, a phaser, a tremolo.
fn first(part: MovedPart) -> f64 {
    match part {
        MovedPart::Delay => 300_f64.ln(),
        MovedPart::AllPass { .. } => 0.02_f64.ln(),
        MovedPart::Gain => 1.0,
    }
}

impl<M: From<Modulated>> Build<M> for ModulatedConfig {
    fn build(&self, site: &mut Site<'_>) -> M {
        let part = self.part.unwrap_or(MovedPart::Delay);
        let mut curve = vec![0.0; 2 * self.harmonics];
        curve[1] = 0.2;
        let mut filters = site
            .init
            .numbers(2 * self.taps, 0.1 / (self.taps as f32).sqrt());
        // The dry sound, and a delay where it is: its filter begins early.
        filters[self.taps - 1] += 0.5;
        let lead = crate::dsp::modulation::LEAD as usize;
        filters[2 * self.taps - 1 - lead.min(self.taps - 1)] += 0.5;
        let held = vec![0.0, first(part) as f32, 0.0];
        Modulated {
            numbers: site.init.given([3], held),
            curve: site.init.given([2 * self.harmonics], curve),
            second: self.second.then(|| {
                // 5 Hz at 44.1 kHz.
                let mut second = vec![0.0; network::Modulated::second_len(SECOND_HARMONICS)];
                second[0] = 5_f32.ln();
                second[1 + SWAYED / 2] = 0.05;
                site.init.given([second.len()], second)
            }),
            filters: site.init.given([1, 2, self.taps], filters),
            ahead: (site.audio.wet > 1).then(|| site.init.given([1], vec![0.0])),
            audio: site.audio,
            part,
            warm_up: self.warm_up,
        }
        .into()
    }
}
