//! What is typed, and what is made of it: one setting for every combination of what lists name.
//! Knows nothing of how frames are ordered.

use crate::commands::arguments::one_of;
use crate::commands::recording;
use crate::dsp::stft::{StftError, StftParams};
use crate::resynth::features::{Preprocess, VolumeScaling};
use crate::resynth::order::{By, Recipe, Walk};
use crate::resynth::playback::Playback;
use crate::resynth::tsne;
use anyhow::ensure;
use std::path::PathBuf;

/// Reorder a recording's frames by how they sound
///
/// Cuts the recording into short overlapping frames and plays them in another order: by a
/// one-dimensional embedding of their mel spectra, along a short path from like to like, from
/// quiet to loud or from dark to bright. Options that take lists (separated by commas) make
/// every combination; give `-o` a folder then, and open its index.html to listen and compare.
///
/// Examples:
///   effigy reorder bells.wav -o sorted.wav --by path --plot sorted.png
///   effigy reorder bells.wav -o compare --by pca,tsne,path --hop 400,1000
///   effigy reorder bells.wav -o drift.wav --by tsne --walk 6 --seconds 60
///   effigy reorder bells.wav -o held.wav --by pca --play crossfade --seconds 30
#[derive(Clone, Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Request {
    /// The recording (WAV, AIFF, FLAC, MP3 or OGG)
    pub input: PathBuf,
    /// The WAV file to write, or a folder for several settings
    #[arg(short, long)]
    pub output: PathBuf,
    /// What frames are ordered by
    #[arg(long, value_parser = one_of(ORDERS), value_delimiter = ',', default_value = "path")]
    pub by: Vec<By>,
    /// Samples from one frame to the next
    #[arg(long, value_delimiter = ',', default_value = "400")]
    pub hop: Vec<usize>,
    /// Samples under the window of a frame
    #[arg(long, value_delimiter = ',', default_value = "2000")]
    pub win: Vec<usize>,
    /// Samples per transform, at least the window [default: the window]
    #[arg(long, value_delimiter = ',')]
    pub n_fft: Vec<usize>,
    /// Mel bands that frames are compared by
    #[arg(long, default_value_t = 128)]
    pub mels: usize,
    /// Compare energies as they are, not in decibels
    #[arg(long)]
    pub no_db: bool,
    /// Take loudness out of the comparison: per frame, or per band over time
    #[arg(long, value_parser = one_of(VOLUMES), value_delimiter = ',', default_value = "off")]
    pub volume: Vec<VolumeScaling>,
    /// Let low frequencies count more
    #[arg(long)]
    pub weight_frequencies: bool,
    /// Compute features as the notebook did: decibels doubled, the frequency weighting reduced to
    /// loudness, the recording mixed to mono
    #[arg(long)]
    pub compat: bool,
    /// Wander through a two-dimensional embedding (pca or tsne), each step to one of this many
    /// nearest frames, instead of sorting
    #[arg(long, value_name = "NEIGHBOURS")]
    pub walk: Option<usize>,
    /// Group frames into this many clusters of like ones, and play cluster after cluster
    #[arg(long, value_name = "COUNT")]
    pub clusters: Option<usize>,
    /// Backwards: loud to quiet, bright to dark
    #[arg(long)]
    pub reverse: bool,
    /// Play every frame once; or hold frames, or let them change into each other, for as long as
    /// they are apart
    #[arg(long, value_parser = one_of(PLAYBACKS), value_delimiter = ',', default_value = "frames")]
    pub play: Vec<Playback>,
    /// Length of the result in seconds, for --walk, --play hold and --play crossfade
    #[arg(long)]
    pub seconds: Option<f64>,
    /// Give each channel its own order, not all that of their mix
    #[arg(long)]
    pub each_channel: bool,
    /// Seed of walks and clusters
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// t-SNE: effective number of neighbours
    #[arg(long, default_value_t = tsne::Settings::default().perplexity)]
    pub perplexity: f64,
    /// t-SNE: gradient steps
    #[arg(long, default_value_t = tsne::Settings::default().iterations)]
    pub iterations: usize,
    /// Draw the spectrograms before and after and the embedding to this .png or .svg file (a
    /// folder of results has its pictures anyway)
    #[arg(long, value_name = "FILE")]
    pub plot: Option<PathBuf>,
}

const ORDERS: &[(&str, &str, By)] = &[
    (
        By::Pca.name(),
        "The first principal component of the mel spectrum",
        By::Pca,
    ),
    (
        By::Tsne.name(),
        "One-dimensional t-SNE of the mel spectrum",
        By::Tsne,
    ),
    (
        By::Path.name(),
        "A short path from like frame to like frame",
        By::Path,
    ),
    (By::Loudness.name(), "Quiet to loud", By::Loudness),
    (By::Centroid.name(), "Dark to bright", By::Centroid),
];

const VOLUMES: &[(&str, &str, VolumeScaling)] = &[
    (VolumeScaling::Off.name(), "None", VolumeScaling::Off),
    (
        VolumeScaling::Frame.name(),
        "Those between frames",
        VolumeScaling::Frame,
    ),
    (
        VolumeScaling::Band.name(),
        "Those between bands (the notebook's)",
        VolumeScaling::Band,
    ),
];

const PLAYBACKS: &[(&str, &str, Playback)] = &[
    (
        Playback::Frames.name(),
        "Every frame once, as recorded",
        Playback::Frames,
    ),
    (
        Playback::Hold.name(),
        "Held until the next one is nearer",
        Playback::Hold,
    ),
    (
        Playback::Crossfade.name(),
        "Held, changing into the next one",
        Playback::Crossfade,
    ),
];

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

/// All that is made of one recording.
#[derive(Clone, Debug, PartialEq)]
pub struct Jobs {
    /// The recording.
    pub input: PathBuf,
    /// Where results go.
    pub output: Output,
    /// All the ways to reorder it.
    pub settings: Vec<Setting>,
}

impl Setting {
    /// Refuses what cannot be made, before anything is read.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        self.transform.check_overlap_add()?;
        ensure!(
            (2..=1024).contains(&self.mels),
            "{} mel bands are out of range; it must be 2 to 1024",
            self.mels
        );
        if let Some(seconds) = self.seconds {
            recording::check_length(seconds)?;
            ensure!(
                self.playback != Playback::Frames || self.recipe.walk.is_some(),
                "frames that are played once each have a length of their own; choose a length only \
                 with a walk or with playback hold or crossfade"
            );
        }
        Ok(())
    }
}

impl Request {
    /// Everything that was asked for, in the order in which it is made.
    ///
    /// # Errors
    /// Lengths that no transform can have; an output that is neither a WAV file nor a folder.
    pub fn jobs(&self) -> anyhow::Result<Jobs> {
        Ok(Jobs {
            input: self.input.clone(),
            output: self.output()?,
            settings: self.settings()?,
        })
    }

    fn output(&self) -> anyhow::Result<Output> {
        let shown = self.output.display();
        let Some(ending) = self.output.extension() else {
            ensure!(
                self.plot.is_none(),
                "{shown}: is a folder, which has its pictures anyway; leave out --plot"
            );
            return Ok(Output::Folder(self.output.clone()));
        };
        ensure!(
            ending.eq_ignore_ascii_case("wav"),
            "{shown}: name a .wav file, or a folder without a dot in its name"
        );
        Ok(Output::File {
            sound: self.output.clone(),
            picture: self.plot.clone(),
        })
    }

    fn settings(&self) -> Result<Vec<Setting>, StftError> {
        let mut settings = Vec::new();
        for &by in &self.by {
            for transform in self.transforms()? {
                for &volume in &self.volume {
                    for &playback in &self.play {
                        settings.push(self.setting(by, transform, volume, playback));
                    }
                }
            }
        }
        Ok(settings)
    }

    /// Every window with every transform length and every hop.
    fn transforms(&self) -> Result<Vec<StftParams>, StftError> {
        let mut transforms = Vec::new();
        for &win in &self.win {
            let own = [win];
            let lengths = if self.n_fft.is_empty() {
                &own[..]
            } else {
                &self.n_fft
            };
            for &n_fft in lengths {
                for &hop in &self.hop {
                    transforms.push(StftParams::new(n_fft, win, hop)?);
                }
            }
        }
        Ok(transforms)
    }

    fn setting(
        &self,
        by: By,
        transform: StftParams,
        volume: VolumeScaling,
        playback: Playback,
    ) -> Setting {
        Setting {
            transform,
            mels: self.mels,
            preprocess: Preprocess {
                decibels: !self.no_db,
                volume,
                frequency_weighting: self.weight_frequencies,
                compat: self.compat,
            },
            recipe: Recipe {
                by,
                tsne: tsne::Settings {
                    perplexity: self.perplexity,
                    iterations: self.iterations,
                },
                walk: self.walk.map(|neighbours| Walk {
                    neighbours,
                    steps: None,
                }),
                clusters: self.clusters,
                reverse: self.reverse,
                seed: self.seed,
            },
            playback,
            seconds: self.seconds,
            each_channel: self.each_channel,
        }
    }
}
