//! The collage and stretching notebooks exactly as they computed, quirks and all, for
//! `--compat`. The better forms are in [`super::collage`] and [`super::interpolate`].
//!
//! Quirks kept: a "slew" between two levels adds their sum instead of their difference, so it
//! only meets its end by a jump unless one level is zero; 16-bit sums wrap around; jumble loses
//! the last segment of the shuffled list; interleave takes the number of segments for a
//! segment's length; positions of the stretch are a running sum whose last one lies beyond the
//! recording. Samples are in units of one 16-bit step.

use super::ResynthError;
use super::collage::split;
use super::shuffle::numpy_shuffle;

/// A sample as NumPy held it: a raw 16-bit integer, or a float once it was computed with.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Number {
    Int16(i16),
    Float(f64),
}

impl Number {
    fn value(self) -> f64 {
        match self {
            Self::Int16(x) => f64::from(x),
            Self::Float(x) => x,
        }
    }

    /// 16-bit integers overflow: −32768 has no opposite.
    fn abs(self) -> f64 {
        match self {
            Self::Int16(x) => f64::from(x.wrapping_abs()),
            Self::Float(x) => x.abs(),
        }
    }

    /// The sum of two 16-bit integers is again one.
    fn plus(self, other: Self) -> f64 {
        match (self, other) {
            (Self::Int16(a), Self::Int16(b)) => f64::from(a.wrapping_add(b)),
            _ => self.value() + other.value(),
        }
    }
}

/// A raw sample: an integer if it is a 16-bit one.
fn raw(sample: f64) -> Number {
    let fits = sample.fract() == 0.0 && (-32768.0..=32767.0).contains(&sample);
    if fits {
        Number::Int16(sample as i16)
    } else {
        Number::Float(sample)
    }
}

/// The notebook's `slew`: `start`, then `values − 1` steps of `(start + end) / values` towards
/// larger or smaller numbers, then `end`.
fn slew(start: Number, end: Number, values: usize) -> Vec<f64> {
    let step = start.plus(end) / values as f64;
    let step = if start.abs() < end.abs() { step } else { -step };
    let mut output = vec![start.value()];
    let mut level = start.value();
    for _ in 1..values {
        level += step;
        output.push(level);
    }
    output.push(end.value());
    output
}

/// `jumble(segments)` before it is written: the segments in the order that NumPy's shuffle
/// with `seed` leaves them, without the last of them.
///
/// # Errors
/// The number of segments is out of range.
pub fn jumble(samples: &[f64], segments: usize, seed: u32) -> Result<Vec<f64>, ResynthError> {
    jumble_in_order(samples, segments, &numpy_shuffle(seed, segments))
}

/// [`jumble`] with the shuffled list of segments given.
///
/// # Errors
/// The number of segments is out of range.
pub fn jumble_in_order(
    samples: &[f64],
    segments: usize,
    order: &[usize],
) -> Result<Vec<f64>, ResynthError> {
    let spans = split(samples.len(), segments)?;
    let mut output: Vec<f64> = Vec::new();
    let kept = &order[..order.len().saturating_sub(1)];
    for (i, span) in kept.iter().filter_map(|&s| spans.get(s)).enumerate() {
        let segment = &samples[span.clone()];
        if let (Some(&last), Some(&first)) = (output.last(), segment.first()) {
            // Up to the first slew the output is still made of 16-bit integers.
            let last = if i == 1 {
                raw(last)
            } else {
                Number::Float(last)
            };
            output.extend(slew(last, raw(first), segment.len().div_ceil(1000) + 1));
        }
        output.extend_from_slice(segment);
    }
    Ok(output)
}

/// `jumble2`: segments of `a` and `b` in turn.
///
/// # Errors
/// The number of segments is out of range for one of them.
pub fn interleave(a: &[f64], b: &[f64], segments: usize) -> Result<Vec<f64>, ResynthError> {
    let mut output: Vec<f64> = Vec::new();
    for (a_span, b_span) in split(a.len(), segments)?
        .into_iter()
        .zip(split(b.len(), segments)?)
    {
        let (a, b) = (&a[a_span], &b[b_span]);
        let (Some(&a_first), Some(&a_last), Some(&b_first)) = (a.first(), a.last(), b.first())
        else {
            continue;
        };
        if let Some(&last) = output.last() {
            let values = a.len().div_ceil(1000) + 1;
            output.extend(slew(Number::Float(last), raw(a_first), values));
        }
        output.extend_from_slice(a);
        // The notebook takes the length of the list of segments for that of the segment.
        output.extend(slew(raw(a_last), raw(b_first), segments.div_ceil(20) + 1));
        output.extend_from_slice(b);
    }
    Ok(output)
}

/// `time_stretch`: straight lines between samples at `ceil(len · |factor|) + 1` positions.
///
/// # Errors
/// The factor is zero or out of range, or there are fewer than two samples.
pub fn time_stretch(samples: &[f64], factor: f64) -> Result<Vec<f64>, ResynthError> {
    super::vocoder::check_factor(factor)?;
    let len = samples.len();
    if len < 2 {
        return Err(ResynthError::TooFew {
            what: "samples to interpolate between",
            found: len,
            needed: 2,
        });
    }
    let count = (len as f64 * factor.abs()).ceil() as usize;
    let (zero, end) = (Number::Float(0.0), Number::Float(len as f64));
    let positions = if factor > 0.0 {
        slew(zero, end, count)
    } else {
        slew(end, zero, count)
    };
    let at = |position: f64| {
        // The left one of the two samples; outside, the nearest two are extended.
        let left = (position.ceil() as isize - 1).clamp(0, len as isize - 2) as usize;
        let slope = samples[left + 1] - samples[left];
        slope * (position - left as f64) + samples[left]
    };
    Ok(positions.into_iter().map(at).collect())
}

/// `write_wav_file`: scaled to a peak of 0.95, with a slew from zero before and one to zero
/// behind, each a twentieth of the length. Silence stays silence.
pub fn finish(samples: &[f64]) -> Vec<f64> {
    let peak = samples.iter().fold(0.0_f64, |peak, x| peak.max(x.abs()));
    if peak == 0.0 {
        return samples.to_vec();
    }
    let scaled: Vec<f64> = samples.iter().map(|x| x / peak * 0.95).collect();
    let (first, last) = (scaled[0], scaled[scaled.len() - 1]);
    let (zero, values) = (Number::Float(0.0), samples.len() / 20);
    let mut output = slew(zero, Number::Float(first), values);
    output.extend(&scaled);
    output.extend(slew(Number::Float(last), zero, values));
    output
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slew_between_two_levels_is_not_one() {
        let between = |a, b, n| slew(Number::Int16(a), Number::Int16(b), n);
        assert_eq!(between(100, 300, 4), [100.0, 200.0, 300.0, 400.0, 300.0]);
        assert_eq!(between(0, 300, 3), [0.0, 100.0, 200.0, 300.0]);
        // 30000 + 30000 wraps to −5536.
        assert_eq!(between(30000, 30000, 2), [30000.0, 32768.0, 30000.0]);
    }
}
