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
    /// What is filtered by a filter of its own and added: as long; of all passages or of none.
    pub beside: Option<&'a [f32]>,
    /// What the filters are to give.
    pub wet: &'a [f32],
}

/// The impulse response of `taps` taps that makes wet of the passages' input, found from `start`
/// (an earlier solution) or from nothing; where there is a second input, that of its filter behind it.
/// `penalty` multiplies the penalty: 1 as the data say. `None` where `go_on` said to stop, or no input
/// sounds.
pub fn fit(
    passages: &[Passage<'_>],
    taps: usize,
    start: Option<&[f64]>,
    penalty: f64,
    go_on: impl Fn() -> bool,
) -> Option<Vec<f64>> {
    let mut equations = Equations::gather(passages, taps, &go_on)?;
    let power = equations.power();
    if power <= 0.0 {
        return None;
    }
    let is_new = start.is_none();
    let unknowns = equations.target.len();
    let mut h = start.map_or_else(|| vec![0.0; unknowns], <[f64]>::to_vec);
    let [rounds, steps] = [ROUNDS, STEPS].map(|both| both[usize::from(!is_new)]);
    for round in 0..rounds {
        let penalties = match is_new && round == 0 {
            true => vec![penalty * FIRST_PENALTY * power; unknowns],
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
    /// Power of each input, summed over its samples.
    powers: Vec<f64>,
    /// Correlation of wet with the inputs, one after another.
    target: Vec<f64>,
    /// `[output][input]`: the transform of the circulant embedding of each Toeplitz block, and of the
    /// preconditioner's.
    toeplitz: Vec<Vec<Vec<Complex64>>>,
    circulant: Vec<Vec<Vec<Complex64>>>,
    ends: Vec<End>,
    /// Energy and number of the wet samples.
    energy: f64,
    samples: usize,
}

/// What the Toeplitz form counts beside the equations: what the filters would give before wet
/// begins or after it ends.
struct End {
    /// Of each input.
    spectra: Vec<Vec<Complex64>>,
    outside: Range<usize>,
}

impl Equations {
    fn gather(
        passages: &[Passage<'_>],
        taps: usize,
        go_on: &(impl Fn() -> bool + ?Sized),
    ) -> Option<Self> {
        let passages: Vec<Passage<'_>> = passages.iter().map(|p| p.within(taps)).collect();
        let inputs = passages.first().map_or(1, |p| p.inputs().count());
        let found = correlations(&passages, inputs, taps);
        if !go_on() {
            return None;
        }
        let mut fft = RealFft::new(quick_length(2 * taps));
        let work = fft.spectrum();
        let size = fft.len();
        // Entry i, j of the block of inputs a and b: Σ a[t − i]·b[t − j].
        let mut embedded = |a: usize, b: usize, weight: &dyn Fn(usize) -> f64| {
            let [after, before] = [&found.lags[b][a], &found.lags[a][b]];
            let mut both = vec![0.0; size];
            for lag in (0..taps).rev() {
                both[(size - lag) % size] = weight(lag) * before[lag];
                both[lag] = weight(lag) * after[lag];
            }
            let mut spectrum = fft.spectrum();
            fft.forward(both, &mut spectrum);
            if a == b {
                // Even, so real.
                spectrum.iter_mut().for_each(|bin| bin.im = 0.0);
            }
            spectrum
        };
        let mut blocks = |weight: &dyn Fn(usize) -> f64| -> Vec<Vec<Vec<Complex64>>> {
            let mut row = |a: usize| (0..inputs).map(|b| embedded(a, b, weight)).collect();
            (0..inputs).map(&mut row).collect()
        };
        let toeplitz = blocks(&|_| 1.0);
        let mut circulant = blocks(&|lag| 1.0 - lag as f64 / taps as f64);
        for (a, row) in circulant.iter_mut().enumerate() {
            row[a]
                .iter_mut()
                .for_each(|power| power.re = power.re.max(0.0));
        }
        let mut ends = Vec::new();
        for passage in &passages {
            for (samples, outside) in passage.ends(taps) {
                let spectra = passage.inputs().map(|input| {
                    let mut spectrum = fft.spectrum();
                    let input = &input[samples.clone()];
                    fft.forward(input.iter().map(|&x| f64::from(x)), &mut spectrum);
                    spectrum
                });
                ends.push(End {
                    spectra: spectra.collect(),
                    outside,
                });
            }
        }
        let wet = || passages.iter().flat_map(|passage| passage.wet);
        Some(Self {
            taps,
            work,
            fft,
            powers: (0..inputs).map(|a| found.lags[a][a][0]).collect(),
            target: found.target.concat(),
            toeplitz,
            circulant,
            ends,
            energy: wet().map(|&y| f64::from(y).powi(2)).sum(),
            samples: wet().count(),
        })
    }

    /// Of an input, on average.
    fn power(&self) -> f64 {
        self.powers.iter().sum::<f64>() / self.powers.len() as f64
    }

    /// The transforms of the filters in `h`.
    fn responses(&mut self, h: &[f64]) -> Vec<Vec<Complex64>> {
        let fft = &mut self.fft;
        let response = h.chunks(self.taps).map(|h| {
            let mut spectrum = fft.spectrum();
            fft.forward(h.iter().copied(), &mut spectrum);
            spectrum
        });
        response.collect()
    }

    /// The matrix times `h`.
    fn product(&mut self, h: &[f64]) -> Vec<f64> {
        let responses = self.responses(h);
        let mut product = Vec::with_capacity(h.len());
        for row in &self.toeplitz {
            sum_of_products(&mut self.work, row.iter().zip(&responses));
            product.extend_from_slice(&self.fft.inverse(&mut self.work)[..self.taps]);
        }
        for end in &self.ends {
            sum_of_products(&mut self.work, end.spectra.iter().zip(&responses));
            let given = self.fft.inverse(&mut self.work);
            let mut outside = vec![0.0; given.len()];
            outside[end.outside.clone()].copy_from_slice(&given[end.outside.clone()]);
            let mut spectrum = self.fft.spectrum();
            self.fft.forward(outside, &mut spectrum);
            for (product, x) in product.chunks_mut(self.taps).zip(&end.spectra) {
                for ((bin, y), x) in self.work.iter_mut().zip(&spectrum).zip(x) {
                    *bin = y * x.conj();
                }
                let back = self.fft.inverse(&mut self.work);
                product.iter_mut().zip(back).for_each(|(p, b)| *p -= b);
            }
        }
        product
    }

    fn precondition(&mut self, residual: &[f64], penalty: f64) -> Vec<f64> {
        let mut parts = self.responses(residual);
        match (self.circulant.as_slice(), parts.as_mut_slice()) {
            ([row], [part]) => {
                for (bin, power) in part.iter_mut().zip(&row[0]) {
                    *bin /= (power.re + penalty).max(f64::MIN_POSITIVE);
                }
            }
            ([left, right], [a, b]) => {
                let powers = left[0].iter().zip(&right[1]).zip(&left[1]);
                for ((a, b), ((p, q), cross)) in a.iter_mut().zip(b).zip(powers) {
                    let (p, q) = (p.re + penalty, q.re + penalty);
                    // Of a true spectrum it is positive; rounding must not make it less.
                    let det = (p * q - cross.norm_sqr()).max(1e-9 * p * q);
                    let det = det.max(f64::MIN_POSITIVE);
                    (*a, *b) = (
                        (*a * q - *b * cross) / det,
                        (*b * p - *a * cross.conj()) / det,
                    );
                }
            }
            // There are never more inputs.
            _ => {}
        }
        let mut done = Vec::with_capacity(residual.len());
        for part in &mut parts {
            done.extend_from_slice(&self.fft.inverse(part)[..self.taps]);
        }
        done
    }

    /// The penalties that `h` calls for.
    fn penalties(&mut self, h: &[f64], factor: f64) -> Vec<f64> {
        let product = self.product(h);
        let left = self.energy - 2.0 * dot(&self.target, h) + dot(h, &product);
        // In exact arithmetic it is positive; rounding leaves this much uncertain.
        let left = left.max(1e-14 * self.energy);
        let power = factor * left / self.samples.max(1) as f64;
        let energy = |block: &[f64]| dot(block, block) / block.len() as f64;
        let filters = h.chunks(self.taps);
        let energies: Vec<Vec<f64>> = filters
            .map(|h| h.chunks(BLOCK).map(energy).collect())
            .collect();
        let strongest = energies.iter().flatten().copied().fold(0.0, f64::max);
        let floor = (FAINT * strongest).max(f64::MIN_POSITIVE);
        energies
            .iter()
            .flat_map(|own| (0..self.taps).map(|tap| power / own[tap / BLOCK].max(floor)))
            .collect()
    }
}

/// `sum = Σ a·b`
fn sum_of_products<'a>(
    sum: &mut [Complex64],
    pairs: impl Iterator<Item = (&'a Vec<Complex64>, &'a Vec<Complex64>)>,
) {
    for (at, (a, b)) in pairs.enumerate() {
        for ((sum, a), b) in sum.iter_mut().zip(a).zip(b) {
            let product = a * b;
            *sum = if at == 0 { product } else { *sum + product };
        }
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
    /// All that is filtered.
    fn inputs(&self) -> impl Iterator<Item = &'a [f32]> + use<'a> {
        std::iter::once(self.input).chain(self.beside)
    }

    /// Input samples before the first of wet.
    fn context(&self) -> usize {
        self.input.len() - self.wet.len()
    }

    /// Without what a filter of `taps` taps does not reach.
    fn within(&self, taps: usize) -> Self {
        let from = self.context().saturating_sub(taps - 1);
        Self {
            input: &self.input[from..],
            beside: self.beside.map(|input| &input[from..]),
            wet: self.wet,
        }
    }

    /// Where the first and last samples are, with the places, in their convolution with a filter of
    /// `taps` taps, that are no equations.
    fn ends(&self, taps: usize) -> Vec<(Range<usize>, Range<usize>)> {
        let (context, len) = (self.context(), self.input.len());
        let last = len.min(taps - 1);
        let before = (context > 0).then_some((0..context, 0..context));
        let after = (last > 0).then_some((len - last..len, last..last + taps - 1));
        before.into_iter().chain(after).collect()
    }
}

/// What the equations are made of, at lags below the taps.
struct Correlations {
    /// `[a][b]`: Σ a[t]·b[t − lag].
    lags: Vec<Vec<Vec<f64>>>,
    /// Of wet with each input.
    target: Vec<Vec<f64>>,
}

/// Correlations of the inputs with themselves and of wet with the inputs at lags below `taps`, summed
/// over passages that reach no further than the taps do. By FFT in pieces, so that memory does not
/// grow with the recordings.
fn correlations(passages: &[Passage<'_>], inputs: usize, taps: usize) -> Correlations {
    let size = quick_length(4 * taps.max(4096));
    let hop = size - taps;
    let pieces: Vec<(&Passage<'_>, usize)> = passages
        .iter()
        .flat_map(|p| (0..p.input.len()).step_by(hop).map(move |from| (p, from)))
        .collect();
    let group = pieces.len().div_ceil(GROUPS).max(1);
    let zeros = |fft: &RealFft| vec![fft.spectrum(); inputs * inputs + inputs];
    let sums: Vec<Vec<Vec<Complex64>>> = pieces
        .par_chunks(group)
        .map(|group| {
            let mut fft = RealFft::new(size);
            let mut sums = zeros(&fft);
            let mut heard = vec![fft.spectrum(); inputs];
            let mut new = fft.spectrum();
            for &(passage, from) in group {
                let to = (from + hop).min(passage.input.len());
                let past = from.saturating_sub(taps - 1);
                let only_new = |n: usize, x: f64| if n < from { 0.0 } else { x };
                for (input, heard) in passage.inputs().zip(&mut heard) {
                    fft.forward((past..to).map(|n| f64::from(input[n])), heard);
                }
                for (a, input) in passage.inputs().enumerate() {
                    let at = |n: usize| only_new(n, f64::from(input[n]));
                    fft.forward((past..to).map(at), &mut new);
                    for (b, heard) in heard.iter().enumerate() {
                        add_product(&mut sums[a * inputs + b], &new, heard);
                    }
                }
                let wet = |n: usize| match n.checked_sub(passage.context()) {
                    Some(n) => f64::from(passage.wet[n]),
                    None => 0.0,
                };
                fft.forward((past..to).map(|n| only_new(n, wet(n))), &mut new);
                for (b, heard) in heard.iter().enumerate() {
                    add_product(&mut sums[inputs * inputs + b], &new, heard);
                }
            }
            sums
        })
        .collect();
    let mut fft = RealFft::new(size);
    let mut total = |which: usize| -> Vec<f64> {
        let mut total = fft.spectrum();
        for sum in &sums {
            total.iter_mut().zip(&sum[which]).for_each(|(t, s)| *t += s);
        }
        fft.inverse(&mut total)[..taps].to_vec()
    };
    let lags = (0..inputs).map(|a| (0..inputs).map(|b| total(a * inputs + b)).collect());
    let lags = lags.collect();
    Correlations {
        lags,
        target: (0..inputs).map(|b| total(inputs * inputs + b)).collect(),
    }
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
                beside: None,
                wet: &y[..300],
            },
            Passage {
                input: &x[300..],
                beside: None,
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
        let passage = Passage {
            input: x,
            beside: None,
            wet,
        };
        fit(&[passage], 3000, start, 1.0, || go_on)
    }

    /// Two inputs that are much alike, in a passage that begins in the middle of them.
    #[test]
    fn each_of_two_inputs_has_its_filter() {
        const TAPS: usize = 400;
        let x = sound(9000);
        let other = Noise::new(11).take(9000);
        let beside: Vec<f32> = x.iter().zip(other).map(|(x, n)| x + 0.2 * n).collect();
        let tap = |at: usize, i: usize, gain: f64| if i == at { gain } else { 0.0 };
        let left: Vec<f64> = (0..TAPS)
            .map(|i| tap(0, i, 1.0) + tap(301, i, 0.5))
            .collect();
        let right: Vec<f64> = (0..TAPS).map(|i| tap(150, i, -0.6)).collect();
        let both = filtered(&left, &x)
            .into_iter()
            .zip(filtered(&right, &beside));
        let wet: Vec<f32> = both.map(|(a, b)| a + b).collect();
        let passage = |from: usize, to: usize, context: usize| Passage {
            input: &x[from - context..to],
            beside: Some(&beside[from - context..to]),
            wet: &wet[from..to],
        };
        let passages = [passage(0, 4000, 0), passage(4500, 9000, 450)];
        let found = fit(&passages, TAPS, None, 1.0, || true).unwrap();
        let wanted = [left, right].concat();
        assert!(
            distance(&found, &wanted) < 1e-6,
            "{}",
            distance(&found, &wanted)
        );
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
