//! Training windows: overlapping excerpts of spans, reshuffled each epoch.
//!
//! Windows are places, not copies; samples are gathered from the shared recordings when a
//! batch is made. Knows nothing of tensors.

use super::pair::{Reach, Span};
use crate::audio::AudioChannels;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

/// Every window of a set of spans.
#[derive(Clone, Debug)]
pub struct Windows {
    spans: Vec<Span>,
    places: Vec<Place>,
    window_len: usize,
    reach: Reach,
    per_epoch: usize,
}

/// The first output sample of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    span: usize,
    start: usize,
}

/// Samples of several windows, row after row.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// Windows.
    pub size: usize,
    /// Channels of sound.
    pub audio_channels: AudioChannels,
    /// `[size, dry channels, context + window_len + lookahead]`.
    pub dry: Vec<f32>,
    /// `[size, wet channels, window_len]`.
    pub wet: Vec<f32>,
    /// `[size, controls]`.
    pub controls: Vec<f32>,
}

impl Windows {
    /// Cuts each span every `hop` samples into windows of `window_len` output samples, each
    /// with the input around it that `reach` asks for; the last window ends where the span does. A span
    /// shorter than a window gives none.
    pub fn cut(spans: Vec<Span>, window_len: usize, hop: usize, reach: Reach) -> Self {
        let mut places = Vec::new();
        for (span, part) in spans.iter().enumerate() {
            let range = part.predictable(reach);
            if range.len() >= window_len {
                let last = range.end - window_len;
                let starts = (range.start..last).step_by(hop).chain([last]);
                places.extend(starts.map(|start| Place { span, start }));
            }
        }
        Self {
            spans,
            places,
            window_len,
            reach,
            per_epoch: usize::MAX,
        }
    }

    /// Draws this many windows for an epoch, where there are more.
    pub fn per_epoch(self, windows: Option<usize>) -> Self {
        Self {
            per_epoch: windows.unwrap_or(usize::MAX),
            ..self
        }
    }

    /// Keeps this share of the windows, those whose dry sound is quietest, in their order.
    pub fn keep_quietest(&mut self, share: f64) {
        let power = |place: &Place| {
            let heard = self.spans[place.span].heard();
            let dry = heard.flat_map(|pair| &pair.dry()[place.start..][..self.window_len]);
            dry.map(|&x| f64::from(x).powi(2)).sum::<f64>()
        };
        let powers: Vec<f64> = self.places.iter().map(power).collect();
        let mut order: Vec<usize> = (0..powers.len()).collect();
        order.sort_by(|&a, &b| powers[a].total_cmp(&powers[b]));
        order.truncate((share * powers.len() as f64).ceil() as usize);
        order.sort_unstable();
        self.places = order.into_iter().map(|at| self.places[at]).collect();
    }

    /// Keeps at most `most` windows, evenly spread over those there are.
    pub fn keep_spread(&mut self, most: usize) {
        let (count, kept) = (self.places.len(), self.places.len().min(most));
        self.places = (0..kept).map(|at| self.places[at * count / kept]).collect();
    }

    /// The spans that were cut.
    pub fn spans(&self) -> &[Span] {
        &self.spans
    }

    /// Number of windows.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether no span was long enough.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Samples of one window's input.
    pub fn input_len(&self) -> usize {
        self.reach.context + self.window_len + self.reach.lookahead
    }

    /// Samples of one window's output.
    pub fn window_len(&self) -> usize {
        self.window_len
    }

    /// How far a window's input goes beyond its output.
    pub fn reach(&self) -> Reach {
        self.reach
    }

    /// Of each window of these indices its span, and its first output sample.
    pub fn places(&self, indices: &[usize]) -> impl Iterator<Item = (&Span, usize)> {
        let places = indices.iter().map(|&index| self.places[index]);
        places.map(|Place { span, start }| (&self.spans[span], start))
    }

    /// Where the knobs stand in the windows of these indices, `[windows, controls]`.
    pub fn controls(&self, indices: &[usize]) -> Vec<f32> {
        let spans = self.places(indices).map(|(span, _)| span);
        spans
            .flat_map(|span| span.pair().controls())
            .copied()
            .collect()
    }

    /// The windows of this epoch in their order: a permutation of all, or as many of it as an epoch
    /// takes. It depends on `seed` and `epoch` alone, so a resumed run continues as if it had not
    /// stopped.
    pub fn order(&self, seed: u64, epoch: usize) -> Vec<usize> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(epoch as u64);
        let mut order: Vec<usize> = (0..self.len()).collect();
        order.shuffle(&mut rng);
        order.truncate(self.per_epoch);
        order
    }

    /// Gathers the windows of these indices (from [`Windows::order`]).
    pub fn gather(&self, indices: &[usize]) -> Batch {
        let input_len = self.input_len();
        // All are of one kind.
        let audio_channels = self.spans.first().map(Span::audio_channels);
        let audio_channels = audio_channels.unwrap_or_default();
        let mut dry = vec![0.0; indices.len() * audio_channels.dry * input_len];
        let mut wet = Vec::with_capacity(indices.len() * audio_channels.wet * self.window_len);
        let rows = dry.chunks_exact_mut(audio_channels.dry * input_len);
        for (rows, (span, start)) in rows.zip(self.places(indices)) {
            for (row, pair) in rows.chunks_exact_mut(input_len).zip(span.heard()) {
                pair.copy_dry(start as i64 - self.reach.context as i64, row);
            }
            for pair in span.sides() {
                wet.extend_from_slice(&pair.wet()[start..start + self.window_len]);
            }
        }
        Batch {
            size: indices.len(),
            audio_channels,
            dry,
            wet,
            controls: self.controls(indices),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::SampleRate;
    use crate::data::pair::DryWetPair;
    use std::sync::Arc;

    fn spans() -> Vec<Span> {
        let rate = SampleRate::new(100).unwrap();
        let ramp: Vec<f32> = (1..=40).map(|i| i as f32).collect();
        let wet = ramp.iter().map(|x| -x).collect();
        let pair = Arc::new(DryWetPair::aligned("p", rate, ramp, wet, 0));
        vec![
            Span::new(pair.clone(), 0..20),
            Span::new(pair.clone(), 20..23),
            Span::new(pair, 23..40),
        ]
    }

    const REACH: Reach = Reach {
        context: 3,
        lookahead: 1,
        opening_ms: 0,
    };

    #[test]
    fn every_window_is_the_stretch_it_says_it_is() {
        let windows = Windows::cut(spans(), 5, 2, REACH);
        // 0..19 holds starts 0, 2 … 14; the short span none; 26..40 holds 26, 28 … 34, 35.
        assert_eq!(windows.len(), 8 + 6);
        let all: Vec<usize> = (0..windows.len()).collect();
        let batch = windows.gather(&all);
        for (dry, wet) in batch.dry.chunks(9).zip(batch.wet.chunks(5)) {
            let first = -wet[0] as i64;
            for (i, &sample) in dry.iter().enumerate() {
                let expected = first - 3 + i as i64;
                let inside = (1..=40).contains(&expected);
                assert_eq!(sample, if inside { expected as f32 } else { 0.0 });
            }
        }
        // Inside a recording nothing of the neighbour is heard.
        assert_eq!(batch.dry[8 * 9], 24.0);
    }

    #[test]
    fn the_quietest_windows_stay_in_their_order() {
        let mut windows = Windows::cut(spans(), 5, 2, REACH);
        let all = windows.places.clone();
        windows.keep_quietest(0.5);
        // The ramp is quietest where it begins: 7 of 13.
        assert_eq!(windows.places, all[..7]);
        windows.keep_quietest(0.0);
        assert!(windows.is_empty());
    }

    #[test]
    fn windows_are_kept_evenly() {
        let mut windows = Windows::cut(spans(), 5, 2, REACH);
        let all = windows.places.clone();
        windows.keep_spread(100);
        assert_eq!(windows.places, all);
        windows.keep_spread(3);
        let third = |n: usize| all[n * all.len() / 3];
        assert_eq!(windows.places, [third(0), third(1), third(2)]);
        windows.keep_spread(0);
        assert!(windows.is_empty());
    }

    #[test]
    fn order_is_a_permutation_fixed_by_seed_and_epoch() {
        let windows = Windows::cut(spans(), 2, 1, Reach::default());
        let order = windows.order(7, 3);
        let mut sorted = order.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..windows.len()).collect::<Vec<_>>());
        assert_eq!(order, windows.order(7, 3));
        assert_ne!(order, windows.order(7, 4));
        assert_ne!(order, windows.order(8, 3));
        let some = windows.per_epoch(Some(4));
        assert_eq!(some.order(7, 3), order[..4]);
    }
}
