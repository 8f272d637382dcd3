//! Arguments and text of `effigy reorder`.

use super::Status;
use super::ui::Ui;
use crate::commands::reorder::{self, Outcome, Output, Request, Setting};
use crate::dsp::stft::StftParams;
use crate::report::table::{Table, figure};
use crate::resynth::features::{self, Preprocess};
use crate::resynth::order::{self, Recipe, Walk};
use crate::resynth::{playback, tsne};
use anyhow::ensure;
use clap::ValueEnum;
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
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// The recording (WAV, FLAC, MP3 or OGG)
    input: PathBuf,
    /// The WAV file to write, or a folder for several settings
    #[arg(short, long)]
    output: PathBuf,
    /// What frames are ordered by
    #[arg(long, value_enum, value_delimiter = ',', default_value = "path")]
    by: Vec<By>,
    /// Samples from one frame to the next
    #[arg(long, value_delimiter = ',', default_value = "400")]
    hop: Vec<usize>,
    /// Samples under the window of a frame
    #[arg(long, value_delimiter = ',', default_value = "2000")]
    win: Vec<usize>,
    /// Samples per transform, at least the window [default: the window]
    #[arg(long, value_delimiter = ',')]
    n_fft: Vec<usize>,
    /// Mel bands that frames are compared by
    #[arg(long, default_value_t = 128)]
    mels: usize,
    /// Compare energies as they are, not in decibels
    #[arg(long)]
    no_db: bool,
    /// Take loudness out of the comparison: per frame, or per band over time
    #[arg(long, value_enum, value_delimiter = ',', default_value = "off")]
    volume: Vec<Volume>,
    /// Let low frequencies count more
    #[arg(long)]
    weight_frequencies: bool,
    /// Compute features as the notebook did: decibels doubled, the frequency weighting reduced to
    /// loudness, the recording mixed to mono
    #[arg(long)]
    compat: bool,
    /// Wander through a two-dimensional embedding (pca or tsne), each step to one of this many
    /// nearest frames, instead of sorting
    #[arg(long, value_name = "NEIGHBOURS")]
    walk: Option<usize>,
    /// Group frames into this many clusters of like ones, and play cluster after cluster
    #[arg(long, value_name = "COUNT")]
    clusters: Option<usize>,
    /// Backwards: loud to quiet, bright to dark
    #[arg(long)]
    reverse: bool,
    /// Play every frame once; or hold frames, or let them change into each other, for as long as
    /// they are apart
    #[arg(long, value_enum, value_delimiter = ',', default_value = "frames")]
    play: Vec<Play>,
    /// Length of the result in seconds, for --walk, --play hold and --play crossfade
    #[arg(long)]
    seconds: Option<f64>,
    /// Give each channel its own order, not all that of their mix
    #[arg(long)]
    each_channel: bool,
    /// Seed of walks and clusters
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// t-SNE: effective number of neighbours
    #[arg(long, default_value_t = tsne::Settings::default().perplexity)]
    perplexity: f64,
    /// t-SNE: gradient steps
    #[arg(long, default_value_t = tsne::Settings::default().iterations)]
    iterations: usize,
    /// Draw the spectrograms before and after and the embedding to this .png or .svg file (a
    /// folder of results has its pictures anyway)
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
}

/// What frames are ordered by.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum By {
    /// The first principal component of the mel spectrum
    Pca,
    /// One-dimensional t-SNE of the mel spectrum
    Tsne,
    /// A short path from like frame to like frame
    Path,
    /// Quiet to loud
    Loudness,
    /// Dark to bright
    Centroid,
}

/// Which loudness differences are taken out.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Volume {
    /// None
    Off,
    /// Those between frames
    Frame,
    /// Those between bands (the notebook's)
    Band,
}

/// How the order is played.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Play {
    /// Every frame once, as recorded
    Frames,
    /// Held until the next one is nearer
    Hold,
    /// Held, changing into the next one
    Crossfade,
}

impl Args {
    fn settings(&self) -> anyhow::Result<Vec<Setting>> {
        let mut settings = Vec::new();
        for &by in &self.by {
            for &win in &self.win {
                let same = [win];
                for &n_fft in if self.n_fft.is_empty() {
                    &same[..]
                } else {
                    &self.n_fft
                } {
                    for &hop in &self.hop {
                        let transform = StftParams::new(n_fft, win, hop)?;
                        for &volume in &self.volume {
                            for &play in &self.play {
                                settings.push(self.setting(by, transform, volume, play));
                            }
                        }
                    }
                }
            }
        }
        Ok(settings)
    }

    fn setting(&self, by: By, transform: StftParams, volume: Volume, play: Play) -> Setting {
        Setting {
            transform,
            mels: self.mels,
            preprocess: Preprocess {
                decibels: !self.no_db,
                volume: match volume {
                    Volume::Off => features::VolumeScaling::Off,
                    Volume::Frame => features::VolumeScaling::Frame,
                    Volume::Band => features::VolumeScaling::Band,
                },
                frequency_weighting: self.weight_frequencies,
                compat: self.compat,
            },
            recipe: self.recipe(by),
            playback: match play {
                Play::Frames => playback::Playback::Frames,
                Play::Hold => playback::Playback::Hold,
                Play::Crossfade => playback::Playback::Crossfade,
            },
            seconds: self.seconds,
            each_channel: self.each_channel,
        }
    }

    fn recipe(&self, by: By) -> Recipe {
        Recipe {
            by: match by {
                By::Pca => order::By::Pca,
                By::Tsne => order::By::Tsne,
                By::Path => order::By::Path,
                By::Loudness => order::By::Loudness,
                By::Centroid => order::By::Centroid,
            },
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
        }
    }
}

/// Runs the verb and reports what it made.
///
/// # Errors
/// Those of the command.
pub fn run(args: &Args, ui: &Ui) -> anyhow::Result<Status> {
    let ending = args.output.extension().map(|e| e.to_ascii_lowercase());
    let output = if let Some(ending) = ending {
        ensure!(
            ending == "wav",
            "{}: name a .wav file, or a folder without a dot in its name",
            args.output.display()
        );
        Output::File {
            sound: args.output.clone(),
            picture: args.plot.clone(),
        }
    } else {
        ensure!(
            args.plot.is_none(),
            "{}: is a folder, which has its pictures anyway; leave out --plot",
            args.output.display()
        );
        Output::Folder(args.output.clone())
    };
    let request = Request {
        input: args.input.clone(),
        output,
        settings: args.settings()?,
    };
    let outcome = reorder::run(&request, ui)?;
    ui.report(&outcome, text)?;
    Ok(Status::Done)
}

fn text(outcome: &Outcome) -> String {
    let mut table = Table::new([
        "order",
        "frames",
        "mean step",
        "in time",
        "ordering s",
        "length s",
        "file",
    ]);
    for row in &outcome.rows {
        table.row([
            row.name.clone(),
            row.frames.to_string(),
            figure(row.mean_step),
            figure(row.mean_step_in_time),
            figure(row.order_seconds),
            figure(row.sound.seconds),
            row.sound.file.display().to_string(),
        ]);
    }
    let mut text = table.to_string();
    for picture in outcome.rows.iter().filter_map(|r| r.picture.as_ref()) {
        if outcome.page.is_none() {
            text += &format!("picture: {}\n", picture.display());
        }
    }
    if let Some(page) = &outcome.page {
        text += &format!("listen and compare: {}\n", page.display());
    }
    text
}
