//! One filter of up to two seconds between two signals: the linear tail behind a network, or all
//! of an echo, a loudspeaker or a room.
//!
//! Minimises `Σ_t (wet[t] − Σ_i h[i]·x[t − i])² + ν·Σ_i d[i]·h[i]²` by conjugate gradients on the
//! normal equations. Their matrix is Toeplitz but for the passages' ends: correlations are taken
//! once, and a product with the matrix is some transforms of twice the taps, however long the
//! recordings are. The circulant nearest to it (T. Chan 1988) is the preconditioner.
//!
//! The penalty comes from the data: `ν` is the power of what is left, `1/d` the energy of the taps
//! around in the solution before (automatic relevance determination by blocks: Tipping 2001). So
//! blocks where nothing is stay near zero, and what fades is held to its fading: one rule for a
//! few echoes and for a room. Knows nothing of networks or files.

use super::conjugate::{Products, descend};
use crate::dsp::fft::{Complex64, RealFft, quick_length};
use crate::linalg::dot;
use rayon::prelude::*;
use std::ops::Range;

/// Taps that share a penalty.
const BLOCK: usize = 64;

/// The first penalty, relative to the power of a tap's own signal.
const FIRST_PENALTY: f64 = 1e-3;

/// Energy of a block, relative to the strongest, below which it is penalised no further.
const FAINT: f64 = 1e-9;

/// Rounds from nothing, and of one solution to be followed; steps of conjugate gradients in each.
const ROUNDS: [usize; 2] = [3, 1];
const STEPS: [usize; 2] = [25, 15];

/// Residual energy, relative to that at a round's start, at which it ends.
const CLOSE: f64 = 1e-8;

/// Pieces whose sums are formed independently; fixed, so that rounding does not depend on the
/// number of cores.
const GROUPS: usize = 8;

/// A stretch of both signals. Before it there is silence.
#[derive(Clone, Copy, Debug)]
pub struct Passage<'a> {
    /// What is filtered: at least as long as `wet`, and ending with it.
    pub input: &'a [f32],
    /// What the filter is to give.
    pub wet: &'a [f32],
}

/// The impulse response of `taps` taps that makes wet of the passages' input, found from `start`
/// (an earlier solution) or from nothing. `penalty` multiplies the penalty: 1 as the data say.
/// `None` where `go_on` said to stop, or no input sounds.
pub fn fit(
    passages: &[Passage<'_>],
    taps: usize,
    start: Option<&[f64]>,
    penalty: f64,
    go_on: impl Fn() -> bool,
) -> Option<Vec<f64>> {
    let mut equations = Equations::gather(passages, taps, &go_on)?;
    if equations.lags[0] <= 0.0 {
        return None;
    }
    let is_new = start.is_none();
    let mut h = start.map_or_else(|| vec![0.0; taps], <[f64]>::to_vec);
    let [rounds, steps] = [ROUNDS, STEPS].map(|both| both[usize::from(!is_new)]);
    for round in 0..rounds {
        let penalties = match is_new && round == 0 {
            true => vec![penalty * FIRST_PENALTY * equations.lags[0]; taps],
            false => equations.penalties(&h, penalty),
        };
        let target = equations.target.clone();
        let mut penalised = Penalised {
            least: penalties.iter().copied().fold(f64::INFINITY, f64::min),
            penalties: &penalties,
            equations: &mut equations,
        };
        descend(&mut penalised, &target, &mut h, (steps, CLOSE), &go_on)?;
    }
    Some(h)
}

/// The normal equations.
struct Equations {
    taps: usize,
    fft: RealFft,
    work: Vec<Complex64>,
    /// Correlation of the input with itself at lags from 0.
    lags: Vec<f64>,
    /// Correlation of wet with the input.
    target: Vec<f64>,
    /// The transform of the Toeplitz matrix's circulant embedding, and the preconditioner's.
    toeplitz: Vec<f64>,
    circulant: Vec<f64>,
    ends: Vec<End>,
    /// Energy and number of the wet samples.
    energy: f64,
    samples: usize,
}

/// What the Toeplitz form counts beside the equations: what the filter would give before wet
/// begins or after it ends.
struct End {
    spectrum: Vec<Complex64>,
    outside: Range<usize>,
}

impl Equations {
    fn gather(
        passages: &[Passage<'_>],
        taps: usize,
        go_on: &(impl Fn() -> bool + ?Sized),
    ) -> Option<Self> {
        let passages: Vec<Passage<'_>> = passages.iter().map(|p| p.within(taps)).collect();
        let [lags, target] = correlations(&passages, taps);
        if !go_on() {
            return None;
        }
        let mut fft = RealFft::new(quick_length(2 * taps));
        let mut work = fft.spectrum();
        let size = fft.len();
        let even = |weight: &dyn Fn(usize) -> f64| {
            let mut both = vec![0.0; size];
            for (lag, r) in lags.iter().enumerate() {
                both[lag] = weight(lag) * r;
                both[(size - lag) % size] = weight(lag) * r;
            }
            both
        };
        let mut real = |samples: Vec<f64>| -> Vec<f64> {
            fft.forward(samples, &mut work);
            work.iter().map(|bin| bin.re).collect()
        };
        let toeplitz = real(even(&|_| 1.0));
        let mut circulant = real(even(&|lag| 1.0 - lag as f64 / taps as f64));
        circulant
            .iter_mut()
            .for_each(|power| *power = power.max(0.0));
        let mut ends = Vec::new();
        for passage in &passages {
            ends.extend(passage.ends(taps).into_iter().map(|(samples, outside)| {
                let mut spectrum = fft.spectrum();
                fft.forward(samples.iter().map(|&x| f64::from(x)), &mut spectrum);
                End { spectrum, outside }
            }));
        }
        let wet = || passages.iter().flat_map(|passage| passage.wet);
        Some(Self {
            taps,
            work,
            fft,
            lags,
            target,
            toeplitz,
            circulant,
            ends,
            energy: wet().map(|&y| f64::from(y).powi(2)).sum(),
            samples: wet().count(),
        })
    }

    /// The matrix times `h`.
    fn product(&mut self, h: &[f64]) -> Vec<f64> {
        self.fft.forward(h.iter().copied(), &mut self.work);
        let response = self.work.clone();
        for (bin, power) in self.work.iter_mut().zip(&self.toeplitz) {
            *bin *= power;
        }
        let mut product = self.fft.inverse(&mut self.work)[..self.taps].to_vec();
        for end in &self.ends {
            for ((bin, h), x) in self.work.iter_mut().zip(&response).zip(&end.spectrum) {
                *bin = h * x;
            }
            let given = self.fft.inverse(&mut self.work);
            let mut outside = vec![0.0; given.len()];
            outside[end.outside.clone()].copy_from_slice(&given[end.outside.clone()]);
            self.fft.forward(outside, &mut self.work);
            for (bin, x) in self.work.iter_mut().zip(&end.spectrum) {
                *bin *= x.conj();
            }
            let back = self.fft.inverse(&mut self.work);
            product.iter_mut().zip(back).for_each(|(p, b)| *p -= b);
        }
        product
    }

    fn precondition(&mut self, residual: &[f64], penalty: f64) -> Vec<f64> {
        self.fft.forward(residual.iter().copied(), &mut self.work);
        for (bin, power) in self.work.iter_mut().zip(&self.circulant) {
            *bin /= (power + penalty).max(f64::MIN_POSITIVE);
        }
        self.fft.inverse(&mut self.work)[..self.taps].to_vec()
    }

    /// The penalties that `h` calls for.
    fn penalties(&mut self, h: &[f64], factor: f64) -> Vec<f64> {
        let product = self.product(h);
        let left = self.energy - 2.0 * dot(&self.target, h) + dot(h, &product);
        // In exact arithmetic it is positive; rounding leaves this much uncertain.
        let left = left.max(1e-14 * self.energy);
        let power = factor * left / self.samples.max(1) as f64;
        let energy = |block: &[f64]| dot(block, block) / block.len() as f64;
        let energies: Vec<f64> = h.chunks(BLOCK).map(energy).collect();
        let strongest = energies.iter().copied().fold(0.0, f64::max);
        let floor = (FAINT * strongest).max(f64::MIN_POSITIVE);
        (0..self.taps)
            .map(|tap| power / energies[tap / BLOCK].max(floor))
            .collect()
    }
}

/// The equations with a penalty on every tap.
struct Penalised<'a> {
    equations: &'a mut Equations,
    penalties: &'a [f64],
    /// The least of them.
    least: f64,
}

impl Products for Penalised<'_> {
    fn product(&mut self, h: &[f64]) -> Vec<f64> {
        let mut product = self.equations.product(h);
        let own = h.iter().zip(self.penalties).map(|(h, d)| h * d);
        product.iter_mut().zip(own).for_each(|(p, own)| *p += own);
        product
    }

    fn precondition(&mut self, residual: &[f64]) -> Vec<f64> {
        self.equations.precondition(residual, self.least)
    }
}

impl<'a> Passage<'a> {
    /// Input samples before the first of wet.
    fn context(&self) -> usize {
        self.input.len() - self.wet.len()
    }

    /// Without what a filter of `taps` taps does not reach.
    fn within(&self, taps: usize) -> Self {
        let from = self.context().saturating_sub(taps - 1);
        Self {
            input: &self.input[from..],
            wet: self.wet,
        }
    }

    /// The first and last samples with the places, in their convolution with a filter of `taps`
    /// taps, that are no equations.
    fn ends(&self, taps: usize) -> Vec<(&'a [f32], Range<usize>)> {
        let (context, len) = (self.context(), self.input.len());
        let last = len.min(taps - 1);
        let before = (context > 0).then(|| (&self.input[..context], 0..context));
        let after = (last > 0).then(|| (&self.input[len - last..], last..last + taps - 1));
        before.into_iter().chain(after).collect()
    }
}

/// Correlations of the input with itself and of wet with the input at lags below `taps`, summed
/// over passages that reach no further than the taps do. By FFT in pieces, so that memory does not
/// grow with the recordings.
fn correlations(passages: &[Passage<'_>], taps: usize) -> [Vec<f64>; 2] {
    let size = quick_length(4 * taps.max(4096));
    let hop = size - taps;
    let pieces: Vec<(&Passage<'_>, usize)> = passages
        .iter()
        .flat_map(|p| (0..p.input.len()).step_by(hop).map(move |from| (p, from)))
        .collect();
    let group = pieces.len().div_ceil(GROUPS).max(1);
    let sums: Vec<[Vec<Complex64>; 2]> = pieces
        .par_chunks(group)
        .map(|group| {
            let mut fft = RealFft::new(size);
            let mut sums = [fft.spectrum(), fft.spectrum()];
            let [mut heard, mut new] = [fft.spectrum(), fft.spectrum()];
            for &(passage, from) in group {
                let to = (from + hop).min(passage.input.len());
                let past = from.saturating_sub(taps - 1);
                let at = |n: usize| f64::from(passage.input[n]);
                fft.forward((past..to).map(at), &mut heard);
                let only_new = |n: usize, x: f64| if n < from { 0.0 } else { x };
                fft.forward((past..to).map(|n| only_new(n, at(n))), &mut new);
                add_product(&mut sums[0], &new, &heard);
                let wet = |n: usize| match n.checked_sub(passage.context()) {
                    Some(n) => f64::from(passage.wet[n]),
                    None => 0.0,
                };
                fft.forward((past..to).map(|n| only_new(n, wet(n))), &mut new);
                add_product(&mut sums[1], &new, &heard);
            }
            sums
        })
        .collect();
    let mut fft = RealFft::new(size);
    [0, 1].map(|which| {
        let mut total = fft.spectrum();
        for sum in &sums {
            total.iter_mut().zip(&sum[which]).for_each(|(t, s)| *t += s);
        }
        fft.inverse(&mut total)[..taps].to_vec()
    })
}

fn add_product(sum: &mut [Complex64], new: &[Complex64], heard: &[Complex64]) {
    for ((sum, new), heard) in sum.iter_mut().zip(new).zip(heard) {
        *sum += new * heard.conj();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Noise;

    /// Noise without much of its highest frequencies.
    fn sound(len: usize) -> Vec<f32> {
        let mut state = 0.0;
        let step = |x: f32| {
            state = 0.8 * state + 0.2 * x;
            state
        };
        Noise::new(3).take(len).map(step).collect()
    }

    fn filtered(h: &[f64], x: &[f32]) -> Vec<f32> {
        let at = |t: usize| -> f64 {
            let past = x[..=t].iter().rev();
            h.iter().zip(past).map(|(h, x)| h * f64::from(*x)).sum()
        };
        (0..x.len()).map(|t| at(t) as f32).collect()
    }

    fn distance(a: &[f64], b: &[f64]) -> f64 {
        let apart: f64 = a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum();
        apart / dot(b, b)
    }

    /// Two passages, one of which begins in the middle of the sound: the matrix is that of their
    /// samples alone, and so is the solution.
    #[test]
    fn only_the_passages_own_samples_are_equations() {
        const TAPS: usize = 50;
        let x = sound(900);
        let mut noise = Noise::new(9);
        let y: Vec<f32> = (0..900).map(|_| noise.next().unwrap()).collect();
        let passages = [
            Passage {
                input: &x[..300],
                wet: &y[..300],
            },
            Passage {
                input: &x[300..],
                wet: &y[500..],
            },
        ];
        let mut equations = Equations::gather(&passages, TAPS, &|| true).unwrap();
        let at = |passage: &Passage<'_>, t: usize, tap: usize| {
            let now = passage.context() + t;
            now.checked_sub(tap)
                .map_or(0.0, |n| f64::from(passage.input[n]))
        };
        let h: Vec<f64> = (0..TAPS).map(|i| (0.3 * i as f64).sin()).collect();
        let (mut product, mut target) = (vec![0.0; TAPS], vec![0.0; TAPS]);
        for passage in &passages {
            for t in 0..passage.wet.len() {
                let given: f64 = (0..TAPS).map(|i| h[i] * at(passage, t, i)).sum();
                for i in 0..TAPS {
                    product[i] += given * at(passage, t, i);
                    target[i] += f64::from(passage.wet[t]) * at(passage, t, i);
                }
            }
        }
        // Sums of 900 terms in doubles.
        assert!(distance(&equations.product(&h), &product) < 1e-24);
        assert!(distance(&equations.target, &target) < 1e-24);
    }

    fn found(x: &[f32], wet: &[f32], start: Option<&[f64]>, go_on: bool) -> Option<Vec<f64>> {
        let passage = Passage { input: x, wet };
        fit(&[passage], 3000, start, 1.0, || go_on)
    }

    /// Echoes and a decaying room in a sound that fills few bands; a little noise changes little.
    #[test]
    fn echoes_and_rooms_are_found() {
        const TAPS: usize = 3000;
        let mut echoes = vec![0.0; TAPS];
        for (tap, gain) in [(0, 1.0), (7, -0.3), (1200, 0.5), (2400, 0.25)] {
            echoes[tap] = gain;
        }
        let noise = Noise::new(4).take(TAPS).enumerate();
        let fades = noise.map(|(i, x)| f64::from(x) * (-0.002 * i as f64).exp());
        let room: Vec<f64> = fades.collect();
        let x = sound(20_000);
        for h in [echoes, room] {
            let mut wet = filtered(&h, &x);
            let first = found(&x, &wet, None, true).unwrap();
            // A tap misplaced by one sample is 0.05 and more.
            assert!(distance(&first, &h) < 1e-6, "{}", distance(&first, &h));
            let again = found(&x, &wet, Some(&first), true).unwrap();
            assert!(distance(&again, &h) <= distance(&first, &h) + 1e-9);
            for (w, noise) in wet.iter_mut().zip(Noise::new(8)) {
                *w += 1e-3 * noise;
            }
            let noisy = found(&x, &wet, None, true).unwrap();
            assert!(distance(&noisy, &h) < 1e-2, "{}", distance(&noisy, &h));
            assert!(found(&x, &wet, None, false).is_none());
        }
        assert!(found(&[0.0; 500], &[0.0; 500], None, true).is_none());
    }
}
