//! Fourier transforms of whole real signals of any length, in double precision. Knows nothing
//! of what the signals are.

use realfft::RealFftPlanner;
use realfft::num_complex::Complex;

/// The first `n/2 + 1` bins of a signal's transform.
pub(crate) fn forward(signal: &[f32]) -> Vec<Complex<f64>> {
    let plan = RealFftPlanner::<f64>::new().plan_fft_forward(signal.len());
    let mut input: Vec<f64> = signal.iter().map(|&x| f64::from(x)).collect();
    let mut output = plan.make_output_vec();
    plan.process(&mut input, &mut output)
        .expect("buffers come from the same plan");
    output
}

/// The real signal of length `n` (scaled by `1/n`) whose first bins are `half`; the imaginary
/// parts of DC and Nyquist are ignored.
pub(crate) fn inverse(mut half: Vec<Complex<f64>>, n: usize) -> Vec<f64> {
    let plan = RealFftPlanner::<f64>::new().plan_fft_inverse(n);
    if let Some(dc) = half.first_mut() {
        dc.im = 0.0;
    }
    if n.is_multiple_of(2)
        && let Some(nyquist) = half.last_mut()
    {
        nyquist.im = 0.0;
    }
    let mut output = plan.make_output_vec();
    plan.process(&mut half, &mut output)
        .expect("buffers come from the same plan");
    let scale = (n as f64).recip();
    output.iter_mut().for_each(|x| *x *= scale);
    output
}
