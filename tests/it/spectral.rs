//! The spectral distance against its slow form in double precision, on every instruction set this
//! machine has.

use crate::oracle::spectral as oracle;
use crate::support::noise;
use effigy::kernels::spectral::SpectralDistance;
use effigy::simd::Isa;

const PLAIN: SpectralDistance = SpectralDistance { pre_emphasis: None };
const EMPHASISED: SpectralDistance = SpectralDistance {
    pre_emphasis: Some(0.85),
};

fn double(x: &[f32]) -> Vec<f64> {
    x.iter().map(|&x| f64::from(x)).collect()
}

/// Distance and gradient of the fused form, for an output gradient of 1.
fn fused(
    shape: &SpectralDistance,
    isa: Isa,
    rows: usize,
    wet: &[f32],
    predicted: &[f32],
) -> (f32, Vec<f32>) {
    let (distance, kept) = shape.forward(isa, rows, wet, predicted, true);
    let (unkept, nothing) = shape.forward(isa, rows, wet, predicted, false);
    assert_eq!((distance, nothing.len()), (unkept, 0));
    let gradient = shape.backward(isa, rows, wet.len() / rows, &kept, 1.0);
    (distance, gradient)
}

/// The distance is of size 1; gradients relative to the largest. What limits both is the
/// rounding of the quietest bins, whose logarithm is steep.
#[test]
fn spectral_distance_is_its_formula_forward_and_backward() {
    for (shape, rows, len) in [(PLAIN, 2, 1030), (EMPHASISED, 1, 2577)] {
        let (wet, mut predicted) = (noise(rows * len, 3), noise(rows * len, 4));
        // A quieter, and for a while silent prediction: bins at their floor have no slope.
        for (t, x) in predicted.iter_mut().enumerate() {
            *x *= if t % len < len / 2 { 0.0 } else { 0.3 };
        }
        let (exact, slopes) = oracle::distance(&shape, rows, &double(&wet), &double(&predicted));
        let largest = slopes.iter().fold(0.0, |m: f64, x| m.max(x.abs()));
        for isa in Isa::available() {
            let (distance, gradient) = fused(&shape, isa, rows, &wet, &predicted);
            let error = (f64::from(distance) - exact).abs();
            assert!(error < 1e-5, "{isa}: {distance} for {exact}");
            for (at, (got, slope)) in gradient.iter().zip(&slopes).enumerate() {
                let error = (f64::from(*got) - slope).abs() / largest;
                assert!(error < 1e-4, "{isa} [{at}]: {got} for {slope}: {error:e}");
            }
        }
    }
}

/// The slow form's gradient itself, along noise, in a sound without bins near 0 on either side.
#[test]
fn the_slow_forms_gradient_agrees_with_finite_differences() {
    const STEP: f64 = 1e-6;
    let (wet, predicted) = (double(&noise(1100, 5)), double(&noise(1100, 6)));
    let direction = double(&noise(1100, 7));
    let value = |step: f64| {
        let moved = predicted.iter().zip(&direction).map(|(p, d)| p + step * d);
        let moved: Vec<f64> = moved.collect();
        oracle::distance(&EMPHASISED, 1, &wet, &moved).0
    };
    let slopes = oracle::distance(&EMPHASISED, 1, &wet, &predicted).1;
    let slope: f64 = slopes.iter().zip(&direction).map(|(a, b)| a * b).sum();
    let difference = (value(STEP) - value(-STEP)) / (2.0 * STEP);
    assert!(
        (slope - difference).abs() < 1e-4 * slope.abs(),
        "{slope} for {difference}"
    );
}

#[test]
fn silence_on_either_side_is_finite_and_equal_sides_are_at_rest() {
    let (sound, silence) = (noise(2 * 1500, 2), vec![0.0; 2 * 1500]);
    for isa in Isa::available() {
        for shape in [PLAIN, EMPHASISED] {
            for (wet, predicted) in [(&sound, &silence), (&silence, &sound)] {
                let (distance, gradient) = fused(&shape, isa, 2, wet, predicted);
                assert!(distance > 0.1 && distance.is_finite(), "{isa}: {distance}");
                assert!(gradient.iter().all(|x| x.is_finite()), "{isa}");
            }
            for side in [&sound, &silence] {
                let (distance, gradient) = fused(&shape, isa, 2, side, side);
                assert_eq!(distance, 0.0, "{isa}");
                assert!(gradient.iter().all(|&x| x == 0.0), "{isa}");
            }
        }
        let broken = vec![f32::NAN; 2 * 1500];
        assert!(
            PLAIN.forward(isa, 2, &sound, &broken, false).0.is_nan(),
            "{isa}"
        );
    }
}

#[test]
fn spectral_distances_are_the_same_bits_whatever_the_threads() {
    let (wet, predicted) = (noise(3 * 4000, 8), noise(3 * 4000, 9));
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        let work = || fused(&EMPHASISED, Isa::detect(), 3, &wet, &predicted);
        pool.map(|pool| pool.install(work))
            .map_err(|error| error.to_string())
    };
    let one = run(1);
    assert!(one.is_ok());
    for threads in [2, 3, 8] {
        assert!(run(threads) == one, "{threads} threads");
    }
}
