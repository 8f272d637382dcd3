//! Changing the sample rate, whole or block by block, without moving the sound in time.
//!
//! Knows channels as plain slices, no files. The work is rubato's synchronous FFT resampler,
//! in `f64`: both rates are whole numbers, so blocks of `from / gcd` samples become blocks of
//! `to / gcd` exactly and no position is ever accumulated in floating point. Output frame
//! `m` is the sound at `m / to` seconds, for every length and every division into blocks.
//!
//! Up to 0.97 of the lower rate's half the sound is kept within one rounding to `f32`
//! (−140 dB); from 1.03 of it on, it is removed to the same degree.

use rubato::audioadapter_buffers::direct::SequentialSliceOfVecs;
use rubato::{Fft, FixedSync, Resampler as _, WindowFunction};

use crate::audio::decode::first_not_finite;
use crate::audio::{Audio, SampleRate};

/// The anti-aliasing filter spans at least this many samples at the lower of both rates.
/// Its transition then takes 1.3 % of the band on each side of the cut-off.
const MIN_FILTER_LEN: usize = 2048;

/// Longest block, a bound on memory (about 300 bytes for each sample and channel).
const MAX_BLOCK_LEN: usize = 1 << 21;

/// A change of rate that cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ResampleError {
    /// The rates have no common measure of useful size.
    #[error(
        "cannot resample {from} to {to}: their ratio needs blocks of {block_len} samples and at \
         most {MAX_BLOCK_LEN} are allowed; choose a rate in a simpler ratio"
    )]
    Ratio {
        /// The rate given.
        from: SampleRate,
        /// The rate wanted.
        to: SampleRate,
        /// Samples that the ratio in lowest terms asks for.
        block_len: u64,
    },
    /// A block whose channels are not those the resampler was made for.
    #[error("resampler for {expected} channels got a block with {given}")]
    ChannelCount {
        /// Channels the resampler was made for.
        expected: usize,
        /// Channels in the block.
        given: usize,
    },
    /// A block whose channels differ in length.
    #[error("channels differ in length ({first} and {other} samples); they must be equal")]
    UnequalChannels {
        /// Samples in the first channel.
        first: usize,
        /// Samples in the one that differs.
        other: usize,
    },
    /// A sample that is infinite or not a number would spoil all around it.
    #[error("frame {frame} of channel {} is {value}; only finite numbers can be resampled", channel + 1)]
    NotFinite {
        /// Position from the start of the sound, from 0.
        frame: u64,
        /// Channel, from 0.
        channel: usize,
        /// What was found.
        value: f32,
    },
    /// The resampling library refused.
    #[error("resampling failed: {0}")]
    Library(String),
}

/// Resamples a whole sound to `round(len · to / from)` frames; the same sound for equal rates.
///
/// # Errors
/// [`ResampleError::Ratio`] for rates whose ratio is no simple fraction.
pub fn resample(audio: &Audio, to: SampleRate) -> Result<Audio, ResampleError> {
    let mut resampler = Resampler::new(audio.sample_rate(), to, audio.channels().len())?;
    let len = resampled_len(audio.len() as u64, audio.sample_rate(), to) as usize;
    let mut channels = vec![Vec::with_capacity(len); audio.channels().len()];
    resampler.process(audio.channels(), &mut channels)?;
    resampler.finish(&mut channels)?;
    Audio::new(to, channels).map_err(|e| ResampleError::Library(e.to_string()))
}

/// The number of frames that `frames` become: `round(frames · to / from)`, halves upwards.
pub fn resampled_len(frames: u64, from: SampleRate, to: SampleRate) -> u64 {
    let (from, to) = (u128::from(from.hz()), u128::from(to.hz()));
    ((2 * u128::from(frames) * to + from) / (2 * from)) as u64
}

/// Resamples a sound that arrives in blocks of any length.
///
/// Output comes in bursts: it lags the input by up to one and a half inner blocks (about 0.1 s
/// at usual rates), and [`Resampler::finish`] delivers the rest.
#[derive(Debug)]
pub struct Resampler {
    from: SampleRate,
    to: SampleRate,
    channel_count: usize,
    frames_in: u64,
    frames_out: u64,
    /// `None` for equal rates: samples pass unchanged.
    engine: Option<Engine>,
}

impl Resampler {
    /// A resampler for `channel_count` channels.
    ///
    /// # Errors
    /// [`ResampleError::Ratio`] for rates whose ratio is no simple fraction.
    pub fn new(
        from: SampleRate,
        to: SampleRate,
        channel_count: usize,
    ) -> Result<Self, ResampleError> {
        let engine = match from == to {
            true => None,
            false => Some(Engine::new(from, to, channel_count)?),
        };
        Ok(Self {
            from,
            to,
            channel_count,
            frames_in: 0,
            frames_out: 0,
            engine,
        })
    }

    /// Takes a block, one slice per channel, and appends what is ready to `output`'s channels.
    ///
    /// # Errors
    /// [`ResampleError::ChannelCount`] and [`ResampleError::UnequalChannels`] for blocks of
    /// the wrong shape, [`ResampleError::NotFinite`] where there is something to compute.
    pub fn process(
        &mut self,
        block: &[impl AsRef<[f32]>],
        output: &mut [Vec<f32>],
    ) -> Result<(), ResampleError> {
        let block: Vec<&[f32]> = block.iter().map(AsRef::as_ref).collect();
        let frames = self.check_shape(&block, output)?;
        match &mut self.engine {
            None => {
                for (channel, part) in output.iter_mut().zip(&block) {
                    channel.extend_from_slice(part);
                }
                self.frames_in += frames as u64;
                self.frames_out += frames as u64;
            }
            Some(engine) => {
                if let Some((frame, channel)) = first_not_finite(&block) {
                    return Err(ResampleError::NotFinite {
                        frame: self.frames_in + frame as u64,
                        channel,
                        value: block[channel][frame],
                    });
                }
                self.frames_in += frames as u64;
                let mut taken = 0;
                while taken < frames {
                    taken += engine.fill(&block, taken);
                    if engine.is_full() {
                        self.frames_out += engine.run(output, u64::MAX)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Ends the sound: appends what is left, to a total of [`resampled_len`] frames. The
    /// sound is taken to be silent after its end. The resampler is then as new.
    ///
    /// # Errors
    /// [`ResampleError::ChannelCount`] for an output of the wrong shape.
    pub fn finish(&mut self, output: &mut [Vec<f32>]) -> Result<(), ResampleError> {
        self.check_count(output.len())?;
        let total = resampled_len(self.frames_in, self.from, self.to);
        if let Some(engine) = &mut self.engine {
            while self.frames_out < total {
                engine.fill_with_silence();
                self.frames_out += engine.run(output, total - self.frames_out)?;
            }
            engine.reset();
        }
        (self.frames_in, self.frames_out) = (0, 0);
        Ok(())
    }

    fn check_count(&self, given: usize) -> Result<(), ResampleError> {
        match given == self.channel_count {
            true => Ok(()),
            false => Err(ResampleError::ChannelCount {
                expected: self.channel_count,
                given,
            }),
        }
    }

    /// The block's number of frames.
    fn check_shape(&self, block: &[&[f32]], output: &[Vec<f32>]) -> Result<usize, ResampleError> {
        self.check_count(block.len())?;
        self.check_count(output.len())?;
        let first = block.first().map_or(0, |c| c.len());
        match block.iter().find(|c| c.len() != first) {
            None => Ok(first),
            Some(other) => Err(ResampleError::UnequalChannels {
                first,
                other: other.len(),
            }),
        }
    }
}

/// rubato's resampler with its fixed blocks filled from, and its delay taken off, the stream.
#[derive(Debug)]
struct Engine {
    fft: Fft<f64>,
    /// One inner block per channel.
    input: Vec<Vec<f64>>,
    /// Frames of `input` that are filled.
    filled: usize,
    /// One resampled inner block per channel.
    output: Vec<Vec<f64>>,
    /// Leading output frames still to be dropped: the filter's delay.
    skip: usize,
}

impl Engine {
    fn new(from: SampleRate, to: SampleRate, channel_count: usize) -> Result<Self, ResampleError> {
        let block_len = inner_block_len(from, to)?;
        let fft = Fft::new_custom(
            from.hz() as usize,
            to.hz() as usize,
            block_len,
            1,
            channel_count,
            // Side lobes below −180 dB: the noise floor is that of the f32 result.
            WindowFunction::BlackmanHarris2,
            FixedSync::Both,
        )
        .map_err(|e| ResampleError::Library(e.to_string()))?;
        Ok(Self {
            input: vec![vec![0.0; fft.input_frames_next()]; channel_count],
            filled: 0,
            output: vec![vec![0.0; fft.output_frames_next()]; channel_count],
            skip: fft.output_delay(),
            fft,
        })
    }

    fn len(&self) -> usize {
        self.fft.input_frames_next()
    }

    fn is_full(&self) -> bool {
        self.filled == self.len()
    }

    /// Copies frames from `start` on until the inner block is full; returns how many.
    fn fill(&mut self, block: &[&[f32]], start: usize) -> usize {
        let room = self.len() - self.filled;
        let count = block.first().map_or(0, |c| room.min(c.len() - start));
        for (inner, channel) in self.input.iter_mut().zip(block) {
            let source = &channel[start..start + count];
            for (to, from) in inner[self.filled..].iter_mut().zip(source) {
                *to = f64::from(*from);
            }
        }
        self.filled += count;
        count
    }

    fn fill_with_silence(&mut self) {
        for inner in &mut self.input {
            inner[self.filled..].fill(0.0);
        }
        self.filled = self.len();
    }

    /// Resamples the full inner block and appends at most `limit` frames of it.
    fn run(&mut self, output: &mut [Vec<f32>], limit: u64) -> Result<u64, ResampleError> {
        let library = |e: String| ResampleError::Library(e);
        let (channels, len_in) = (self.input.len(), self.len());
        let len_out = self.fft.output_frames_next();
        let input = SequentialSliceOfVecs::new(self.input.as_slice(), channels, len_in)
            .map_err(|e| library(e.to_string()))?;
        let mut inner =
            SequentialSliceOfVecs::new_mut(self.output.as_mut_slice(), channels, len_out)
                .map_err(|e| library(e.to_string()))?;
        self.fft
            .process_into_buffer(&input, &mut inner, None)
            .map_err(|e| library(e.to_string()))?;
        self.filled = 0;
        let start = self.skip.min(len_out);
        self.skip -= start;
        let count = (len_out - start).min(usize::try_from(limit).unwrap_or(usize::MAX));
        for (channel, inner) in output.iter_mut().zip(&self.output) {
            channel.extend(inner[start..start + count].iter().map(|&s| s as f32));
        }
        Ok(count as u64)
    }

    fn reset(&mut self) {
        self.fft.reset();
        self.filled = 0;
        self.skip = self.fft.output_delay();
    }
}

/// Input frames per inner block: the ratio in lowest terms, repeated until the filter is
/// long enough, and an even number of times. The filter's delay is half a block and must be
/// a whole number of frames at both rates, or the sound would move by half a sample.
fn inner_block_len(from: SampleRate, to: SampleRate) -> Result<usize, ResampleError> {
    let (from_hz, to_hz) = (u64::from(from.hz()), u64::from(to.hz()));
    let divisor = gcd(from_hz, to_hz);
    let (unit_in, unit_out) = (from_hz / divisor, to_hz / divisor);
    let shorter = unit_in.min(unit_out);
    let repeats = (MIN_FILTER_LEN as u64)
        .div_ceil(shorter)
        .next_multiple_of(2);
    let block_len = repeats * unit_in.max(unit_out);
    if block_len > MAX_BLOCK_LEN as u64 {
        return Err(ResampleError::Ratio {
            from,
            to,
            block_len,
        });
    }
    Ok((repeats * unit_in) as usize)
}

fn gcd(a: u64, b: u64) -> u64 {
    match b {
        0 => a,
        b => gcd(b, a % b),
    }
}

#[cfg(test)]
mod tests {
    use std::f64::consts::TAU;

    use super::*;

    const PAIRS: [(u32, u32); 8] = [
        (44_100, 48_000),
        (48_000, 44_100),
        (44_100, 22_050),
        (8_000, 44_100),
        (96_000, 44_100),
        (50_000, 44_100),
        (44_100, 44_101),
        (192_000, 8_000),
    ];

    fn rates((from, to): (u32, u32)) -> (SampleRate, SampleRate) {
        (SampleRate::new(from).unwrap(), SampleRate::new(to).unwrap())
    }

    fn sine(hz: f64, rate: SampleRate, len: usize) -> Vec<f32> {
        let step = TAU * hz / f64::from(rate.hz());
        (0..len)
            .map(|n| (0.9 * (step * n as f64).sin()) as f32)
            .collect()
    }

    /// Output frames whose filter lies wholly within the sound.
    fn inner(len: usize, from: SampleRate, to: SampleRate) -> std::ops::Range<usize> {
        let edge = inner_block_len(from, to).unwrap() / 2;
        let edge = resampled_len(edge as u64, from, to) as usize + 1;
        edge..len - edge
    }

    /// A whole sample of shift is an error of 2π·hz/rate relative to the sine, above −60 dB
    /// for the lowest tone here; a hundredth of a sample is above −100 dB for all others.
    #[test]
    fn sines_keep_their_phase_and_level_and_those_beyond_the_band_vanish() {
        for pair in PAIRS {
            let (from, to) = rates(pair);
            let len = 3 * inner_block_len(from, to).unwrap();
            let half = f64::from(from.hz().min(to.hz())) / 2.0;
            for part in [0.003, 0.1, 0.5, 0.9, 0.97, 1.03] {
                let hz = part * half;
                if part > 1.0 && from < to {
                    continue;
                }
                let audio = Audio::mono(from, sine(hz, from, len));
                let output = resample(&audio, to).unwrap();
                let expected = match part > 1.0 {
                    true => vec![0.0; output.len()],
                    false => sine(hz, to, output.len()),
                };
                let channel = &output.channels()[0];
                let worst = inner(output.len(), from, to)
                    .map(|n| f64::from((channel[n] - expected[n]).abs()))
                    .fold(0.0, f64::max);
                // The input and the output are rounded to f32, near full scale by up to 3e-8
                // each, and the expected value once more. It is -140 dB; measured: 6e-8.
                assert!(worst < 1e-7, "{pair:?} at {hz} Hz: {worst:.1e}");
            }
        }
    }

    #[test]
    fn the_length_is_the_exact_rounded_quotient() {
        for pair in PAIRS {
            let (from, to) = rates(pair);
            for len in [0usize, 1, 2, 3, 999, 5000] {
                let exact = len as f64 * f64::from(to.hz()) / f64::from(from.hz());
                let output = resample(&Audio::mono(from, vec![0.5; len]), to).unwrap();
                assert_eq!(output.len(), exact.round() as usize, "{pair:?} {len}");
            }
        }
    }

    #[test]
    fn an_impulse_stays_at_its_place_to_the_hundredth_of_a_sample() {
        for pair in PAIRS {
            let (from, to) = rates(pair);
            let divisor = gcd(pair.0.into(), pair.1.into());
            let (unit_in, unit_out) = (u64::from(pair.0) / divisor, u64::from(pair.1) / divisor);
            for repeats in [0, 1, 1 + 3000 / unit_in] {
                // At a place that is a whole number of samples at both rates.
                let (at, expected) = (repeats * unit_in, (repeats * unit_out) as usize);
                let mut samples = vec![0.0; (at + 2 * unit_in) as usize + 100];
                samples[at as usize] = 1.0;
                let output = resample(&Audio::mono(from, samples), to).unwrap();
                let channel = &output.channels()[0];
                let peak = (0..channel.len())
                    .max_by(|&a, &b| channel[a].total_cmp(&channel[b]))
                    .unwrap();
                assert_eq!(peak, expected, "{pair:?} at {at}");
                // The response is even about its centre and near it 1 - (π r n)²/6, with r
                // the ratio of rates, at least 0.18 here: moved by d = 0.01 samples, its two
                // neighbours would differ by 2/3 (π r)² d = 2e-3.
                if let (Some(before), Some(after)) = (
                    peak.checked_sub(1).map(|n| channel[n]),
                    channel.get(peak + 1),
                ) {
                    let skew = (before - after).abs() / channel[peak];
                    assert!(skew < 1e-6, "{pair:?} at {at}: {skew:e}");
                }
            }
        }
    }

    #[test]
    fn blocks_of_any_length_give_the_same_bits_and_finish_starts_anew() {
        let (from, to) = rates((44_100, 48_000));
        let len = 9000;
        let channels = [sine(441.0, from, len), sine(5000.0, from, len)];
        let audio = Audio::new(from, channels.to_vec()).unwrap();
        let whole = resample(&audio, to).unwrap();
        let mut resampler = Resampler::new(from, to, 2).unwrap();
        for block_len in [1, 147, 1000, 2058, len] {
            let mut output = vec![Vec::new(); 2];
            for at in (0..len).step_by(block_len) {
                let block = channels
                    .each_ref()
                    .map(|c| &c[at..(at + block_len).min(len)]);
                resampler.process(&block, &mut output).unwrap();
            }
            resampler.finish(&mut output).unwrap();
            assert!(output == whole.channels(), "blocks of {block_len}");
        }
    }

    #[test]
    fn equal_rates_change_nothing_and_hopeless_ratios_are_refused() {
        let (rate, _) = rates((44_100, 1));
        let audio = Audio::mono(rate, vec![0.1, f32::INFINITY, -3.0]);
        assert_eq!(resample(&audio, rate).unwrap(), audio);
        for to in [u32::MAX, 4_294_967_291, 1] {
            let error = resample(&audio, SampleRate::new(to).unwrap()).unwrap_err();
            let message = error.to_string();
            assert!(
                message.contains(&format!("44100 Hz to {to} Hz")),
                "{message}"
            );
        }
        let mut resampler = Resampler::new(rate, SampleRate::new(8000).unwrap(), 2).unwrap();
        let mut output = vec![Vec::new(); 2];
        assert!(resampler.process(&[[0.0]], &mut output).is_err());
        assert!(
            resampler
                .process(&[vec![0.0], vec![]], &mut output)
                .is_err()
        );
        assert!(resampler.finish(&mut output[..1]).is_err());
    }
}
