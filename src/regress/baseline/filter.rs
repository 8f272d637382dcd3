//! Running a bank of FIR filters over a signal, piece by piece by FFT. Knows nothing of fitting.

use super::Segment;
use super::expansion::Expansion;
use realfft::RealFftPlanner;
use realfft::num_complex::Complex;

/// `Σ_f (h_f ∗ x_f)[t]` for every dry sample of `segment` (overlap–save: each transform's first
/// `taps − 1` results have wrapped around and are dropped).
pub(crate) fn apply(expansion: &Expansion, banks: &[Vec<f64>], segment: &Segment<'_>) -> Vec<f32> {
    let taps = banks.first().map_or(1, Vec::len);
    let size = (4 * taps).next_power_of_two().max(4096);
    let hop = size - (taps - 1);
    let mut planner = RealFftPlanner::<f64>::new();
    let forward = planner.plan_fft_forward(size);
    let inverse = planner.plan_fft_inverse(size);
    let transform = |signal: &[f64]| {
        let mut padded = signal.to_vec();
        padded.resize(size, 0.0);
        let mut spectrum = forward.make_output_vec();
        forward
            .process(&mut padded, &mut spectrum)
            .expect("buffers come from the same plan");
        spectrum
    };
    let responses: Vec<_> = banks.iter().map(|bank| transform(bank)).collect();
    let mut predicted = Vec::with_capacity(segment.dry.len());
    for start in (0..segment.dry.len()).step_by(hop) {
        let end = (start + hop).min(segment.dry.len());
        let first = start as isize - (taps as isize - 1);
        let mut sum = vec![Complex::default(); size / 2 + 1];
        for (signal, response) in segment
            .derived(expansion, first, end as isize)
            .iter()
            .zip(&responses)
        {
            for ((s, x), h) in sum.iter_mut().zip(transform(signal)).zip(response) {
                *s += x * h;
            }
        }
        sum[0].im = 0.0;
        sum[size / 2].im = 0.0;
        let mut piece = inverse.make_output_vec();
        inverse
            .process(&mut sum, &mut piece)
            .expect("buffers come from the same plan");
        let valid = &piece[taps - 1..][..end - start];
        predicted.extend(valid.iter().map(|y| (y / size as f64) as f32));
    }
    predicted
}
