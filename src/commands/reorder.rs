//! `reorder`: the frames of a recording in a new order, once or in many settings to compare.

use super::recording::{self, Written, mix};
use crate::audio::decode::Recording;
use crate::audio::{SampleFormat, SampleRate};
use crate::dsp::mel::MelBank;
use crate::dsp::stft::{Stft, StftParams};
use crate::files;
use crate::progress::{Event, Observer};
use crate::report::chart::Chart;
use crate::report::figure::Figure;
use crate::report::listen::{self, Sound};
use crate::report::plot::{self, MelSpectrogram, Scatter};
use crate::report::save::check_ending;
use crate::report::table::figure;
use crate::resynth::ResynthError;
use crate::resynth::features::{FrameTable, Preprocess, measure};
use crate::resynth::order::{self, Ordering, Recipe};
use crate::resynth::playback::{self, Playback};
use anyhow::{Context, ensure};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// One way to reorder.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Setting {
    /// The frames.
    pub transform: StftParams,
    /// Number of mel bands that frames are compared by.
    pub mels: usize,
    /// How mel energies become features. With `compat` there, the recording is mixed to mono
    /// first, as the notebook loads it.
    pub preprocess: Preprocess,
    /// What frames are ordered by. The steps of a walk follow from `seconds`.
    pub recipe: Recipe,
    /// How the order is played.
    pub playback: Playback,
    /// Length of the result, for playbacks and walks that are free to choose it.
    pub seconds: Option<f64>,
    /// Every channel in its own order instead of all in the order of their mix.
    pub each_channel: bool,
}

/// Where results go.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// One sound, and perhaps its picture. Needs exactly one setting.
    File {
        /// The WAV file.
        sound: PathBuf,
        /// A `.png` or `.svg` file.
        picture: Option<PathBuf>,
    },
    /// A folder of sounds and pictures with a page to compare them.
    Folder(PathBuf),
}

/// What to do.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// The recording.
    pub input: PathBuf,
    /// Where results go.
    pub output: Output,
    /// All the ways to reorder it.
    pub settings: Vec<Setting>,
}

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
    pub picture: Option<PathBuf>,
}

/// What was made.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Outcome {
    /// The recording.
    pub input: PathBuf,
    /// The page to compare results, if there is a folder.
    pub page: Option<PathBuf>,
    /// One row per setting.
    pub rows: Vec<Row>,
}

/// Reorders a recording's frames.
///
/// # Errors
/// The recording cannot be read, a setting is refused, a file cannot be written, or the user
/// asked to stop. Nothing half-written is left.
pub fn run(request: &Request, observer: &dyn Observer) -> anyhow::Result<Outcome> {
    for setting in &request.settings {
        check(setting)?;
    }
    match &request.output {
        Output::File { sound, picture } => {
            ensure!(
                request.settings.len() == 1,
                "{} settings make as many sounds; name a folder instead of the file {}",
                request.settings.len(),
                sound.display()
            );
            recording::check_output(&[&request.input], sound)?;
            if let Some(picture) = picture {
                check_ending(picture)?;
                recording::keep_inputs(&[&request.input], picture)?;
            }
            let recording = recording::read(&request.input)?;
            let made = reorder(&recording, &request.settings[0], observer)?;
            let row = made.write(&recording, sound, picture.as_deref(), "", observer)?;
            Ok(Outcome {
                input: request.input.clone(),
                page: None,
                rows: vec![row],
            })
        }
        Output::Folder(folder) => run_all(request, folder, observer),
    }
}

fn check(setting: &Setting) -> anyhow::Result<()> {
    setting.transform.check_overlap_add()?;
    ensure!(
        (2..=1024).contains(&setting.mels),
        "{} mel bands are out of range; it must be 2 to 1024",
        setting.mels
    );
    if let Some(seconds) = setting.seconds {
        recording::check_length(seconds)?;
        ensure!(
            setting.playback != Playback::Frames || setting.recipe.walk.is_some(),
            "frames that are played once each have a length of their own; choose a length only \
             with a walk or with playback hold or crossfade"
        );
    }
    Ok(())
}

/// The page's file in its folder.
const PAGE: &str = "index.html";

fn run_all(request: &Request, folder: &Path, observer: &dyn Observer) -> anyhow::Result<Outcome> {
    recording::keep_inputs(&[&request.input], folder)?;
    let empty = folder.read_dir().is_ok_and(|mut d| d.next().is_none());
    let ours = || std::fs::read_to_string(folder.join(PAGE)).is_ok_and(|p| listen::is_page(&p));
    ensure!(
        !folder.exists() || empty || ours(),
        "{}: exists and is no earlier comparison, which could be replaced; name another folder",
        folder.display()
    );
    let recording = recording::read(&request.input)?;
    let names = names(&request.settings);
    let mut rows = Vec::new();
    files::write_dir::<anyhow::Error>(folder, |scratch| {
        for (setting, name) in request.settings.iter().zip(&names) {
            observer.event(Event::Note(name));
            let made = reorder(&recording, setting, observer).with_context(|| name.clone())?;
            let sound = scratch.join(format!("{name}.wav"));
            let picture = scratch.join(format!("{name}.png"));
            let mut row = made.write(&recording, &sound, Some(&picture), name, observer)?;
            row.sound.file = folder.join(format!("{name}.wav"));
            row.picture = Some(folder.join(format!("{name}.png")));
            rows.push(row);
        }
        let page = page(&request.input, &rows);
        Ok(files::write(&scratch.join(PAGE), page.as_bytes())?)
    })?;
    Ok(Outcome {
        input: request.input.clone(),
        page: Some(folder.join(PAGE)),
        rows,
    })
}

/// Names made of what differs between settings; numbered where nothing does.
fn names(settings: &[Setting]) -> Vec<String> {
    let parts: Vec<Vec<String>> = settings.iter().map(described).collect();
    let differs = |part: usize| parts.iter().any(|p| p[part] != parts[0][part]);
    let base = |all: &Vec<String>| {
        let kept = all.iter().enumerate();
        let kept = kept.filter(|(i, _)| *i == 0 || differs(*i));
        kept.map(|(_, text)| text.as_str())
            .collect::<Vec<_>>()
            .join("-")
    };
    let bases: Vec<String> = parts.iter().map(base).collect();
    let numbered = |(i, name): (usize, &String)| {
        let before = bases[..i].iter().filter(|n| *n == name).count();
        if before > 0 {
            format!("{name}-{}", before + 1)
        } else {
            name.clone()
        }
    };
    bases.iter().enumerate().map(numbered).collect()
}

fn described(setting: &Setting) -> Vec<String> {
    let (transform, recipe) = (setting.transform, &setting.recipe);
    vec![
        recipe.by.name().to_string(),
        format!("hop{}", transform.hop_length()),
        format!("win{}", transform.win_length()),
        format!("nfft{}", transform.n_fft()),
        format!("volume_{}", setting.preprocess.volume.name()),
        setting.playback.name().to_string(),
    ]
}

fn page(input: &Path, rows: &[Row]) -> String {
    let own = |path: &Path| {
        let name = path.file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    };
    let sound = |row: &Row| Sound {
        title: row.name.clone(),
        file: own(&row.sound.file),
        picture: row.picture.as_deref().map(own),
        figures: [
            ("frames", row.frames.to_string()),
            ("mean step", figure(row.mean_step)),
            ("in time order", figure(row.mean_step_in_time)),
            ("ordering (s)", figure(row.order_seconds)),
            ("length (s)", figure(row.sound.seconds)),
            (
                "divergence (nats)",
                row.kl_divergence.map_or(String::new(), figure),
            ),
        ]
        .map(|(name, value)| (name.to_string(), value))
        .to_vec(),
    };
    let sounds: Vec<Sound> = rows.iter().map(sound).collect();
    listen::page(&format!("{}, reordered", own(input)), &sounds)
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
struct Made {
    engine: Engine,
    /// How the mix, or the first channel, was ordered.
    shown: Part,
    channels: Vec<Vec<f32>>,
}

fn reorder(
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
    fn write(
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
