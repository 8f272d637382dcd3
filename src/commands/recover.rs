//! Recovering the deleted end of a clip by regression on clips of the same kind.

use super::recording;
use crate::audio::decode;
use crate::audio::encode::{AudioWriter, Dither};
use crate::audio::{SampleFormat, SampleRate};
use crate::number;
use crate::progress::{Event, Observer, Task};
use crate::regress::random::RandomState;
use crate::regress::recovery::{Clips, Method, Score, combine, score, to_i16};
use anyhow::{Context, Result, anyhow, bail, ensure};
use clap::ValueEnum;
use serde::Serialize;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Samples are taken in 16-bit steps whatever the file's format.
const STEPS: f64 = 32_768.0;
/// Endings by which clips are recognised.
const EXTENSIONS: [&str; 4] = ["wav", "flac", "mp3", "ogg"];

/// Predict the deleted end of a clip from other clips like it
///
/// Learns from all clips of a folder but one what follows a beginning, and predicts the end of the
/// one that was held out, beside silence and the mean clip.
///
/// Examples:
///   effigy recover --dir clips --prefix 0_jackson --held-out 47 -o recovered.wav
///   effigy recover --dir clips --leave-one-out --method ridge,pca
#[derive(Clone, Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("which").required(true))]
#[command(verbatim_doc_comment)]
pub struct Request {
    /// Folder of the clips.
    #[arg(long)]
    pub dir: PathBuf,
    /// Only clips whose names begin so, such as 0_jackson.
    #[arg(long, default_value = "")]
    pub prefix: String,
    /// Share of the held-out clip that is kept, between 0 and 1.
    #[arg(long, default_value_t = 0.5)]
    pub portion: f64,
    /// Place of the clip to recover in the sorted list, from 0.
    #[arg(long, group = "which")]
    pub held_out: Option<usize>,
    /// Draw the clip as NumPy's RandomState(SEED).randint(number of clips) does.
    #[arg(long, group = "which")]
    pub seed: Option<u32>,
    /// Recover every clip in turn.
    #[arg(long, group = "which", conflicts_with = "output")]
    pub leave_one_out: bool,
    /// Methods, the first of which is written.
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        default_values = ["ols", "ridge", "pca"]
    )]
    pub method: Vec<MethodName>,
    /// ols: drop directions whose singular value is below this share of the largest.
    #[arg(long, default_value_t = 1e-6)]
    pub rcond: f64,
    /// ridge: penalty relative to a clip's mean energy [default: chosen by leaving clips out].
    #[arg(long)]
    pub alpha: Option<f64>,
    /// pca: number of components [default: chosen by leaving clips out].
    #[arg(long)]
    pub components: Option<usize>,
    /// Where the kept beginning and the recovered end go (16-bit WAV).
    #[arg(long, short)]
    pub output: Option<PathBuf>,
    /// Let samples beyond 16 bits wrap around as the original program did, not saturate.
    #[arg(long)]
    pub wrap: bool,
}

/// A method without its settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum MethodName {
    /// Ordinary least squares.
    Ols,
    /// Ridge regression through the origin.
    Ridge,
    /// Regression on principal components, through the origin.
    Pca,
}

impl Request {
    fn methods(&self) -> Vec<Method> {
        let method = |name: &MethodName| match name {
            MethodName::Ols => Method::Ols { rcond: self.rcond },
            MethodName::Ridge => Method::Ridge { alpha: self.alpha },
            MethodName::Pca => Method::Pca {
                components: self.components,
            },
        };
        self.method.iter().map(method).collect()
    }
}

/// One way to fill the gap, for one clip.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// "ols", "ridge", "pca", "silence" or "mean clip".
    pub name: &'static str,
    /// Directions kept, penalty or components; none for the null rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub setting: Option<f64>,
    /// Its errors.
    #[serde(flatten)]
    pub score: Score,
}

/// One clip.
#[derive(Clone, Debug, Serialize)]
pub struct Recovered {
    /// Its place in the sorted list.
    pub index: usize,
    /// Its file.
    #[serde(serialize_with = "crate::files::path_text")]
    pub clip: PathBuf,
    /// Methods, then the null rows.
    pub rows: Vec<Row>,
}

/// One way to fill the gap, over all clips left out in turn.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// As in [`Row::name`].
    pub name: &'static str,
    /// Mean of the mean squared errors.
    #[serde(with = "number")]
    pub mean_mse: f64,
    /// Median RMSE.
    #[serde(with = "number")]
    pub median_rmse: f64,
    /// Median coefficient of determination.
    #[serde(with = "number")]
    pub median_r2: f64,
    /// Largest coefficient of determination.
    #[serde(with = "number")]
    pub best_r2: f64,
    /// Clips where its error is below silence's.
    pub better_than_silence: usize,
    /// Clips where its error is below the mean clip's.
    pub better_than_mean_clip: usize,
}

/// Figures and what was written.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// Wall time of the command.
    pub seconds: f64,
    /// Number of clips.
    pub clips: usize,
    /// Samples used of each: the shortest clip's.
    pub samples: usize,
    /// Samples kept of the held-out clip.
    pub kept: usize,
    /// Rate of all clips.
    pub sample_rate_hz: u32,
    /// Every held-out clip.
    pub recovered: Vec<Recovered>,
    /// Over all clips, when each was held out.
    pub summary: Vec<Summary>,
    /// The stitched file.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[serde(serialize_with = "crate::files::path_text_if_any")]
    pub output: Option<PathBuf>,
    /// Samples of it that did not fit 16 bits.
    pub beyond_16_bits: usize,
}

/// Clips shorter than this share of the middle one are left out: they would cut all others to
/// their own length.
const STRAY_SHARE: f64 = 0.1;

/// The clips of a folder, sorted by name and cut to the shortest.
struct Collection {
    paths: Vec<PathBuf>,
    clips: Vec<Vec<f64>>,
    rate: SampleRate,
}

/// Recovers one clip's end, or every clip's in turn.
///
/// # Errors
/// A folder without at least three such clips, unequal rates, a portion that leaves nothing to
/// keep or to recover, a place beyond the list, settings a method refuses.
pub fn recover(request: &Request, observer: &dyn Observer) -> Result<Outcome> {
    let started = Instant::now();
    if let Some(output) = &request.output {
        recording::check_output(&[], output)?;
    }
    let collection = load(&request.dir, &request.prefix, observer)?;
    let samples = collection.clips.first().map_or(0, Vec::len);
    let kept = split(request.portion, samples)?;
    let methods = request.methods();
    ensure!(!methods.is_empty(), "no method was asked for");
    let held_out = chosen(request, collection.clips.len())?;
    let inner = Clips::new(&collection.clips, kept);
    let mut recovered = Vec::new();
    let mut first_ending = Vec::new();
    let task = Task::begin(observer, "recovering", Some(held_out.len() as u64));
    for &index in &held_out {
        task.go_on()
            .map_err(|_| anyhow!("recovering: interrupted"))?;
        let (rows, ending) = recover_one(&collection, &inner, index, kept, &methods)?;
        recovered.push(Recovered {
            index,
            clip: collection.paths[index].clone(),
            rows,
        });
        first_ending = ending;
        task.advance(1);
    }
    drop(task);
    let mut beyond_16_bits = 0;
    if let Some(output) = &request.output {
        let [index] = held_out.as_slice() else {
            bail!(
                "{}: one file cannot hold every clip; choose one with --held-out or --seed",
                output.display()
            );
        };
        let beginning = &collection.clips[*index][..kept];
        beyond_16_bits = stitch(output, beginning, &first_ending, collection.rate, request)?;
    }
    Ok(Outcome {
        seconds: started.elapsed().as_secs_f64(),
        clips: collection.clips.len(),
        samples,
        kept,
        sample_rate_hz: collection.rate.hz(),
        summary: summarise(&recovered),
        recovered,
        output: request.output.clone(),
        beyond_16_bits,
    })
}

fn load(dir: &Path, prefix: &str, observer: &dyn Observer) -> Result<Collection> {
    let paths = matching(dir, prefix)?;
    let mut clips = Vec::new();
    let mut common: Option<SampleRate> = None;
    let task = Task::begin(observer, "reading clips", Some(paths.len() as u64));
    for path in &paths {
        task.step(1)
            .map_err(|_| anyhow!("recovering: interrupted"))?;
        let (clip, rate) = first_channel(path, common, observer)?;
        common = Some(rate);
        clips.push(clip);
    }
    let rate = common.context("no clip was read")?;
    let (paths, mut clips) = without_strays(paths, clips, observer)?;
    let shortest = clips.iter().map(Vec::len).min().unwrap_or(0);
    clips.iter_mut().for_each(|clip| clip.truncate(shortest));
    Ok(Collection { paths, clips, rate })
}

/// Leaves out what is far too short, says so, and says when the shortest that is left cuts much of
/// the others.
fn without_strays(
    paths: Vec<PathBuf>,
    clips: Vec<Vec<f64>>,
    observer: &dyn Observer,
) -> Result<(Vec<PathBuf>, Vec<Vec<f64>>)> {
    let middle = median(clips.iter().map(|clip| clip.len() as f64).collect());
    let is_stray = |clip: &Vec<f64>| (clip.len() as f64) < STRAY_SHARE * middle;
    let (strays, kept): (Vec<_>, Vec<_>) = paths
        .into_iter()
        .zip(clips)
        .partition(|(_, clip)| is_stray(clip));
    for (path, clip) in strays {
        observer.event(Event::Warning(&format!(
            "{}: {} samples beside {middle:.0} of the others; it is left out, and not counted",
            path.display(),
            clip.len()
        )));
    }
    ensure_enough(kept.len(), "after leaving out those far too short")?;
    let shortest = kept.iter().min_by_key(|(_, clip)| clip.len());
    if let Some((path, clip)) = shortest.filter(|(_, c)| 2.0 * (c.len() as f64) < middle) {
        observer.event(Event::Warning(&format!(
            "all clips are cut to the {} samples of {}; the others have {middle:.0}",
            clip.len(),
            path.display()
        )));
    }
    Ok(kept.into_iter().unzip())
}

fn ensure_enough(clips: usize, which: &str) -> Result<()> {
    ensure!(
        clips >= 3,
        "{clips} clip(s) {which}; at least 3 are needed, one of them to recover"
    );
    Ok(())
}

/// The clips of a folder whose names begin so, in the order of their names.
fn matching(dir: &Path, prefix: &str) -> Result<Vec<PathBuf>> {
    let shown = || dir.display().to_string();
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(dir).with_context(shown)? {
        let path = entry.with_context(shown)?.path();
        let text = |part: Option<&OsStr>| part.unwrap_or_default().to_string_lossy().into_owned();
        let extension = text(path.extension()).to_lowercase();
        let name = text(path.file_name());
        // Hidden files are no clips: macOS leaves `._NAME.wav` beside what it copies.
        let hidden = name.starts_with('.') && !prefix.starts_with('.');
        if !hidden && name.starts_with(prefix) && EXTENSIONS.contains(&extension.as_str()) {
            paths.push(path);
        }
    }
    // Folders are listed in any order; sorted, an index means the same everywhere.
    paths.sort();
    ensure_enough(paths.len(), &format!("begin with {prefix:?}")).with_context(shown)?;
    Ok(paths)
}

/// The first channel of a file in 16-bit steps, and its rate, which must be the one before it.
fn first_channel(
    path: &Path,
    before: Option<SampleRate>,
    observer: &dyn Observer,
) -> Result<(Vec<f64>, SampleRate)> {
    let audio = decode::read(path)?.audio;
    let rate = audio.sample_rate();
    if let Some(before) = before {
        ensure!(
            rate == before,
            "{}: has {rate}, the clips before it {before}; all must have one rate",
            path.display()
        );
    }
    let mut channels = audio.into_channels();
    let (shown, count) = (path.display(), channels.len());
    if count > 1 {
        observer.event(Event::Note(&format!(
            "{shown}: channel 1 of {count} is used"
        )));
    }
    let first = channels.swap_remove(0);
    if let Some(at) = first.iter().position(|x| !x.is_finite()) {
        bail!(
            "{shown}: sample {at} is {}; samples must be finite",
            first[at]
        );
    }
    let steps = first.iter().map(|&x| f64::from(x) * STEPS);
    Ok((steps.collect(), rate))
}

fn split(portion: f64, samples: usize) -> Result<usize> {
    ensure!(
        portion > 0.0 && portion < 1.0,
        "portion = {portion}: must lie between 0 and 1, both excluded"
    );
    let kept = (samples as f64 * portion) as usize;
    ensure!(
        kept > 0 && kept < samples,
        "portion = {portion}: keeps {kept} of the shortest clip's {samples} samples; something \
         must be kept and something deleted"
    );
    Ok(kept)
}

/// The clips that lose their ends.
fn chosen(request: &Request, clips: usize) -> Result<Vec<usize>> {
    if let Some(index) = request.held_out {
        ensure!(
            index < clips,
            "held-out = {index}: there are {clips} clips; use 0 to {}",
            clips - 1
        );
        return Ok(vec![index]);
    }
    if let Some(seed) = request.seed {
        let count = u32::try_from(clips).context("too many clips")?;
        return Ok(vec![RandomState::new(seed).randint(count) as usize]);
    }
    Ok((0..clips).collect())
}

fn method_name(method: Method) -> &'static str {
    match method {
        Method::Ols { .. } => "ols",
        Method::Ridge { .. } => "ridge",
        Method::Pca { .. } => "pca",
    }
}

/// Rows of one clip and the first method's ending.
fn recover_one(
    collection: &Collection,
    inner: &Clips,
    index: usize,
    kept: usize,
    methods: &[Method],
) -> Result<(Vec<Row>, Vec<f64>)> {
    let clips = &collection.clips;
    let training: Vec<usize> = (0..clips.len()).filter(|&i| i != index).collect();
    let ending = &clips[index][kept..];
    let mut rows = Vec::new();
    let mut first = Vec::new();
    for &method in methods {
        let fitted = inner.weights(&training, index, method)?;
        let predicted = combine(clips, &training, &fitted.weights, kept);
        rows.push(Row {
            name: method_name(method),
            setting: Some(fitted.setting),
            score: score(ending, &predicted),
        });
        if first.is_empty() {
            first = predicted;
        }
    }
    let equal = vec![1.0 / training.len() as f64; training.len()];
    let mean_clip = combine(clips, &training, &equal, kept);
    for (name, predicted) in [
        ("silence", vec![0.0; ending.len()]),
        ("mean clip", mean_clip),
    ] {
        rows.push(Row {
            name,
            setting: None,
            score: score(ending, &predicted),
        });
    }
    Ok((rows, first))
}

/// Writes beginning and ending as 16-bit samples; returns how many did not fit.
fn stitch(
    output: &Path,
    beginning: &[f64],
    ending: &[f64],
    rate: SampleRate,
    request: &Request,
) -> Result<usize> {
    let samples: Vec<f32> = beginning
        .iter()
        .chain(ending)
        .map(|&x| f32::from(to_i16(x, request.wrap)) / STEPS as f32)
        .collect();
    // These are 16-bit numbers already: dither would change them.
    let mut writer =
        AudioWriter::create(output, rate, 1, SampleFormat::Int(16))?.with_dither(Dither::None);
    writer.write_block(&[samples])?;
    writer.finish()?;
    let beyond = |x: &&f64| x.trunc() > 32_767.0 || x.trunc() < -32_768.0;
    Ok(ending.iter().filter(beyond).count())
}

/// One line per method and null row, when there are several clips to summarise.
fn summarise(recovered: &[Recovered]) -> Vec<Summary> {
    let Some(first) = recovered.first().filter(|_| recovered.len() > 1) else {
        return Vec::new();
    };
    let of = |name: &str| -> Vec<Score> {
        recovered
            .iter()
            .filter_map(|clip| clip.rows.iter().find(|row| row.name == name))
            .map(|row| row.score)
            .collect()
    };
    let (silence, mean_clip) = (of("silence"), of("mean clip"));
    let wins = |mine: &[Score], other: &[Score]| {
        let pairs = mine.iter().zip(other);
        pairs.filter(|(m, o)| m.mse < o.mse).count()
    };
    first
        .rows
        .iter()
        .map(|row| {
            let scores = of(row.name);
            let r2: Vec<f64> = scores.iter().map(|s| s.r2).collect();
            Summary {
                name: row.name,
                mean_mse: scores.iter().map(|s| s.mse).sum::<f64>() / scores.len() as f64,
                median_rmse: median(scores.iter().map(|s| s.rmse).collect()),
                best_r2: r2.iter().copied().fold(f64::NEG_INFINITY, f64::max),
                median_r2: median(r2),
                better_than_silence: wins(&scores, &silence),
                better_than_mean_clip: wins(&scores, &mean_clip),
            }
        })
        .collect()
}

/// The middle value, the middle pair averaged; NaN of none.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.get(middle) {
        None => f64::NAN,
        Some(upper) if values.len() % 2 == 1 => *upper,
        Some(upper) => 0.5 * (values[middle - 1] + upper),
    }
}
