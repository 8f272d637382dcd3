//! The exact normal equations of a bank of FIR filters on finite time spans, and their solution.
//!
//! Unknowns: `taps` coefficients for each of `B` derived signals `x_f` (those of one dry channel, then
//! those of the one beside it, where there is one); equations: every sample
//! of every segment. `R[(f,i),(g,j)] = Σ_t x_f[t−i]·x_g[t−j]`. Its first rows are correlations
//! (by FFT, in pieces, so memory does not grow with the recordings); the rest follows from
//! moving both lags by one, which only changes what enters and leaves at the segment's two ends:
//! `R[(f,i+1),(g,j+1)] = R[(f,i),(g,j)] + Σ_segments x_f[−1−i]·x_g[−1−j] − x_f[T−1−i]·x_g[T−1−j]`.
//! So `R` is Toeplitz but for the ends, and this form is exact where the Toeplitz one is not.

use super::expansion::Expansion;
use super::segment::Heard;
use crate::config::MAX_UNKNOWNS;
use crate::linalg::cholesky::{self, Halt};
use crate::progress::{Observer, Stopped, Task};
use crate::regress::RegressError;
use rayon::prelude::*;
use realfft::num_complex::Complex;
use realfft::{ComplexToReal, RealFftPlanner, RealToComplex};
use std::sync::Arc;

/// Pieces whose sums are formed independently; fixed, so that the rounding (hence the result)
/// does not depend on the number of cores.
const GROUPS: usize = 16;

/// Penalties tried in turn, relative to the mean power of each derived signal, when the plain
/// equations are singular to working precision (a pure sine determines two taps, not 4096).
const LAST_RESORT_RIDGES: [f64; 5] = [1e-13, 1e-12, 1e-11, 1e-10, 1e-9];

/// Fitted filters and the penalty that was needed to determine them.
pub(crate) struct Solution {
    /// `taps` coefficients per derived signal, in the expansion's order.
    pub(crate) banks: Vec<Vec<f64>>,
    /// Relative ridge penalty in force: what was asked for, or more where that was singular.
    pub(crate) ridge: f64,
}

/// Fits `taps` coefficients per derived signal to all segments at once, minimising
/// `Σ (wet − predicted)² + ridge·Σ power(x_f)·h²`.
pub(crate) fn fit(
    name: &str,
    expansion: &Expansion,
    taps: usize,
    ridge: f64,
    segments: &[Heard<'_>],
    observer: &dyn Observer,
) -> Result<Solution, RegressError> {
    debug_assert!(taps * count(expansion, segments) <= MAX_UNKNOWNS);
    let statistics = Statistics::gather(name, expansion, taps, segments, observer)?;
    let scale = statistics.scale();
    let ridges =
        std::iter::once(ridge).chain(LAST_RESORT_RIDGES.into_iter().filter(|r| *r > ridge));
    for ridge in ridges {
        let mut gram = statistics.scaled_gram(&scale, ridge);
        let solved = solve(name, &mut gram, &statistics.scaled_target(&scale), observer)?;
        drop(gram);
        if let Some(mut solution) = solved {
            solution.iter_mut().zip(&scale).for_each(|(h, s)| *h *= s);
            let banks = solution.chunks_exact(taps).map(<[f64]>::to_vec).collect();
            return Ok(Solution { banks, ridge });
        }
    }
    Err(RegressError::Singular {
        estimator: name.to_string(),
    })
}

/// Derived signals of all dry channels.
fn count(expansion: &Expansion, segments: &[Heard<'_>]) -> usize {
    let channels = segments.first().map_or(1, Heard::channels);
    expansion.count() * channels
}

/// `None` when singular.
fn solve(
    name: &str,
    gram: &mut [f64],
    target: &[f64],
    observer: &dyn Observer,
) -> Result<Option<Vec<f64>>, RegressError> {
    let n = target.len();
    let name = format!("solving {name}");
    let task = Task::begin(observer, &name, Some(n as u64));
    let mut told = 0;
    let factored = cholesky::factor(gram, n, n as f64 * f64::EPSILON, |done| {
        let steps = (done - told) as u64;
        told = done;
        task.step(steps).is_ok()
    });
    drop(task);
    match factored {
        Ok(()) => {
            let mut solution = target.to_vec();
            cholesky::solve(gram, &mut solution);
            Ok(Some(solution))
        }
        Err(Halt::Indefinite) => Ok(None),
        Err(Halt::Stopped) => Err(RegressError::Interrupted { task: name }),
    }
}

/// All that the normal equations need, of a size that depends on the unknowns only.
pub(crate) struct Statistics {
    taps: usize,
    /// Derived signals.
    count: usize,
    /// `correlation[f·count + g][j] = Σ_t x_f[t]·x_g[t−j]`, `taps` lags.
    correlation: Vec<Vec<f64>>,
    /// `target[f·taps + j] = Σ_t wet[t]·x_f[t−j]`.
    target: Vec<f64>,
    /// Per segment: what enters and leaves when both lags grow by one.
    ends: Vec<Ends>,
}

/// `head[f][i] = x_f[−1−i]`, `tail[f][i] = x_f[T−1−i]`, for `i < taps − 1`.
struct Ends {
    head: Vec<Vec<f64>>,
    tail: Vec<Vec<f64>>,
}

impl Ends {
    fn of(expansion: &Expansion, taps: usize, segment: &Heard<'_>) -> Self {
        let history = taps as isize - 1;
        let end = segment.len() as isize;
        let before = |end: isize| -> Vec<Vec<f64>> {
            let mut signals = segment.derived(expansion, end - history, end);
            signals.iter_mut().for_each(|s| s.reverse());
            signals
        };
        Self {
            head: before(0),
            tail: before(end),
        }
    }
}

impl Statistics {
    /// Runs through all segments once.
    pub(crate) fn gather(
        name: &str,
        expansion: &Expansion,
        taps: usize,
        segments: &[Heard<'_>],
        observer: &dyn Observer,
    ) -> Result<Self, RegressError> {
        let count = count(expansion, segments);
        let correlator = Correlator::new(expansion, count, taps);
        let pieces: Vec<(usize, usize)> = segments
            .iter()
            .enumerate()
            .flat_map(|(s, segment)| {
                (0..segment.len())
                    .step_by(correlator.hop)
                    .map(move |start| (s, start))
            })
            .collect();
        let name = format!("correlating for {name}");
        let task = Task::begin(observer, &name, Some(pieces.len() as u64));
        let sums: Vec<Result<Spectra, Stopped>> = pieces
            .par_chunks(pieces.len().div_ceil(GROUPS).max(1))
            .map(|group| {
                let mut spectra = correlator.zero();
                for &(s, start) in group {
                    task.go_on()?;
                    correlator.add(&mut spectra, &segments[s], start);
                    task.advance(1);
                }
                Ok(spectra)
            })
            .collect();
        drop(task);
        let mut total = correlator.zero();
        for spectra in sums {
            total.add(&spectra.map_err(RegressError::interrupted(&name))?);
        }
        Ok(Self {
            taps,
            count,
            correlation: total.auto.iter().map(|s| correlator.lags(s)).collect(),
            target: total
                .target
                .iter()
                .flat_map(|s| correlator.lags(s))
                .collect(),
            ends: segments
                .iter()
                .map(|segment| Ends::of(expansion, taps, segment))
                .collect(),
        })
    }

    /// `1/√power` per unknown: equations in signals of unit power are as well conditioned as a
    /// diagonal scaling can make them (van der Sluis). Silent signals keep scale 1.
    pub(crate) fn scale(&self) -> Vec<f64> {
        (0..self.count)
            .flat_map(|f| {
                let power = self.correlation[f * self.count + f][0];
                let scale = if power > 0.0 {
                    power.sqrt().recip()
                } else {
                    1.0
                };
                std::iter::repeat_n(scale, self.taps)
            })
            .collect()
    }

    pub(crate) fn scaled_target(&self, scale: &[f64]) -> Vec<f64> {
        self.target.iter().zip(scale).map(|(t, s)| t * s).collect()
    }

    /// The scaled Gram matrix plus `ridge` on its diagonal, lower triangle, column-major.
    pub(crate) fn scaled_gram(&self, scale: &[f64], ridge: f64) -> Vec<f64> {
        let (taps, n) = (self.taps, self.count * self.taps);
        let mut gram = vec![0.0; n * n];
        for g in 0..self.count {
            for f in g..self.count {
                self.fill_block(&mut gram, f, g);
            }
        }
        gram.par_chunks_mut(n).enumerate().for_each(|(j, column)| {
            let own = scale[j];
            for (value, s) in column.iter_mut().zip(scale).skip(j) {
                *value *= own * s;
            }
            column[j] += ridge;
        });
        debug_assert_eq!(gram.len(), taps * self.count * n);
        gram
    }

    /// Block of signals `f ≥ g`: column `j` holds `R[(f,i),(g,j)]` at rows `i`; each column
    /// follows from the one before it, one place up.
    fn fill_block(&self, gram: &mut [f64], f: usize, g: usize) {
        let (taps, n) = (self.taps, self.count * self.taps);
        let place = |j: usize| (g * taps + j) * n + f * taps;
        // Lag of f against g: Σ x_f[t−i]·x_g[t] is the correlation with the roles exchanged.
        gram[place(0)..][..taps].copy_from_slice(&self.correlation[g * self.count + f]);
        for j in 1..taps {
            let (before, here) = gram.split_at_mut(place(j));
            let previous = &before[place(j - 1)..][..taps - 1];
            let column = &mut here[..taps];
            column[0] = self.correlation[f * self.count + g][j];
            column[1..].copy_from_slice(previous);
            for ends in &self.ends {
                let (entering, leaving) = (ends.head[g][j - 1], ends.tail[g][j - 1]);
                for ((value, head), tail) in
                    column[1..].iter_mut().zip(&ends.head[f]).zip(&ends.tail[f])
                {
                    *value += head * entering - tail * leaving;
                }
            }
        }
    }
}

/// Correlates pieces of `hop` samples with what precedes them, summing in the frequency domain.
struct Correlator<'a> {
    expansion: &'a Expansion,
    /// Derived signals.
    count: usize,
    taps: usize,
    hop: usize,
    forward: Arc<dyn RealToComplex<f64>>,
    inverse: Arc<dyn ComplexToReal<f64>>,
}

/// Sums of cross spectra.
struct Spectra {
    auto: Vec<Vec<Complex<f64>>>,
    target: Vec<Vec<Complex<f64>>>,
}

impl Spectra {
    fn add(&mut self, other: &Self) {
        let mine = self.auto.iter_mut().chain(&mut self.target);
        for (mine, other) in mine.zip(other.auto.iter().chain(&other.target)) {
            mine.iter_mut().zip(other).for_each(|(m, o)| *m += o);
        }
    }
}

impl<'a> Correlator<'a> {
    fn new(expansion: &'a Expansion, count: usize, taps: usize) -> Self {
        // Four times the taps: three quarters of each transform is new material.
        let size = (4 * taps).next_power_of_two().max(1024);
        let mut planner = RealFftPlanner::new();
        Self {
            expansion,
            count,
            taps,
            hop: size - (taps - 1),
            forward: planner.plan_fft_forward(size),
            inverse: planner.plan_fft_inverse(size),
        }
    }

    fn zero(&self) -> Spectra {
        let count = self.count;
        let spectrum = vec![Complex::default(); self.inverse.len() / 2 + 1];
        Spectra {
            auto: vec![spectrum.clone(); count * count],
            target: vec![spectrum; count],
        }
    }

    /// Adds the piece of `segment` that starts at `start`. Only samples of the piece itself meet
    /// themselves and the `taps − 1` samples before them, so nothing wraps around.
    fn add(&self, sums: &mut Spectra, segment: &Heard<'_>, start: usize) {
        let history = self.taps - 1;
        let end = (start + self.hop).min(segment.len());
        let with_history: Vec<Vec<f64>> = segment.derived(
            self.expansion,
            start as isize - history as isize,
            end as isize,
        );
        let mut wet = vec![0.0; history];
        wet.extend(segment.wet()[start..end].iter().map(|&w| f64::from(w)));
        let wet = self.spectrum(wet);
        let new_only: Vec<_> = with_history
            .iter()
            .map(|signal| {
                let mut signal = signal.clone();
                signal[..history].fill(0.0);
                self.spectrum(signal)
            })
            .collect();
        let count = with_history.len();
        for (g, signal) in with_history.into_iter().enumerate() {
            let delayed = self.spectrum(signal);
            for (f, new_only) in new_only.iter().enumerate() {
                add_product(&mut sums.auto[f * count + g], new_only, &delayed);
            }
            add_product(&mut sums.target[g], &wet, &delayed);
        }
    }

    fn spectrum(&self, mut signal: Vec<f64>) -> Vec<Complex<f64>> {
        signal.resize(self.forward.len(), 0.0);
        let mut spectrum = self.forward.make_output_vec();
        self.forward
            .process(&mut signal, &mut spectrum)
            .expect("buffers come from the same plan");
        spectrum
    }

    /// Correlation at lags `0..taps` from a summed cross spectrum.
    fn lags(&self, spectrum: &[Complex<f64>]) -> Vec<f64> {
        let mut spectrum = spectrum.to_vec();
        let size = self.inverse.len();
        // Exactly real in exact arithmetic; the inverse transform insists on it.
        spectrum[0].im = 0.0;
        spectrum[size / 2].im = 0.0;
        let mut lags = self.inverse.make_output_vec();
        self.inverse
            .process(&mut spectrum, &mut lags)
            .expect("buffers come from the same plan");
        lags.truncate(self.taps);
        lags.iter_mut().for_each(|lag| *lag /= size as f64);
        lags
    }
}

fn add_product(sum: &mut [Complex<f64>], left: &[Complex<f64>], right: &[Complex<f64>]) {
    for ((s, l), r) in sum.iter_mut().zip(left).zip(right) {
        *s += l * r.conj();
    }
}
