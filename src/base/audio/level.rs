//! Levels: in decibels, and of samples.

use super::track::{PIECE, Track};

/// The factor of a level in decibels, or the amplitude of one in dBFS: 10^(dB / 20).
pub fn amplitude(db: f64) -> f64 {
    10f64.powf(db / 20.0)
}

/// The level of a factor, or of an amplitude in dBFS: 20 · log10; −∞ for 0.
pub fn decibels(amplitude: f64) -> f64 {
    20.0 * amplitude.log10()
}

/// The sum of `f` over `x`. Long sounds are summed in pieces on all cores, every sound always in
/// the same order.
pub fn sum<'a>(x: impl Into<Track<'a>>, f: impl Fn(f64) -> f64 + Sync) -> f64 {
    let x = x.into();
    match x.len() {
        ..=PIECE => sum_of_piece(&x.whole(), f),
        _ => x.each(PIECE, |piece| sum_of_piece(piece, &f)).iter().sum(),
    }
}

/// The same of one piece, on one core.
pub fn sum_of_piece(x: &[f32], f: impl Fn(f64) -> f64) -> f64 {
    // Eight sums, none of which waits for another.
    let (eights, rest) = x.as_chunks::<8>();
    let mut sums = [0.0; 8];
    for eight in eights {
        for (sum, v) in sums.iter_mut().zip(eight) {
            *sum += f(f64::from(*v));
        }
    }
    let rest = rest.iter().map(|v| f(f64::from(*v)));
    sums.iter().sum::<f64>() + rest.sum::<f64>()
}

/// The sum of squares of `x`.
pub fn energy<'a>(x: impl Into<Track<'a>>) -> f64 {
    sum(x, |v| v * v)
}

/// Where the `length` samples of most energy begin, searched in steps of an eighth of them; 0 where
/// there are no more.
pub fn loudest<'a>(x: impl Into<Track<'a>>, length: usize) -> usize {
    let x = x.into();
    if x.len() <= length {
        return 0;
    }
    let step = (length / 8).max(1);
    let steps = x.each(step, |x| energy(x));
    let rest = length % step;
    let whole = |first: usize| -> f64 {
        let end = first + length / step;
        let rest = x.part(end * step..end * step + rest);
        steps[first..end].iter().sum::<f64>() + energy(rest)
    };
    let energies = (0..=(x.len() - length) / step).map(|first| (first, whole(first)));
    let most = energies.max_by(|a, b| a.1.total_cmp(&b.1));
    most.map_or(0, |(first, _)| first * step)
}

/// Where the first sample stands that is infinite or not a number.
pub fn first_not_finite<'a>(x: impl Into<Track<'a>>) -> Option<usize> {
    let x = x.into();
    if x.is_finite() {
        return None;
    }
    // Without branches, eight at a time.
    let sound = |x: &[f32]| x.iter().fold(true, |sound, v| sound & v.is_finite());
    let pieces = x.each(PIECE, sound);
    let from = PIECE * pieces.iter().position(|sound| !sound)?;
    let piece = x.part(from..from + PIECE).whole();
    let within = piece.iter().position(|v| !v.is_finite())?;
    Some(from + within)
}

/// The mean square of `x`; NaN of no samples.
pub fn power<'a>(x: impl Into<Track<'a>>) -> f64 {
    let x = x.into();
    energy(x) / x.len() as f64
}

/// The mean of `x`, and the mean square around it; 0 for no samples.
pub fn mean_and_power<'a>(x: impl Into<Track<'a>>) -> (f64, f64) {
    let x = x.into();
    let len = x.len().max(1) as f64;
    let mean = sum(x, |v| v) / len;
    (mean, mean_power_around(x, mean))
}

/// The mean square of `x` around a mean that is known; 0 for no samples.
pub fn mean_power_around<'a>(x: impl Into<Track<'a>>, mean: f64) -> f64 {
    let x = x.into();
    sum(x, |v| (v - mean) * (v - mean)) / x.len().max(1) as f64
}

/// The mean of `x`, and the RMS around it; 0 for no samples.
pub fn mean_and_rms<'a>(x: impl Into<Track<'a>>) -> (f64, f64) {
    let (mean, power) = mean_and_power(x);
    (mean, power.sqrt())
}

/// A sound with every sample moved by its last bit, up and down in turn: the least change that it can have.
pub fn by_a_bit(dry: &[f32]) -> Vec<f32> {
    let sides = [1.0 + f32::EPSILON, 1.0 - f32::EPSILON];
    dry.iter()
        .zip(sides.iter().cycle())
        .map(|(x, side)| x * side)
        .collect()
}

/// The largest |x| of what is a number; 0 for no samples.
pub fn peak<'a>(x: impl Into<Track<'a>>) -> f64 {
    let of = |x: &[f32]| x.iter().fold(0.0f32, |most, v| most.max(v.abs()));
    let pieces = x.into().each(PIECE, of);
    f64::from(pieces.into_iter().fold(0.0, f32::max))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A sound of more than one piece, and not of whole ones.
    fn sound() -> Vec<f32> {
        (0..3 * PIECE + 77)
            .map(|n| (n as f32 * 0.37).sin() - 0.1)
            .collect()
    }

    #[test]
    fn sums_in_pieces_are_plain_sums() {
        for x in [&sound()[..], &sound()[..1003], &[]] {
            let plain = x.iter().map(|v| f64::from(*v)).sum::<f64>();
            let squares = x.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>();
            // Each addition rounds by half a unit of a sum of at most as many as there are samples.
            let bound = f64::EPSILON * (x.len() as f64).powi(2);
            assert!((sum(x, |v| v) - plain).abs() <= bound);
            assert!((energy(x) - squares).abs() <= bound);
            let most = x.iter().fold(0.0, |m, v| f64::from(v.abs()).max(m));
            assert_eq!(peak(x), most);
        }
    }

    #[test]
    fn the_loudest_stretch_is_found() {
        let mut x = vec![0.1; 10_000];
        x[6500..7300].fill(0.5);
        // In steps of 100.
        assert_eq!(loudest(&x, 803), 6500);
        assert_eq!(loudest(&x[..803], 803), 0);
        assert_eq!(loudest(&[], 803), 0);
    }

    #[test]
    fn the_first_sample_that_is_no_number_is_found() {
        let mut x = sound();
        assert_eq!(first_not_finite(&x), None);
        x[2 * PIECE + 5] = f32::INFINITY;
        x[3 * PIECE + 1] = f32::NAN;
        assert_eq!(first_not_finite(&x), Some(2 * PIECE + 5));
        x[3] = f32::NAN;
        assert_eq!(first_not_finite(&x), Some(3));
    }
}
