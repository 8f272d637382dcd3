//! One recording reordered by one setting: measured, ordered, played, drawn, written.
//! Knows nothing of other settings.

use super::request::Setting;
use crate::audio::decode::Recording;
use crate::audio::{SampleFormat, SampleRate};
use crate::commands::recording::{self, Written, mix};
use crate::dsp::mel::MelBank;
use crate::dsp::stft::Stft;
use crate::progress::Observer;
use crate::report::chart::Chart;
use crate::report::figure::Figure;
use crate::report::plot::{self, MelSpectrogram, Scatter};
use crate::resynth::ResynthError;
use crate::resynth::features::{FrameTable, measure};
use crate::resynth::order::{self, Ordering, Recipe};
use crate::resynth::playback::{self, Playback};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// One result.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// What tells it from the others.
    pub name: String,
    /// What frames were ordered by.
    pub by: &'static str,
    /// Samples per transform.
    pub n_fft: usize,
    /// Samples under the window.
    pub win_length: usize,
    /// Samples from frame to frame.
    pub hop_length: usize,
    /// Number of frames.
    pub frames: usize,
    /// Mean distance between the features of frames that follow each other.
    pub mean_step: f64,
    /// The same in the recording's own order.
    pub mean_step_in_time: f64,
    /// t-SNE's divergence in nats, if it was run.
    pub kl_divergence: Option<f64>,
    /// Share of variance in the principal components used, if they were.
    pub explained_variance: Option<f64>,
    /// Time to measure the frames and to order them, in seconds.
    pub order_seconds: f64,
    /// The sound.
    pub sound: Written,
    /// The picture.
    #[serde(serialize_with = "crate::files::path_text_if_any")]
    pub picture: Option<PathBuf>,
}

/// A setting made ready for recordings of one rate.
struct Engine {
    setting: Setting,
    sample_rate: SampleRate,
    stft: Stft,
    bank: MelBank,
}

/// One guide's frames in order, and the channels that were played so.
struct Part {
    table: FrameTable,
    ordering: Ordering,
    mean_step: f64,
    mean_step_in_time: f64,
    order_seconds: f64,
    channels: Vec<Vec<f32>>,
}

/// A reordered recording in memory.
pub(super) struct Made {
    engine: Engine,
    /// How the mix, or the first channel, was ordered.
    shown: Part,
    channels: Vec<Vec<f32>>,
}

/// Orders the frames as the setting says and plays them.
pub(super) fn reorder(
    recording: &Recording,
    setting: &Setting,
    observer: &dyn Observer,
) -> Result<Made, ResynthError> {
    let audio = &recording.audio;
    let engine = Engine {
        setting: *setting,
        sample_rate: audio.sample_rate(),
        stft: Stft::new(setting.transform),
        bank: MelBank::new(audio.sample_rate(), setting.transform.n_fft(), setting.mels),
    };
    let sounds = audio.channels();
    if setting.each_channel && !setting.preprocess.compat {
        let mut parts = sounds
            .iter()
            .map(|c| engine.part(c, std::slice::from_ref(c), observer));
        let mut shown = match parts.next() {
            Some(part) => part?,
            None => engine.part(&[], &[], observer)?,
        };
        let mut channels = std::mem::take(&mut shown.channels);
        for part in parts {
            channels.extend(part?.channels);
        }
        return Ok(Made {
            engine,
            shown,
            channels,
        });
    }
    let mut shown = match sounds {
        [only] => engine.part(only, sounds, observer)?,
        _ => {
            let guide = mix(sounds);
            let mono = std::slice::from_ref(&guide);
            let played = if setting.preprocess.compat {
                mono
            } else {
                sounds
            };
            engine.part(&guide, played, observer)?
        }
    };
    let channels = std::mem::take(&mut shown.channels);
    Ok(Made {
        engine,
        shown,
        channels,
    })
}

impl Engine {
    /// Orders the frames of `guide` and plays `channels` in that order.
    fn part(
        &self,
        guide: &[f32],
        channels: &[Vec<f32>],
        observer: &dyn Observer,
    ) -> Result<Part, ResynthError> {
        let begun = Instant::now();
        let table = measure(&self.stft, &self.bank, self.sample_rate, guide, observer)?;
        if table.mel.rows() < 2 {
            return Err(ResynthError::TooFew {
                what: "frames to reorder (a longer recording or a shorter hop has more)",
                found: table.mel.rows(),
                needed: 2,
            });
        }
        let features = self.setting.preprocess.apply(&table.mel);
        let ordering = order::order(&table, &features, &self.recipe(), observer)?;
        let order_seconds = begun.elapsed().as_secs_f64();
        let in_time: Vec<usize> = (0..features.rows()).collect();
        Ok(Part {
            mean_step: features.mean_step(&ordering.order),
            mean_step_in_time: features.mean_step(&in_time),
            channels: self.play(channels, &ordering, observer)?,
            order_seconds,
            table,
            ordering,
        })
    }

    /// The recipe with the number of a free walk's steps.
    fn recipe(&self) -> Recipe {
        let mut recipe = self.setting.recipe;
        if let (Some(walk), Playback::Frames) = (&mut recipe.walk, self.setting.playback) {
            walk.steps = self.setting.seconds.map(|s| self.frames_in(s));
        }
        recipe
    }

    fn frames_in(&self, seconds: f64) -> usize {
        let samples = seconds * f64::from(self.sample_rate.hz());
        (samples / self.setting.transform.hop_length() as f64).round() as usize + 1
    }

    fn play(
        &self,
        channels: &[Vec<f32>],
        ordering: &Ordering,
        observer: &dyn Observer,
    ) -> Result<Vec<Vec<f32>>, ResynthError> {
        let crossfade = match self.setting.playback {
            Playback::Frames => {
                return playback::frames(&self.stft, channels, &ordering.order, observer);
            }
            Playback::Hold => false,
            Playback::Crossfade => true,
        };
        let frames = match self.setting.seconds {
            Some(seconds) => self.frames_in(seconds),
            None => ordering.order.len(),
        };
        playback::by_distance(&self.stft, channels, ordering, crossfade, frames, observer)
    }
}

impl Made {
    /// Writes the sound and its picture.
    pub(super) fn write(
        self,
        recording: &Recording,
        sound: &Path,
        picture: Option<&Path>,
        name: &str,
        observer: &dyn Observer,
    ) -> anyhow::Result<Row> {
        if let Some(path) = picture {
            self.picture(observer)?.write(path)?;
        }
        let format: SampleFormat = recording.format;
        let setting = &self.engine.setting;
        let (by, transform) = (setting.recipe.by.name(), setting.transform);
        Ok(Row {
            name: if name.is_empty() { by } else { name }.to_string(),
            by,
            n_fft: transform.n_fft(),
            win_length: transform.win_length(),
            hop_length: transform.hop_length(),
            frames: self.shown.table.energy.len(),
            mean_step: self.shown.mean_step,
            mean_step_in_time: self.shown.mean_step_in_time,
            kl_divergence: self.shown.ordering.kl_divergence,
            explained_variance: self.shown.ordering.explained,
            order_seconds: self.shown.order_seconds,
            picture: picture.map(Path::to_path_buf),
            sound: recording::write(
                sound,
                self.channels,
                self.engine.sample_rate,
                format,
                observer,
            )?,
        })
    }

    /// The spectrograms before and after, and where frames went.
    fn picture(&self, observer: &dyn Observer) -> Result<Figure, ResynthError> {
        let engine = &self.engine;
        let mut figure = Figure::new(1000.0, 1180.0);
        let sound = mix(&self.channels);
        let after = measure(
            &engine.stft,
            &engine.bank,
            engine.sample_rate,
            &sound,
            observer,
        )?;
        let hop = self.engine.setting.transform.hop_length();
        let spectrogram = |table: &FrameTable, title: &str| {
            let energies: Vec<f32> = table.mel.iter().flatten().copied().collect();
            let shown = MelSpectrogram {
                energies: &energies,
                centres_hz: engine.bank.centres_hz(),
                seconds: engine.sample_rate.seconds(hop * table.mel.rows()),
            };
            plot::mel_spectrogram(title, shown)
        };
        let by = engine.setting.recipe.by.title();
        let how = match engine.setting.recipe.walk {
            Some(_) => format!("Mel spectrogram after, a walk through {by}"),
            None => format!("Mel spectrogram after, ordered by {by}"),
        };
        let before = spectrogram(&self.shown.table, "Mel spectrogram before");
        before.draw(&mut figure, [80.0, 40.0, 800.0, 250.0]);
        spectrogram(&after, &how).draw(&mut figure, [80.0, 385.0, 800.0, 250.0]);
        self.order_chart(by)
            .draw(&mut figure, [80.0, 730.0, 800.0, 390.0]);
        Ok(figure)
    }

    /// Where frames lie in the embedding, or where they went.
    fn order_chart(&self, by: &str) -> Chart {
        let hop = self.engine.setting.transform.hop_length();
        let time = |frame: usize| self.engine.sample_rate.seconds(hop * frame);
        let frames: Vec<f64> = (0..self.shown.table.energy.len()).map(time).collect();
        let first = format!("{by} coordinate");
        let second = format!("second {by} coordinate");
        match self.shown.ordering.embedding.as_slice() {
            [x, y, ..] => {
                let shown = Scatter {
                    x: (x, &first),
                    y: (y, &second),
                    seconds: &frames,
                };
                plot::scatter("Every frame in the embedding", shown)
            }
            [x] => {
                let shown = Scatter {
                    x: (x, &first),
                    y: (&frames, "time (s)"),
                    seconds: &frames,
                };
                plot::scatter("Every frame in the embedding, by its time", shown)
            }
            [] => {
                let order = &self.shown.ordering.order;
                let from: Vec<f64> = order.iter().map(|&f| time(f)).collect();
                let to: Vec<f64> = (0..from.len()).map(time).collect();
                let shown = Scatter {
                    x: (&to, "time after (s)"),
                    y: (&from, "time before (s)"),
                    seconds: &from,
                };
                plot::scatter("Where every frame went", shown)
            }
        }
    }
}
