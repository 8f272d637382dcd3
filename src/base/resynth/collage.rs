//! Recordings cut up and joined: one file's segments shuffled, or two files' in turn.
//!
//! Segments keep their length; at each join both are heard a little beyond their ends, one
//! fading into the other, so that nothing is lost and nothing clicks. Knows nothing of files.
//! The notebook's forms are in [`super::compat`].

use super::ResynthError;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use std::f64::consts::FRAC_PI_2;
use std::ops::Range;

/// A stretch of one of the sources.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Piece {
    source: usize,
    span: Range<usize>,
}

/// Cuts `len` samples into `segments` spans as equal as possible: the first ones are one sample
/// longer if they must (NumPy's `array_split`).
///
/// # Errors
/// [`ResynthError::Setting`] unless there are 2 segments at least and 2 samples in each.
pub fn split(len: usize, segments: usize) -> Result<Vec<Range<usize>>, ResynthError> {
    if segments < 2 || segments > len / 2 {
        return Err(ResynthError::Setting {
            name: "number of segments",
            value: segments.to_string(),
            allowed: "it must be at least 2 and at most half the number of samples",
        });
    }
    let (short, longer) = (len / segments, len % segments);
    let start = |i: usize| i * short + i.min(longer);
    Ok((0..segments).map(|i| start(i)..start(i + 1)).collect())
}

/// Shuffles `segments` equal segments of all channels; joins fade over `crossfade` samples.
/// The result is as long as the input.
///
/// # Errors
/// The number of segments is out of range.
pub fn jumble(
    channels: &[Vec<f32>],
    segments: usize,
    crossfade: usize,
    seed: u64,
) -> Result<Vec<Vec<f32>>, ResynthError> {
    let mut spans = split(channels.first().map_or(0, Vec::len), segments)?;
    spans.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
    let pieces: Vec<Piece> = spans
        .into_iter()
        .map(|span| Piece { source: 0, span })
        .collect();
    Ok(channels
        .iter()
        .map(|samples| join(&[samples], &pieces, crossfade))
        .collect())
}

/// Plays `segments` equal segments of `a` and `b` in turn, both in their own order; joins fade
/// over `crossfade` samples. A sound with one channel is heard in all channels of the other.
/// The result is as long as both inputs together.
///
/// # Errors
/// The number of segments is out of range for one of them.
pub fn interleave(
    a: &[Vec<f32>],
    b: &[Vec<f32>],
    segments: usize,
    crossfade: usize,
) -> Result<Vec<Vec<f32>>, ResynthError> {
    let spans_of = |channels: &[Vec<f32>]| split(channels.first().map_or(0, Vec::len), segments);
    let pairs = spans_of(a)?.into_iter().zip(spans_of(b)?);
    let pieces: Vec<Piece> = pairs
        .flat_map(|(a, b)| [(0, a), (1, b)])
        .map(|(source, span)| Piece { source, span })
        .collect();
    let channels = a.len().max(b.len());
    let pick = |of: &'_ [Vec<f32>], c: usize| c.min(of.len() - 1);
    Ok((0..channels)
        .map(|c| join(&[&a[pick(a, c)], &b[pick(b, c)]], &pieces, crossfade))
        .collect())
}

/// A piece's place in the output and how far it fades beyond its two ends.
struct Placed<'a> {
    source: &'a [f32],
    span: Range<usize>,
    at: usize,
    /// Half the length of the fade at each end.
    fade_in: usize,
    fade_out: usize,
}

fn join(sources: &[&Vec<f32>], pieces: &[Piece], crossfade: usize) -> Vec<f32> {
    let mut out = vec![0.0_f64; pieces.iter().map(|p| p.span.len()).sum()];
    let mut at = 0;
    for (i, piece) in pieces.iter().enumerate() {
        let half =
            |before: Option<&Piece>, after: Option<&Piece>| half_fade(before, after, crossfade);
        let placed = Placed {
            source: sources[piece.source],
            span: piece.span.clone(),
            at,
            fade_in: half(i.checked_sub(1).and_then(|i| pieces.get(i)), Some(piece)),
            fade_out: half(Some(piece), pieces.get(i + 1)),
        };
        placed.add_to(&mut out);
        at += piece.span.len();
    }
    out.into_iter().map(|x| x as f32).collect()
}

/// Half the length of the fade between two pieces, short enough that a piece's fades never
/// meet. Where two pieces follow each other in their source as well there is nothing to fade.
fn half_fade(before: Option<&Piece>, after: Option<&Piece>, crossfade: usize) -> usize {
    match (before, after) {
        (Some(a), Some(b)) if a.source == b.source && a.span.end == b.span.start => 0,
        (Some(a), Some(b)) => (crossfade / 2).min(a.span.len() / 2).min(b.span.len() / 2),
        // The output's own ends.
        _ => 0,
    }
}

impl Placed<'_> {
    /// Adds the piece with its fades. Different sounds are not alike, so the fades keep the
    /// power (sine and cosine), not the sum.
    fn add_to(&self, out: &mut [f64]) {
        let first = self.at - self.fade_in.min(self.at);
        let last = (self.at + self.span.len() + self.fade_out).min(out.len());
        for (n, out) in out.iter_mut().enumerate().take(last).skip(first) {
            let from = (self.span.start + n).checked_sub(self.at);
            let sample = from.and_then(|i| self.source.get(i)).copied();
            let rising = share(n, self.at, self.fade_in);
            let falling = 1.0 - share(n, self.at + self.span.len(), self.fade_out);
            let gain = (FRAC_PI_2 * rising).sin() * (FRAC_PI_2 * falling).sin();
            *out += gain * f64::from(sample.unwrap_or(0.0));
        }
    }
}

/// How far sample `n` is through the fade of `half` samples either side of `centre`: 0 to 1.
fn share(n: usize, centre: usize, half: usize) -> f64 {
    if half == 0 {
        return if n < centre { 0.0 } else { 1.0 };
    }
    let through = n as f64 + 0.5 + half as f64 - centre as f64;
    (through / (2 * half) as f64).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ramp(len: usize, offset: f32) -> Vec<f32> {
        (0..len).map(|i| offset + i as f32).collect()
    }

    #[test]
    fn segments_in_their_own_order_are_the_recording() {
        let x = ramp(1000, 1.0);
        let spans = split(1000, 7).unwrap();
        let pieces: Vec<Piece> = spans
            .into_iter()
            .map(|span| Piece { source: 0, span })
            .collect();
        assert_eq!(join(&[&x], &pieces, 64), x);
    }

    #[test]
    fn no_segment_is_lost_and_cores_are_untouched() {
        let x = ramp(1003, 1.0);
        let y = jumble(std::slice::from_ref(&x), 10, 20, 3).unwrap();
        assert_eq!(y[0].len(), 1003);
        for span in split(1003, 10).unwrap() {
            // Beyond the 10 samples of half a fade a segment is as it was, somewhere.
            let core = &x[span.start + 10..span.end - 10];
            assert!(y[0].windows(core.len()).any(|w| w == core));
        }
        assert_ne!(y[0], x);
        assert_eq!(y, jumble(std::slice::from_ref(&x), 10, 20, 3).unwrap());
        assert_ne!(y, jumble(&[x], 10, 20, 4).unwrap());
    }

    #[test]
    fn fades_keep_the_power() {
        // Two constant sounds: at each sample of the fade the squared gains sum to one.
        let pieces = [(0, 0..100), (1, 50..150)].map(|(source, span)| Piece { source, span });
        let (one, none) = (vec![1.0; 200], vec![0.0; 200]);
        let a = join(&[&one, &none], &pieces, 40);
        let b = join(&[&none, &one], &pieces, 40);
        for (n, (a, b)) in a.iter().zip(&b).enumerate() {
            assert!((a * a + b * b - 1.0).abs() < 1e-6, "sample {n}: {a} {b}");
        }
        assert!(a[79] == 1.0 && a[80] < 1.0 && a[119] > 0.0 && a[120] == 0.0);
    }

    #[test]
    fn two_files_take_turns_and_mono_fills_stereo() {
        let (a, b) = (vec![ramp(100, 0.0)], vec![ramp(60, 1e3), ramp(60, 2e3)]);
        let y = interleave(&a, &b, 2, 0).unwrap();
        assert_eq!(y.len(), 2);
        let expected = |b: &[f32]| [&a[0][..50], &b[..30], &a[0][50..], &b[30..]].concat();
        assert_eq!(y[0], expected(&b[0]));
        assert_eq!(y[1], expected(&b[1]));
    }

    #[test]
    fn impossible_numbers_of_segments_are_refused() {
        for (len, segments) in [(10, 0), (10, 1), (10, 6), (0, 2)] {
            assert!(split(len, segments).is_err(), "{len} {segments}");
        }
    }
}
