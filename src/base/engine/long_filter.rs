//! A filter of thousands of taps on one row, without latency: the first taps sample by sample,
//! the others by FFT in equal parts (uniformly partitioned overlap-save: Gardner 1995; Wefers
//! 2015).
//!
//! When [`PART`] samples are complete, what they will add to the next [`PART`] is computed at once, so
//! nothing is ever late and the work of a part falls into one block in `PART / block`. The parts'
//! place counts from the first sample, and with it rounding: the same however the sound is cut
//! into blocks, but not where playing begins elsewhere ([`Plan::set_on_grid`]).

use super::block::{Block, CHUNK, Line};
use super::matrix::Matrix;
use super::node::Node;
use super::ops;
use super::plan::Plan;
use crate::dsp::fft::{Complex64, RealFft};
use crate::network::{Conv1d, DescriptionError};
use crate::simd::{Isa, Kernel, Simd};
use std::fmt;

/// Samples of a part: the taps before are cheaper sample by sample.
pub(crate) const PART: usize = CHUNK;

/// A planned filter, which remembers the past of its input.
pub(crate) struct LongFilter {
    isa: Isa,
    line: Line,
    /// The first taps.
    near: Matrix,
    /// The others.
    far: Option<Far>,
}

/// Taps from [`PART`] on.
struct Far {
    isa: Isa,
    fft: RealFft,
    spectrum: Vec<Complex64>,
    /// The transforms of the parts of the impulse response, of the last parts of the input, and a
    /// sum of their products.
    filters: Spectra,
    past: Spectra,
    sum: Spectra,
    /// Which of `past` is written next: the oldest.
    next: usize,
    /// The part of the input before the present one, and as much of that as was heard.
    input: Vec<f64>,
    heard: usize,
    /// What the past adds to the present part of the output.
    added: Vec<f64>,
}

/// Transforms of `2·PART` samples, real and imaginary parts apart: `[part][bin]`.
struct Spectra {
    re: Vec<f64>,
    im: Vec<f64>,
}

/// Bins of a transform of `2·PART` samples.
const BINS: usize = PART + 1;

impl Spectra {
    fn zeros(parts: usize, plan: &Plan) -> Result<Self, DescriptionError> {
        // Two doubles are four floats.
        plan.claim(parts, 4 * BINS)?;
        Ok(Self {
            re: vec![0.0; parts * BINS],
            im: vec![0.0; parts * BINS],
        })
    }

    fn set(&mut self, part: usize, spectrum: &[Complex64]) {
        let bins = part * BINS..(part + 1) * BINS;
        let to = self.re[bins.clone()].iter_mut().zip(&mut self.im[bins]);
        for ((re, im), value) in to.zip(spectrum) {
            (*re, *im) = (value.re, value.im);
        }
    }

    fn fill(&mut self, value: f64) {
        self.re.fill(value);
        self.im.fill(value);
    }
}

impl LongFilter {
    /// Plans `y[t] = bias + Σ taps[i]·x[t − i]` on the first row.
    ///
    /// # Errors
    /// More memory than [`Plan::claim`] allows.
    pub(crate) fn new(taps: &[f32], bias: f32, plan: &Plan) -> Result<Self, DescriptionError> {
        let (near, far) = taps.split_at(taps.len().min(PART));
        let near = Conv1d {
            kernel_size: near.len(),
            bias: vec![bias],
            // The oldest tap comes first.
            ..Conv1d::dense(1, 1, near.iter().rev().copied().collect(), Vec::new())
        };
        let line = Line::new(1, near.lookback(), plan)?;
        Ok(Self {
            isa: plan.isa,
            near: Matrix::new(&near, line.stride(), plan)?,
            line,
            far: match far {
                [] => None,
                far => Some(Far::new(far, plan)?),
            },
        })
    }
}

impl Node for LongFilter {
    fn process(&mut self, block: &mut Block, len: usize) {
        self.line.take(block, len);
        ops::multiply(
            self.isa,
            &self.near,
            self.line.source(),
            block.target(),
            len,
        );
        if let Some(far) = &mut self.far {
            far.hear(self.line.row(0, len), block.row_mut(0, len));
        }
        self.line.advance(len);
    }

    fn reset(&mut self) {
        self.line.reset();
        if let Some(far) = &mut self.far {
            far.past.fill(0.0);
            far.input.fill(0.0);
            far.added.fill(0.0);
            (far.next, far.heard) = (0, 0);
        }
    }
}

impl Far {
    fn new(taps: &[f32], plan: &Plan) -> Result<Self, DescriptionError> {
        plan.set_on_grid();
        let parts = taps.len().div_ceil(PART);
        let mut fft = RealFft::new(2 * PART);
        let mut spectrum = fft.spectrum();
        let mut filters = Spectra::zeros(parts, plan)?;
        for (part, taps) in taps.chunks(PART).enumerate() {
            fft.forward(taps.iter().map(|&tap| f64::from(tap)), &mut spectrum);
            filters.set(part, &spectrum);
        }
        Ok(Self {
            isa: plan.isa,
            fft,
            spectrum,
            filters,
            past: Spectra::zeros(parts, plan)?,
            sum: Spectra::zeros(1, plan)?,
            next: 0,
            input: vec![0.0; 2 * PART],
            heard: 0,
            added: vec![0.0; PART],
        })
    }

    /// Hears `input` and adds to `output` what the parts before have to say there.
    fn hear(&mut self, input: &[f32], output: &mut [f32]) {
        let mut at = 0;
        while at < input.len() {
            let len = (PART - self.heard).min(input.len() - at);
            let heard = self.heard..self.heard + len;
            for (to, from) in self.input[PART..][heard.clone()]
                .iter_mut()
                .zip(&input[at..])
            {
                *to = f64::from(*from);
            }
            for (to, from) in output[at..at + len].iter_mut().zip(&self.added[heard]) {
                *to = (f64::from(*to) + from) as f32;
            }
            at += len;
            self.heard += len;
            if self.heard == PART {
                self.turn();
            }
        }
    }

    /// A part is complete: what it and those before it add to the next.
    fn turn(&mut self) {
        self.fft
            .forward(self.input.iter().copied(), &mut self.spectrum);
        self.past.set(self.next, &self.spectrum);
        self.isa.run(Products {
            sum: &mut self.sum,
            filters: &self.filters,
            past: &self.past,
            newest: self.next,
        });
        let sum = self.sum.re.iter().zip(&self.sum.im);
        for (bin, (re, im)) in self.spectrum.iter_mut().zip(sum) {
            *bin = Complex64::new(*re, *im);
        }
        // The first half has wrapped around.
        let output = self.fft.inverse(&mut self.spectrum);
        self.added.copy_from_slice(&output[PART..]);
        self.input.copy_within(PART.., 0);
        self.next = (self.next + 1) % (self.past.re.len() / BINS);
        self.heard = 0;
    }
}

/// sum = Σ filters[i] · past[newest − i]
struct Products<'a> {
    sum: &'a mut Spectra,
    filters: &'a Spectra,
    past: &'a Spectra,
    newest: usize,
}

impl Kernel for Products<'_> {
    type Output = ();

    /// Plain loops, which the compiler turns into the instruction set's vectors.
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let parts = self.past.re.len() / BINS;
        self.sum.fill(0.0);
        let (sum_re, sum_im) = (&mut self.sum.re[..BINS], &mut self.sum.im[..BINS]);
        for part in 0..parts {
            let past = (self.newest + parts - part) % parts * BINS;
            let (x_re, x_im) = (&self.past.re[past..][..BINS], &self.past.im[past..][..BINS]);
            let h_re = &self.filters.re[part * BINS..][..BINS];
            let h_im = &self.filters.im[part * BINS..][..BINS];
            for bin in 0..BINS {
                sum_re[bin] += x_re[bin] * h_re[bin] - x_im[bin] * h_im[bin];
                sum_im[bin] += x_re[bin] * h_im[bin] + x_im[bin] * h_re[bin];
            }
        }
    }
}

impl fmt::Debug for LongFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = self.far.as_ref().map_or(0, |far| far.past.re.len() / BINS);
        f.debug_struct("LongFilter")
            .field("near", &(self.line.lookback() + 1))
            .field("parts", &parts)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Noise;

    /// Taps that fade, and a sound.
    fn material(taps: usize, len: usize) -> (Vec<f32>, Vec<f32>) {
        let mut noise = Noise::new(5);
        let mut draw = || noise.next().unwrap();
        let fade = |i: usize| (-6.0 * i as f32 / taps as f32).exp() / (taps as f32).sqrt();
        let h = (0..taps).map(|i| fade(i) * draw()).collect();
        (h, (0..len).map(|_| draw()).collect())
    }

    fn direct(h: &[f32], x: &[f32], t: usize) -> f64 {
        let terms = h.iter().zip(x[..=t].iter().rev());
        terms.map(|(h, x)| f64::from(*h) * f64::from(*x)).sum()
    }

    fn played(filter: &mut LongFilter, x: &[f32], blocks: &[usize]) -> Vec<f32> {
        let plan = Plan::new(Isa::detect(), 0);
        let mut block = Block::new(1, &plan).unwrap();
        let (mut y, mut sizes) = (Vec::new(), blocks.iter().cycle());
        while y.len() < x.len() {
            let len = (*sizes.next().unwrap()).min(x.len() - y.len());
            let from = y.len();
            block.row_mut(0, len).copy_from_slice(&x[from..from + len]);
            filter.process(&mut block, len);
            y.extend_from_slice(block.row(0, len));
        }
        y
    }

    /// Lengths around the seams between the taps played directly and the parts.
    #[test]
    fn it_is_direct_convolution_whatever_the_blocks() {
        for isa in Isa::available() {
            for taps in [1, PART - 1, PART, PART + 1, 2 * PART, 5 * PART + 17] {
                let (h, x) = material(taps, 4000);
                let plan = Plan::new(isa, 0);
                let mut filter = LongFilter::new(&h, 0.25, &plan).unwrap();
                assert_eq!(plan.is_on_grid(), taps > PART);
                let y = played(&mut filter, &x, &[CHUNK]);
                for (t, y) in y.iter().enumerate() {
                    let wanted = 0.25 + direct(&h, &x, t);
                    // Outputs are of the size of 1: some roundings of 6e-8.
                    assert!((f64::from(*y) - wanted).abs() < 1e-6, "{isa} {taps} {t}");
                }
                filter.reset();
                assert_eq!(y, played(&mut filter, &x, &[1, 64, 7, 200]), "{isa} {taps}");
            }
        }
    }
}
