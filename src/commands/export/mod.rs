//! Writes a network as a model file of another program, and lets it take its place only after
//! the written file was read again and played like the network.

pub mod card;
mod ir;
pub mod linear;
pub mod loudness;
pub mod onnx;

use super::arguments::one_of;
use crate::audio::SampleRate;
use crate::audio::level::by_a_bit;
use crate::calendar::Date;
use crate::config::{GEAR_TYPES, Latency as ConfigLatency, MetadataConfig, TONE_TYPES};
use crate::device::{self, DeviceChoice};
use crate::dsp::probe::{Behaviour, Fault, Judged};
use crate::engine::{self, Engine, EngineError};
use crate::files::{self, ScratchFile};
use crate::formats::{self, Agreement, Format, PREDICTION_TOLERANCE, SelfTest};
use crate::formats::{aidax, nam, namb, proteus, rtneural, safetensors};
use crate::models::EffectModel;
use crate::models::predict::predict_channels;
use crate::network::{Architecture, Layer, Network};
use crate::playing::Playable;
use crate::playing::playable::Run;
use crate::progress::{Event, Observer, Task};
use crate::training::run_report::RunReport;
use anyhow::{Context, Result, bail, ensure};
use card::Card;
use clap::builder::TypedValueParser;
use serde::Serialize;
use serde_json::{Map, Value};
use std::io::Write;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

/// Write a trained network for plugins: .nam, .namb, AIDA-X, RTNeural, Proteus, safetensors
///
/// The file is read again and played beside the network before it appears under its name.
///
/// Examples:
///   effigy export --model checkpoints/my-pedal -o my-pedal.nam
///   effigy export --model amp.nam -o amp.aidax
///   effigy export --model amp.nam -o amp.onnx    # a graph over whole recordings
///   effigy export --model checkpoints/cab -o cab.wav   # the impulse response of a linear effect
#[derive(Clone, Debug, Default, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Request {
    /// The run whose best weights are written, or a model file to convert.
    #[arg(long, short)]
    pub model: PathBuf,
    /// The kind of file [default: what the output's ending says].
    #[arg(long, value_parser = kinds())]
    pub format: Option<Format>,
    /// The file to write; it appears only once it was read again and played like the network.
    #[arg(long, short)]
    pub output: PathBuf,
    /// What to say about the capture, before what the run's config (or the model file) says.
    #[command(flatten)]
    pub metadata: MetadataConfig,
    /// Take loudness and gain on this recording instead of the standard signal: the field's own
    /// figures come from its loudness_input.wav.
    #[arg(long, value_name = "WAV")]
    pub loudness_signal: Option<PathBuf>,
    /// Write a network that sounds by itself (grows or sings in silence) all the same.
    #[arg(long)]
    pub force: bool,
    /// Under which licence the model is given away; told in its card.
    #[arg(long)]
    pub licence: Option<String>,
    /// Write no model card (FILE.md) beside the file.
    #[arg(long)]
    pub no_card: bool,
}

/// The kinds of files that can be written, by their names on the command line.
pub(super) fn kinds() -> impl TypedValueParser<Value = Format> {
    one_of(&[
        ("nam", "Neural Amp Modeler: WaveNet, LSTM", Format::Nam),
        ("namb", "The same as bytes, for small devices", Format::Namb),
        (
            "rtneural",
            "RTNeural: recurrent and convolution networks, layer by layer",
            Format::RtNeural,
        ),
        ("aidax", "AIDA-X: one LSTM or GRU layer", Format::AidaX),
        (
            "proteus",
            "Proteus: one LSTM or GRU layer of 40 units at 44.1 kHz",
            Format::Proteus,
        ),
        (
            "safetensors",
            "Every network, weights by name: effigy and tensor libraries",
            Format::Safetensors,
        ),
        (
            "ir",
            "WAV of the impulse response of a linear effect, for any loader of them",
            Format::Ir,
        ),
    ])
}

/// What was written.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// The file.
    #[serde(serialize_with = "crate::files::path_text")]
    pub file: PathBuf,
    /// The impulse response of what is behind the network, in a file of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[serde(serialize_with = "crate::files::path_text_if_any")]
    pub tail: Option<PathBuf>,
    /// What people read about it.
    #[serde(serialize_with = "crate::files::path_text_if_any")]
    pub card: Option<PathBuf>,
    /// Its format.
    pub format: Format,
    /// WaveNet, LSTM, …
    pub family: String,
    /// Hertz.
    pub sample_rate: u32,
    /// Numbers learned.
    pub weights: usize,
    /// Length of the file.
    pub bytes: usize,
    /// What the re-read file plays beside what the described network plays, both on the engine;
    /// the worst of all sizes.
    pub verified: Agreement,
    /// What the re-read file plays beside what the trained network itself predicts; none for a
    /// network that can only be played here.
    pub predicted: Option<Agreement>,
    /// Level and compression, in formats that say so.
    pub loudness: Option<LoudnessReport>,
    /// How the network behaves when it is left alone.
    pub probe: Judged,
    /// What the file says about the capture.
    pub metadata: Map<String, Value>,
}

/// Loudness and what it was taken on.
#[derive(Clone, Debug, Serialize)]
pub struct LoudnessReport {
    /// The figures of the full size.
    #[serde(flatten)]
    pub figures: nam::Loudness,
    /// The signal.
    pub signal: String,
}

/// Writes and verifies.
///
/// # Errors
/// A network that sounds by itself (unless told to write it), one that the format cannot carry (with
/// the formats that can), an ending that players
/// of the format do not look for, a file that plays differently (nothing stays of it).
pub fn export(request: &Request, observer: &dyn Observer) -> Result<Outcome> {
    let format = format(request)?;
    refuse_input(request)?;
    request.metadata.check()?;
    let card = match request.no_card {
        true => None,
        false => Some(card::place(&request.output)?),
    };
    let playable = Playable::open(&request.model)?;
    let described = playable.network()?;
    refuse_stereo(&described, format)?;
    // Files of other programs hold the network, and the tail stands beside them.
    let apart = format != Format::Safetensors && !described.tail.is_empty();
    let network = match apart {
        true => described.without_tail(),
        false => described.clone(),
    };
    let network = prepared(&network, format, observer);
    warn(&network, format, observer);
    let task = Task::begin(observer, "exporting", None);
    let probe = probed(&described, format, request.force, observer)?;
    let about = About::of(&playable, &network, format, request, &probe)?;
    let bytes = contents(&network, format, &about, &playable)?;
    let place = || request.output.display().to_string();
    let mut file = ScratchFile::create(&request.output).with_context(place)?;
    file.write_all(&bytes).with_context(place)?;
    let written = file.sync().with_context(place)?;
    task.status("verifying");
    let reread = formats::read(written).with_context(place)?;
    let verified = verify(&network, &reread.network).with_context(place)?;
    let tail = apart.then(|| ir::beside(&request.output));
    let whole = match &tail {
        None => reread.network.clone(),
        Some(path) => {
            ir::write(path, described.sample_rate, &described.tail)?;
            let text = format!(
                "the tail of {} taps stands beside it as {}: load both, the impulse response last",
                described.tail.len(),
                path.display()
            );
            observer.event(Event::Note(&text));
            ir::joined(&reread.network, path)?
        }
    };
    let predicted = against_training(&playable, &described, &whole);
    let predicted = predicted.with_context(place)?;
    ensure!(
        task.go_on().is_ok(),
        "stopped; nothing was written to {}",
        place()
    );
    file.commit().with_context(place)?;
    let outcome = Outcome {
        file: request.output.clone(),
        tail,
        card: card.clone(),
        format,
        family: network.family().to_string(),
        sample_rate: network.sample_rate,
        weights: network.weight_count(),
        bytes: bytes.len(),
        verified,
        predicted,
        loudness: about.loudness,
        probe,
        metadata: reread.metadata,
    };
    if let Some(card) = card {
        let told = Card {
            file: &outcome.file,
            format,
            family: &outcome.family,
            weights: outcome.weights,
            sample_rate: outcome.sample_rate,
            probe: &outcome.probe,
            metadata: &outcome.metadata,
            licence: request.licence.as_deref(),
            run: playable.run(),
        };
        card::write(&card, &told)?;
    }
    Ok(outcome)
}

/// Files of other programs hold a network that plays each channel by itself.
fn refuse_stereo(network: &Network, format: impl std::fmt::Display) -> Result<()> {
    let audio = network.full().audio_channels;
    ensure!(
        audio.is_mono() || format.to_string() == Format::Safetensors.to_string(),
        "{format} has no place for both sides of a stereo effect ({audio}): write .safetensors, which effigy \
         plays, or train on one side alone, with channel = 1 at the pairs, for a player of {format}"
    );
    Ok(())
}

/// How the network behaves, knobs at their defaults.
///
/// # Errors
/// It sounds by itself, unless it is to be written all the same.
fn probed(
    network: &Network,
    format: Format,
    force: bool,
    observer: &dyn Observer,
) -> Result<Judged> {
    let probe = Behaviour {
        players_rate_hz: format.players_rate_hz(),
        ..engine::probe(network, &[])?
    };
    let probe = Judged::from(probe);
    for told in &probe.faults {
        let said = &told.text;
        ensure!(
            force || !told.grave,
            "{said}: nobody could play through it; train it with silence among the recordings, or \
             give --force to write it all the same"
        );
        // The rate is warned of with what to do about it.
        if told.fault != Fault::Rate {
            observer.event(Event::Warning(said));
        }
    }
    Ok(probe)
}

/// The format that was asked for, or the one of the output's ending.
fn format(request: &Request) -> Result<Format> {
    let output = &request.output;
    let ending = output
        .extension()
        .map(|e| e.to_string_lossy().to_lowercase());
    let ending = ending.as_deref().unwrap_or("");
    if let Some(format) = request.format {
        let known = format.extensions();
        if !known.contains(&ending) {
            let endings: Vec<String> = known.iter().map(|e| format!(".{e}")).collect();
            bail!(
                "{}: players of {format} files look for names that end in {}",
                output.display(),
                endings.join(" or ")
            );
        }
        return Ok(format);
    }
    match ending {
        "nam" => Ok(Format::Nam),
        "namb" => Ok(Format::Namb),
        "aidax" => Ok(Format::AidaX),
        "safetensors" => Ok(Format::Safetensors),
        "json" => bail!(
            "{}: several formats end in .json; add --format aidax, rtneural or proteus",
            output.display()
        ),
        _ => bail!(
            "{}: the ending names no format; add --format nam, namb, rtneural, aidax, proteus or \
             safetensors",
            output.display()
        ),
    }
}

/// Inputs are never modified.
fn refuse_input(request: &Request) -> Result<()> {
    ensure!(
        !files::same(&request.model, &request.output),
        "{} is the model itself; name another output",
        request.output.display()
    );
    Ok(())
}

/// The network as the format starts it: `.nam` stores where an LSTM stands after silence, the
/// others let their players settle from zero.
fn prepared(network: &Network, format: Format, observer: &dyn Observer) -> Network {
    match format {
        Format::Nam | Format::Namb => nam::settled(network),
        Format::Safetensors => network.clone(),
        Format::Ir => network.clone(),
        Format::RtNeural | Format::AidaX | Format::Proteus => {
            let mut network = network.clone();
            if drop_initial_states(&mut network) {
                let note = format!(
                    "{format} files hold no initial state: players start from zero and settle \
                     while they hear silence"
                );
                observer.event(Event::Note(&note));
            }
            network
        }
    }
}

fn drop_initial_states(network: &mut Network) -> bool {
    let Architecture::Sequential(net) = &mut network.architecture else {
        return false;
    };
    let mut dropped = false;
    for layer in &mut net.layers {
        let states: &mut [&mut Vec<f32>] = match layer {
            Layer::Lstm(lstm) => &mut [&mut lstm.initial_hidden, &mut lstm.initial_cell],
            Layer::Gru(gru) => &mut [&mut gru.initial_hidden],
            _ => continue,
        };
        for state in states {
            dropped |= state.iter().any(|x| *x != 0.0);
            state.clear();
        }
    }
    dropped
}

/// What players will make of a file that is well-formed and yet not what they expect.
fn warn(network: &Network, format: Format, observer: &dyn Observer) {
    let rate = network.sample_rate;
    let expected = match format {
        Format::Nam | Format::Namb | Format::AidaX => Some(48_000),
        _ => None,
    };
    if expected.is_some_and(|expected| expected != rate) {
        let text = format!(
            "this network runs at {rate} Hz; players of {format} files expect 48000 Hz, and those \
             that do not resample play it wrong: train on recordings at 48000 Hz for them"
        );
        observer.event(Event::Warning(&text));
    }
    if format == Format::RtNeural {
        let text = format!("RTNeural's players read no rate from the file: run it at {rate} Hz");
        observer.event(Event::Note(&text));
    }
    let latency = network.latency_samples();
    if latency > 0 && format != Format::Safetensors {
        let text = format!(
            "the network hears {latency} samples ahead, so players give its sound {latency} \
             samples late and cannot know it; train with model.lookahead = 0 for no delay"
        );
        observer.event(Event::Warning(&text));
    }
}

/// What the file says beside the network.
struct About {
    nam: nam::Metadata,
    loudness: Option<LoudnessReport>,
}

impl About {
    fn of(
        playable: &Playable,
        network: &Network,
        format: Format,
        request: &Request,
        probe: &Judged,
    ) -> Result<Self> {
        let own = match playable.run() {
            Some(run) => of_run(run)?,
            None => playable
                .file()
                .map_or_else(Default::default, |model| of_file(&model.metadata)),
        };
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let nam = nam::Metadata {
            capture: request.metadata.clone().or(own.capture),
            date: now.ok().map(|now| Date::utc(now.as_secs())),
            probe: Some(serde_json::to_value(probe)?),
            ..own
        };
        let mut about = Self {
            nam,
            loudness: None,
        };
        let has_loudness = matches!(format, Format::Nam | Format::Namb);
        if has_loudness && formats::carriers(network).contains(&format) {
            about.measure(network, request)?;
        }
        Ok(about)
    }

    fn measure(&mut self, network: &Network, request: &Request) -> Result<()> {
        let rate = SampleRate::new(network.sample_rate).context("the network runs at 0 Hz")?;
        let (signal, name) = match &request.loudness_signal {
            Some(path) => (
                loudness::signal_from(path, rate)?,
                path.display().to_string(),
            ),
            None => (
                loudness::standard_signal(rate)?,
                "effigy's standard signal, a second of pink noise at −14.968 dBFS".to_string(),
            ),
        };
        let sizes = network.sizes().into_iter();
        let figures = sizes.map(|size| loudness::measure(size, &signal));
        let figures: Vec<_> = figures.collect::<Result<_, _>>()?;
        self.nam.loudness = figures.last().copied().flatten();
        if figures.len() > 1 {
            self.nam.sizes = figures.into_iter().flatten().collect();
        }
        self.loudness = self.nam.loudness.map(|figures| LoudnessReport {
            figures,
            signal: name,
        });
        Ok(())
    }

    /// In AIDA-X's words.
    fn aidax(&self) -> aidax::Metadata {
        let said = &self.nam.capture;
        let gear: Vec<&str> = [&said.gear_make, &said.gear_model]
            .into_iter()
            .flatten()
            .map(String::as_str)
            .collect();
        aidax::Metadata {
            name: said.name.clone(),
            author: said.modeled_by.clone(),
            based: (!gear.is_empty()).then(|| gear.join(" ")),
            style: said.tone_type.clone(),
            source: said.gear_type.clone(),
            esr: self.nam.validation_esr,
            probe: self.nam.probe.clone(),
            ..aidax::Metadata::default()
        }
    }
}

/// Validation ESR, removed delay, and what the run's config says.
fn of_run(run: &Run) -> Result<nam::Metadata> {
    let esrs = run.folder.metrics()?.into_iter().map(|row| row.valid.esr);
    let name = MetadataConfig {
        name: Some(run.config.name.clone()),
        ..MetadataConfig::default()
    };
    Ok(nam::Metadata {
        capture: run.config.metadata.clone().or(name),
        validation_esr: esrs.filter(|esr| esr.is_finite()).reduce(f64::min),
        latency: removed_delay(run),
        ..nam::Metadata::default()
    })
}

/// The delay given in the config, or the one that the run's report says was measured.
fn removed_delay(run: &Run) -> Option<nam::Latency> {
    if let ConfigLatency::Samples(samples) = run.config.data.latency {
        return Some(nam::Latency {
            samples,
            measured: false,
        });
    }
    // A run that was stopped has no report; then the file says nothing.
    let report = RunReport::read(&run.folder).ok()??;
    let samples = report.latencies.first()?.latency_samples;
    Some(nam::Latency {
        samples,
        measured: true,
    })
}

/// What another program's file says in words that the others know as well.
fn of_file(metadata: &Map<String, Value>) -> nam::Metadata {
    let text = |keys: &[&str]| {
        let found = keys.iter().find_map(|key| metadata.get(*key)?.as_str());
        found.map(str::to_string).filter(|text| !text.is_empty())
    };
    let word = |keys: &[&str], known: &[&str]| text(keys).filter(|w| known.contains(&w.as_str()));
    let level = |key: &str| metadata.get(key).and_then(Value::as_f64);
    let training = metadata.get("training");
    let esr = training.and_then(|t| t.get("validation_esr"));
    let capture = MetadataConfig {
        name: text(&["name"]),
        modeled_by: text(&["modeled_by", "author"]),
        gear_type: word(&["gear_type", "source"], &GEAR_TYPES),
        gear_make: text(&["gear_make"]),
        gear_model: text(&["gear_model", "based"]),
        tone_type: word(&["tone_type", "style"], &TONE_TYPES),
        input_level_dbu: level("input_level_dbu"),
        output_level_dbu: level("output_level_dbu"),
    };
    nam::Metadata {
        capture,
        validation_esr: esr.or(metadata.get("esr")).and_then(Value::as_f64),
        ..nam::Metadata::default()
    }
}

/// The file's bytes.
fn contents(
    network: &Network,
    format: Format,
    about: &About,
    playable: &Playable,
) -> Result<Vec<u8>> {
    let text = match format {
        Format::Nam => nam::write(network, &about.nam)?,
        Format::Namb => return Ok(namb::write(network, &about.nam)?),
        Format::RtNeural => rtneural::write(network)?,
        Format::Proteus => proteus::write(network)?,
        Format::AidaX => {
            let plain = aidax::without_gains(network)?;
            let input = self_test_input(network.sample_rate);
            let output = cold(&plain, &input)?;
            aidax::write(network, &about.aidax(), &SelfTest { input, output })?
        }
        // The command writes it by itself.
        Format::Ir => bail!("an impulse response holds no network"),
        Format::Safetensors => {
            let metadata = about.nam.to_map();
            return Ok(safetensors::write(
                network,
                &playable.weights()?,
                &metadata,
            )?);
        }
    };
    Ok(text.into_bytes())
}

/// Quiet noise, then loud noise.
fn self_test_input(rate: u32) -> Vec<f32> {
    const HALF: usize = 1024;
    let signal = formats::test_signal(rate.max(8_000));
    let turn = signal.len() / 8 * 3;
    signal[turn - HALF..turn + HALF].to_vec()
}

/// From the initial state.
fn cold(network: &Network, input: &[f32]) -> Result<Vec<f32>, EngineError> {
    let mut output = vec![0.0; input.len()];
    Engine::new(network)?.process(input, &mut output);
    Ok(output)
}

/// As players do it: after silence, one side after the other. Files keep no positions of knobs, so they are
/// given. The right of a stereo effect hears the sound from its middle on, and then its beginning.
fn play(network: &Network, controls: &[f32], input: &[f32]) -> Result<Vec<f32>, EngineError> {
    let mut engine = Engine::new(network)?;
    engine.set_controls(controls)?;
    engine.prewarm();
    let audio = engine.audio_channels();
    let heard = heard(input, audio.dry);
    let heard: Vec<&[f32]> = heard.iter().map(Vec::as_slice).collect();
    let mut output = vec![0.0; audio.wet * input.len()];
    let mut sides: Vec<&mut [f32]> = output.chunks_mut(input.len()).collect();
    engine.process_channels(&heard, &mut sides);
    Ok(output)
}

/// A test sound for each channel.
fn heard(input: &[f32], channels: usize) -> Vec<Vec<f32>> {
    let turned = |channel: usize| {
        let mut sound = input.to_vec();
        sound.rotate_left(channel * input.len() / 2);
        sound
    };
    (0..channels).map(turned).collect()
}

/// Every size of the re-read network beside the one it was written from.
fn verify(network: &Network, reread: &Network) -> Result<Agreement> {
    let (wanted, found) = (network.sizes(), reread.sizes());
    if wanted.len() != found.len() {
        bail!(
            "the written file holds {} sizes of {}",
            found.len(),
            wanted.len()
        );
    }
    let controls = positions(network);
    let play = |network: &Network, input: &[f32]| play(network, &controls, input);
    let pairs = wanted.into_iter().zip(found);
    let agreements = pairs.map(|(a, b)| formats::verify(a, b, play));
    Ok(worst(agreements.collect::<Result<_, _>>()?))
}

/// The knobs in the middle of what was learned.
fn positions(network: &Network) -> Vec<f32> {
    let controls = network.full().controls.iter();
    controls.map(|c| c.default).collect()
}

fn worst(agreements: Vec<Agreement>) -> Agreement {
    let start = Agreement {
        largest_difference: 0.0,
        peak: 0.0,
        samples: 0,
    };
    agreements.into_iter().fold(start, |sum, one| Agreement {
        largest_difference: sum.largest_difference.max(one.largest_difference),
        peak: sum.peak.max(one.peak),
        samples: sum.samples + one.samples,
    })
}

/// Every size of the re-read network, played by the engine, beside what the network itself
/// predicts on burn: neither the description nor the engine can hide a fault there.
fn against_training(
    playable: &Playable,
    described: &Network,
    reread: &Network,
) -> Result<Option<Agreement>> {
    let device = device::select(DeviceChoice::Flex)?.device;
    let Ok(trainable) = playable.trainable(&device) else {
        return Ok(None);
    };
    let signal = formats::test_signal(reread.sample_rate);
    let latency = described.latency_samples();
    // The networks that look ahead are of one channel.
    let late = |mut signal: Vec<f32>| {
        signal.resize(signal.len() + latency, 0.0);
        signal
    };
    let swayed = late(by_a_bit(&signal));
    let late = late(signal.clone());
    let controls = positions(described);
    let mut agreements = Vec::new();
    for (model, network) in trainable.model.sizes().iter().zip(reread.sizes()) {
        // Both from zero, over the same silence: a state that a file stores is where exact arithmetic comes
        // to rest, and a unit that remembers for seconds comes to rest elsewhere in 32 bits. That the
        // state was written as it was is what `verify` has seen.
        let mut network = network.clone();
        drop_initial_states(&mut network);
        let found = play(&network, &controls, &late)?.split_off(latency);
        let swayed = play(&network, &controls, &swayed)?.split_off(latency);
        let silence = silence(model, &network)?;
        let knobs = model.knobs_before(&controls, silence.len() as i64);
        let channels = model.audio_channels().dry;
        let past = vec![silence; channels];
        let dry = heard(&signal, channels);
        let wanted = predict_channels(model, &device, &knobs, &past, &dry).concat();
        agreements.push(formats::agree::<EngineError>(
            &wanted,
            &found,
            &swayed,
            PREDICTION_TOLERANCE,
        )?);
    }
    Ok(Some(worst(agreements)))
}

/// What a network with memory hears before the test signal: what the engine hears on loading.
fn silence(model: &EffectModel, network: &Network) -> Result<Vec<f32>, EngineError> {
    match model.receptive_field() {
        Some(_) => Ok(Vec::new()),
        None => Ok(vec![0.0; Engine::new(network)?.prewarm_samples()]),
    }
}
