//! What is compared: resolutions, the frames of a row, and how they are cut into tasks.

/// FFT, hop and window lengths of the multi-resolution STFT (Yamamoto et al. 2020).
pub const RESOLUTIONS: [[usize; 3]; 3] = [[1024, 120, 600], [2048, 240, 1200], [512, 50, 240]];

/// The distance of wet and predicted; for its formula see the [room](super).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SpectralDistance {
    /// The coefficient of the pre-emphasis, where there is one.
    pub pre_emphasis: Option<f32>,
}

/// Consecutive frames of a row at a resolution: a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stretch {
    /// Which row.
    pub row: usize,
    /// Which of [`RESOLUTIONS`].
    pub resolution: usize,
    /// Its first frame.
    pub first: usize,
    /// How many.
    pub frames: usize,
}

/// Floats before the records: slopes of both terms at each resolution.
pub(super) const SLOPES: usize = 2 * RESOLUTIONS.len();

impl Stretch {
    /// The tasks of `rows` rows of `len` samples, those of a row side by side: a cut that depends
    /// on these numbers alone.
    pub fn all(rows: usize, len: usize) -> Vec<Stretch> {
        let of_row = |row: usize| {
            (0..RESOLUTIONS.len()).flat_map(move |resolution| {
                let [n_fft, hop, _] = RESOLUTIONS[resolution];
                // As long a task at every resolution: a tenth of a millisecond and more.
                let most = (48 << 10) / n_fft;
                let frames = 1 + len / hop;
                (0..frames).step_by(most).map(move |first| Stretch {
                    row,
                    resolution,
                    first,
                    frames: most.min(frames - first),
                })
            })
        };
        (0..rows).flat_map(of_row).collect()
    }

    /// Bins of a frame.
    pub fn bins(&self) -> usize {
        RESOLUTIONS[self.resolution][0] / 2 + 1
    }

    /// What is kept of a frame: Re P, Im P, |W|.
    pub fn record(&self) -> usize {
        3 * self.bins()
    }

    /// Where the first window begins, in samples of the row; before it where negative.
    pub fn start(&self) -> isize {
        let [_, hop, win] = RESOLUTIONS[self.resolution];
        (self.first * hop) as isize - (win / 2) as isize
    }

    /// Samples from there to the end of the last window.
    pub fn span(&self) -> usize {
        let [_, hop, win] = RESOLUTIONS[self.resolution];
        (self.frames - 1) * hop + win
    }
}

impl SpectralDistance {
    /// Samples of a row of `len` after the pre-emphasis.
    pub(crate) fn emphasised_len(&self, len: usize) -> usize {
        len - usize::from(self.pre_emphasis.is_some())
    }

    /// A row after the pre-emphasis.
    pub(super) fn emphasised(&self, row: &[f32]) -> Vec<f32> {
        match self.pre_emphasis {
            None => row.to_vec(),
            Some(coefficient) => {
                let pairs = row.iter().zip(&row[1..]);
                pairs.map(|(a, b)| b - coefficient * a).collect()
            }
        }
    }
}

/// Where sample `at` of a row of `len` that is mirrored at its edges comes from.
pub(super) fn mirrored(at: isize, len: usize) -> usize {
    let last = len as isize - 1;
    (last - (last - at.abs()).abs()) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges_are_mirrored_without_repeating_the_outermost_sample() {
        let found: Vec<usize> = (-3..8).map(|at| mirrored(at, 5)).collect();
        assert_eq!(found, [3, 2, 1, 0, 1, 2, 3, 4, 3, 2, 1]);
    }

    #[test]
    fn every_frame_is_in_one_task() {
        for len in [1025, 8191, 22_050] {
            for (resolution, [_, hop, _]) in RESOLUTIONS.into_iter().enumerate() {
                let all = Stretch::all(2, len).into_iter();
                let of = all.filter(|s| (s.row, s.resolution) == (1, resolution));
                let frames: Vec<usize> = of.flat_map(|s| s.first..s.first + s.frames).collect();
                assert_eq!(frames, (0..1 + len / hop).collect::<Vec<_>>());
            }
        }
    }
}
