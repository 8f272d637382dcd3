//! Plays new audio through a network, block by block, in bounded memory: on the streaming engine
//! with all cores, or, when asked to, on one of burn's devices.

use super::arguments::{control, sample_format};
use crate::audio::decode::{AudioReader, NotFinite, first_not_finite, silence_not_finite};
use crate::audio::encode::AudioWriter;
use crate::audio::range::{LevelMeter, LevelRange};
use crate::audio::{SampleFormat, SampleRate};
use crate::dsp::resample::Resampler;
use crate::files;
use crate::kernels;
use crate::playing::instrument::{ENGINE, Setting};
use crate::playing::{Instrument, Playable, Player};
use crate::progress::{Event, Observer, Task};
use anyhow::{Context, Result, bail, ensure};
use serde::Serialize;
use std::collections::BTreeMap;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread::{self, ScopedJoinHandle};
use std::time::Instant;

/// Play sound files through a trained network or a model file
///
/// Reads and writes block by block, so that length costs no memory; another rate than the
/// network's is resampled there and back.
///
/// Examples:
///   effigy infer --model checkpoints/my-pedal song.wav -o song-through-pedal.wav
///   effigy infer --model checkpoints/amp --control gain=0.7 takes/*.wav -o through-amp/
///   sox song.mp3 -t wav - | effigy infer --model amp.nam - -o - | aplay
#[derive(Clone, Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Request {
    /// The run whose best weights are used, such as checkpoints/conv, or a model file: .nam,
    /// .json, .aidax, .safetensors.
    #[arg(long, short)]
    pub model: PathBuf,
    /// Sound files: WAV, AIFF, FLAC, MP3 or OGG, any rate, up to 256 channels; - is standard input.
    #[arg(required = true)]
    pub inputs: Vec<PathBuf>,
    /// A .wav file for one input, or a folder; - is standard output, which then carries nothing
    /// else.
    #[arg(long, short)]
    pub output: PathBuf,
    /// Sample format of the output [default: the input's].
    #[arg(long, value_parser = sample_format())]
    pub format: Option<SampleFormat>,
    /// Frames read at a time.
    #[arg(long, default_value_t = 65_536, value_parser = clap::value_parser!(u32).range(1..=16_777_216))]
    pub block: u32,
    /// engine (all cores), or what training runs on: auto, flex, ndarray, wgpu[:n] or cuda[:n].
    #[arg(long, default_value = ENGINE)]
    pub device: String,
    /// Which size of a slimmable model plays, 0 the smallest to 1 the full one [default: 1].
    #[arg(long)]
    pub size: Option<f64>,
    /// Put silence in place of samples that are infinite or not a number, in the inputs and in
    /// what the model answers [default: refuse them, naming the first].
    #[arg(long)]
    pub silence_not_finite: bool,
    /// Where a knob stands, NAME=VALUE, once per knob [default: the middle of what was learned].
    #[arg(long = "control", value_name = "NAME=VALUE", value_parser = control)]
    pub controls: Vec<(String, f32)>,
    /// Of an effect that moves by itself: the oscillator's phase with the first sample, radians
    /// [default: 0].
    #[arg(long, allow_hyphen_values = true)]
    pub phase: Option<f32>,
    /// The same of a second oscillator, where the effect has one.
    #[arg(long, allow_hyphen_values = true)]
    pub second_phase: Option<f32>,
    /// The oscillator's rate, hertz [default: the learned one]; a second one's goes with it.
    #[arg(long)]
    pub rate: Option<f32>,
    /// How far it swings, as a factor: 0 stands still [default: 1, as learned].
    #[arg(long)]
    pub depth: Option<f32>,
}

/// What was written.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// The run's folder or the model file.
    #[serde(serialize_with = "crate::files::path_text")]
    pub model: PathBuf,
    /// What played: the engine or one of burn's devices.
    pub device: String,
    /// Wall time of the command.
    pub seconds: f64,
    /// One entry per input.
    pub files: Vec<InferredFile>,
}

/// One processed file.
#[derive(Clone, Debug, Serialize)]
pub struct InferredFile {
    /// Read.
    #[serde(serialize_with = "crate::files::path_text")]
    pub input: PathBuf,
    /// Written.
    #[serde(serialize_with = "crate::files::path_text")]
    pub output: PathBuf,
    /// Samples per channel.
    pub frames: u64,
    /// Samples that an integer format cut to full scale.
    pub clipped: u64,
    /// The levels that were played.
    pub levels: Option<LevelRange>,
    /// Samples, read or answered, that were no finite numbers and became silence.
    pub silenced: u64,
}

/// Decibels by which a sound may be louder than what was learned from before it is worth a word.
const LOUDER: f64 = 6.0;

/// Plays every input through the network.
///
/// # Errors
/// A run without weights, a file that cannot be read or written; no half-written file stays.
pub fn infer(request: &Request, observer: &dyn Observer) -> Result<Outcome> {
    let started = Instant::now();
    // Each part of a sound is as large as the one before.
    kernels::hold_freed_memory();
    let targets = targets(request)?;
    let playable = Playable::open(&request.model)?;
    let controls = controls_of(request, &playable)?;
    for said in playable.beyond(&controls) {
        observer.event(Event::Warning(&said));
    }
    let setting = Setting {
        device: &request.device,
        size: request.size,
        controls: &controls,
    };
    let heard = playable.heard()?;
    let instrument = Instrument::new(playable, setting)?;
    let mut files = Vec::new();
    for (input, output) in request.inputs.iter().zip(targets) {
        let file = play(&instrument, input, &output, request, observer)?;
        // Softer is where every sound ends; that a network is to know by itself.
        if let Some((heard, played)) = heard.zip(file.levels)
            && played.loudest_dbfs > heard.loudest_dbfs + LOUDER
        {
            let warning = format!(
                "{}: sounds at {played}, the network learned from playing at {heard}: what is louder is \
                 guessed",
                input.display()
            );
            observer.event(Event::Warning(&warning));
        }
        if file.clipped > 0 {
            let warning = format!(
                "{}: {} samples were cut to full scale; use --format f32 to keep them",
                output.display(),
                file.clipped
            );
            observer.event(Event::Warning(&warning));
        }
        if file.silenced > 0 {
            let warning = format!(
                "{}: {} samples were infinite or not a number and became silence",
                output.display(),
                file.silenced
            );
            observer.event(Event::Warning(&warning));
        }
        files.push(file);
    }
    Ok(Outcome {
        model: request.model.clone(),
        device: instrument.device,
        seconds: started.elapsed().as_secs_f64(),
        files,
    })
}

/// Where the knobs stand, those of an oscillator among them.
fn controls_of(request: &Request, playable: &Playable) -> Result<BTreeMap<String, f32>> {
    let mut controls: BTreeMap<String, f32> = request.controls.iter().cloned().collect();
    let own = [
        ("phase", request.phase),
        ("rate", request.rate),
        ("depth", request.depth),
        ("second-phase", request.second_phase),
    ];
    for (name, value) in own {
        let Some(value) = value else {
            continue;
        };
        let network = playable.network()?;
        let Some(layer) = network.modulated() else {
            bail!(
                "{}: --{name} is for an effect that moves by itself (model.kind = \"modulated\"); leave it \
                 out",
                request.model.display()
            );
        };
        ensure!(
            name != "second-phase" || !layer.second.is_empty(),
            "{}: it has one oscillator; leave --second-phase out",
            request.model.display()
        );
        let value = match name {
            "rate" => {
                let learned = layer.motion().oscillator.rate_hz * f64::from(network.sample_rate);
                (f64::from(value) / learned.max(f64::MIN_POSITIVE)) as f32
            }
            _ => value,
        };
        ensure!(
            value.is_finite() && (name.ends_with("phase") || value >= 0.0),
            "--{name} is not a number that an oscillator can have; give 0 or more, or leave it out"
        );
        controls.insert(name.to_string(), value);
    }
    Ok(controls)
}

/// Where each input's result goes; refuses to overwrite what is read and to write two results to
/// one file.
fn targets(request: &Request) -> Result<Vec<PathBuf>> {
    let is_file = is_file(&request.output)?;
    if is_file && request.inputs.len() > 1 {
        bail!(
            "{} inputs cannot go to the one file {}; name a folder",
            request.inputs.len(),
            request.output.display()
        );
    }
    let mut targets: Vec<PathBuf> = Vec::new();
    for input in &request.inputs {
        let target = if is_file {
            request.output.clone()
        } else {
            let mut name = input.file_stem().unwrap_or(input.as_os_str()).to_owned();
            name.push(".wav");
            request.output.join(name)
        };
        if request.inputs.iter().any(|i| files::same(i, &target)) {
            bail!("{} is an input; name another output", target.display());
        }
        if files::same(&request.model, &target) {
            bail!("{} is the model; name another output", target.display());
        }
        if targets.contains(&target) {
            bail!(
                "two inputs would be written to {}; process them one at a time",
                target.display()
            );
        }
        targets.push(target);
    }
    Ok(targets)
}

/// Whether the output is one file, or a folder of them.
///
/// # Errors
/// The name is that of another kind of file.
fn is_file(output: &Path) -> Result<bool> {
    let is_wav = output
        .extension()
        .is_some_and(|e| e.eq_ignore_ascii_case("wav"));
    let text = output.to_string_lossy();
    let ends_as_folder = text.ends_with(std::path::is_separator);
    match output.metadata() {
        Ok(found) if found.is_dir() => Ok(false),
        // A device takes anything.
        Ok(found) if !found.is_file() => Ok(true),
        Ok(_) if !is_wav => bail!(
            "{}: is a file of another kind; sounds are written as WAV: name a .wav file, or a \
             folder",
            output.display()
        ),
        Err(_) if !is_wav && !ends_as_folder && output.extension().is_some() => bail!(
            "{}: sounds are written as WAV: name a .wav file, or a folder without a dot in its name",
            output.display()
        ),
        _ => Ok(is_wav),
    }
}

/// What a result is stored as when nothing else is asked for: the input's format where WAV
/// players agree on it.
fn like_input(format: SampleFormat) -> SampleFormat {
    match format {
        SampleFormat::Int(8 | 16) => SampleFormat::Int(16),
        SampleFormat::Int(_) => SampleFormat::Int(24),
        SampleFormat::Float(_) => SampleFormat::Float(32),
    }
}

fn play(
    instrument: &Instrument,
    input: &Path,
    output: &Path,
    request: &Request,
    observer: &dyn Observer,
) -> Result<InferredFile> {
    let not_finite = match request.silence_not_finite {
        true => NotFinite::Silence,
        false => NotFinite::Refuse,
    };
    let reader = AudioReader::open(input)?.not_finite(not_finite);
    let (file_rate, channels) = (reader.sample_rate(), reader.channel_count());
    let rate = instrument.rate.unwrap_or(file_rate);
    if rate != file_rate {
        let note = format!(
            "{}: {file_rate} is resampled to the network's {rate} and back",
            input.display()
        );
        observer.event(Event::Note(&note));
    }
    let format = request.format.unwrap_or(like_input(reader.format()));
    let chain = Chain::new(instrument, file_rate, rate, channels, not_finite);
    let chain = chain.with_context(|| format!("playing {}", input.display()))?;
    let writer = AudioWriter::create(output, file_rate, chain.made, format)?;
    let task = Task::begin(observer, &input.display().to_string(), reader.frames());
    let block_len = request.block as usize;
    // Reading, playing and writing each on a thread of its own, a block apart.
    let (reader, writer, played) = thread::scope(|scope| {
        let (to_play, blocks) = mpsc::sync_channel(1);
        let (to_write, answers) = mpsc::sync_channel(1);
        let reading = scope.spawn(move || read(reader, block_len, &to_play));
        let writing = scope.spawn(move || write(writer, &answers));
        let playing = Playing {
            chain,
            to_write,
            meter: LevelMeter::default(),
            remaining: Remaining::default(),
        };
        // Both channels end with this, and with them the other threads.
        let played = playing.all(blocks, &task, [input, output]);
        (joined(reading), joined(writing), played)
    });
    // Where reading or writing failed, playing ended for that reason.
    let (reader, writer) = (reader?, writer?);
    let (levels, silenced) = played?;
    let written = writer.finish()?;
    Ok(InferredFile {
        input: input.to_path_buf(),
        output: output.to_path_buf(),
        frames: written.frames,
        clipped: written.clipped,
        levels,
        silenced: silenced + reader.silenced(),
    })
}

/// One vector per channel.
type Block = Vec<Vec<f32>>;

/// Reads block after block, until the sound ends or nobody listens any more.
fn read(
    mut reader: AudioReader,
    block_len: usize,
    to_play: &SyncSender<Block>,
) -> Result<AudioReader> {
    loop {
        let mut block = Vec::new();
        if reader.read_block(&mut block, block_len)? == 0 || to_play.send(block).is_err() {
            return Ok(reader);
        }
    }
}

/// Writes block after block, as long as some come.
fn write(mut writer: AudioWriter, answers: &Receiver<Block>) -> Result<AudioWriter> {
    for block in answers {
        writer.write_block(&block)?;
    }
    Ok(writer)
}

/// What a thread gave back; its panic goes on here.
fn joined<T>(thread: ScopedJoinHandle<T>) -> T {
    thread.join().unwrap_or_else(|panic| resume_unwind(panic))
}

/// The chain, what it heard and where its answers go.
struct Playing<'a> {
    chain: Chain<'a>,
    to_write: SyncSender<Block>,
    meter: LevelMeter,
    remaining: Remaining,
}

impl Playing<'_> {
    /// Plays all blocks of `input`, for `output`; the levels that were played, and how many
    /// samples of the answer became silence.
    fn all(
        mut self,
        blocks: Receiver<Block>,
        task: &Task,
        [input, output]: [&Path; 2],
    ) -> Result<(Option<LevelRange>, u64)> {
        // Errors of files name theirs; a network knows none.
        let playing = || format!("playing {}", input.display());
        for block in blocks {
            ensure!(
                task.go_on().is_ok(),
                "stopped; nothing was written to {}",
                output.display()
            );
            // Of one channel: the others sound with it.
            self.meter.push(&block[0]);
            self.remaining.heard += block[0].len() as u64;
            let answered = self.chain.push(&block).with_context(playing)?;
            if self.to_write.send(self.remaining.cut(answered)).is_err() {
                break;
            }
            task.advance(block[0].len() as u64);
        }
        let (answered, silenced) = self.chain.finish().with_context(playing)?;
        // Where writing failed, its thread says so.
        let _ = self.to_write.send(self.remaining.cut(answered));
        Ok((self.meter.range(), silenced))
    }
}

/// Keeps the output exactly as long as the input: two resamplings may each round up.
#[derive(Default)]
struct Remaining {
    heard: u64,
    written: u64,
}

impl Remaining {
    fn cut(&mut self, mut channels: Block) -> Block {
        let allowed = usize::try_from(self.heard - self.written).unwrap_or(usize::MAX);
        for channel in &mut channels {
            channel.truncate(allowed);
        }
        self.written += channels.first().map_or(0, Vec::len) as u64;
        channels
    }
}

/// Resampler → model → resampler, for all channels.
struct Chain<'a> {
    to_model: Resampler,
    player: Box<dyn Player + 'a>,
    from_model: Resampler,
    /// Channels that the model hears, of all or of a mono sound for each, and those that it makes.
    heard: usize,
    made: usize,
    /// Channels of the file.
    given: usize,
    guard: Guard,
}

impl<'a> Chain<'a> {
    fn new(
        instrument: &'a Instrument,
        file: SampleRate,
        model: SampleRate,
        channels: usize,
        not_finite: NotFinite,
    ) -> Result<Self> {
        let heard = instrument.heard(channels)?;
        let player = instrument.player(heard)?;
        let made = player.outputs();
        Ok(Self {
            to_model: Resampler::new(file, model, channels)?,
            player,
            from_model: Resampler::new(model, file, made)?,
            heard,
            made,
            given: channels,
            guard: Guard {
                not_finite,
                answered: 0,
                silenced: 0,
            },
        })
    }

    fn push(&mut self, block: &[Vec<f32>]) -> Result<Vec<Vec<f32>>> {
        let mut dry = vec![Vec::new(); self.given];
        let (mut wet, mut out) = (vec![Vec::new(); self.made], vec![Vec::new(); self.made]);
        self.to_model.process(block, &mut dry)?;
        self.player.push(&served(dry, self.heard), &mut wet);
        self.guard.check(&mut wet)?;
        self.from_model.process(&wet, &mut out)?;
        Ok(out)
    }

    /// What is left, and how many samples of the whole answer became silence.
    fn finish(mut self) -> Result<(Vec<Vec<f32>>, u64)> {
        let mut dry = vec![Vec::new(); self.given];
        let (mut wet, mut out) = (vec![Vec::new(); self.made], vec![Vec::new(); self.made]);
        self.to_model.finish(&mut dry)?;
        self.player.push(&served(dry, self.heard), &mut wet);
        self.player.finish(&mut wet);
        self.guard.check(&mut wet)?;
        self.from_model.process(&wet, &mut out)?;
        self.from_model.finish(&mut out)?;
        Ok((out, self.guard.silenced))
    }
}

/// As many channels as a model hears; a mono sound is each of them.
fn served(mut dry: Block, heard: usize) -> Block {
    if dry.len() == 1 {
        dry.resize(heard, dry[0].clone());
    }
    dry
}

/// Holds a model to finite numbers, before they are resampled or written.
struct Guard {
    not_finite: NotFinite,
    /// Frames that the model answered.
    answered: u64,
    silenced: u64,
}

impl Guard {
    fn check(&mut self, wet: &mut [Vec<f32>]) -> Result<()> {
        if self.not_finite == NotFinite::Silence {
            self.silenced += silence_not_finite(wet);
        }
        if let Some((frame, channel)) = first_not_finite(wet) {
            bail!(
                "the model answers {} at its sample {} of channel {}: its weights are too large, \
                 or the input is; --silence-not-finite makes silence of such samples",
                wet[channel][frame],
                self.answered + frame as u64,
                channel + 1
            );
        }
        self.answered += wet.first().map_or(0, Vec::len) as u64;
        Ok(())
    }
}
