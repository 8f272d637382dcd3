//! What every network must do, whatever it is: be causal where it says so, listen as far as
//! it says, and say the same however the signal is cut.

use crate::oracle;
use crate::support::noise;
use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::prelude::*;
use effigy::config::{
    Activation, Conditioning, ConvConfig, DenseConfig, FirConfig, FrontConfig, ModelConfig,
    ModulatedConfig, MultiscaleConfig, RecurrentConfig, S4TfConfig, S4dConfig, TcnConfig,
    WaveNetArray, WaveNetConfig, WienerHammersteinConfig, WindowConfig,
};
use effigy::kernels;
use effigy::models::predict::{Predictor, predict, to_host};
use effigy::models::{self, EffectModel, EffectNetwork, RecurrentNetwork, WaveNet};
use effigy::network::{Architecture, AudioChannels, Control, MovedPart};
use std::rc::Rc;

/// The seed's networks, small.
pub fn seed_networks() -> Vec<ModelConfig> {
    let conv = ConvConfig {
        channels: 3,
        kernel_size: 5,
        lookahead: None,
    };
    let ahead = ConvConfig {
        lookahead: Some(3),
        ..conv.clone()
    };
    let several = MultiscaleConfig {
        channels: 2,
        kernel_sizes: vec![2, 7, 4],
        lookahead: None,
    };
    vec![
        ModelConfig::Linear(DenseConfig { hidden_size: 6 }),
        ModelConfig::Nonlinear(DenseConfig { hidden_size: 6 }),
        ModelConfig::Conv(conv.clone()),
        ModelConfig::Conv(ahead),
        ModelConfig::ConvTied(conv.clone()),
        ModelConfig::ConvNoMiddle(conv.clone()),
        ModelConfig::ConvDenseMiddle(conv),
        ModelConfig::ConvMultiscale(several),
        ModelConfig::Fir(FirConfig { taps: 7 }),
    ]
}

/// The networks that take knobs, small; gradients flow back over `truncate` samples.
pub fn knob_networks(warm_up: usize, truncate: usize) -> Vec<ModelConfig> {
    let array = |channels, dilations: &[usize], head_size| WaveNetArray {
        channels,
        dilations: dilations.to_vec(),
        head_size,
        ..WaveNetArray::default()
    };
    let two = WaveNetConfig {
        head_scale: Some(0.5),
        arrays: vec![array(3, &[1, 2, 4], 2), array(2, &[1, 3], 1)],
        ..WaveNetConfig::default()
    };
    let mut gated = two.clone();
    for array in &mut gated.arrays {
        array.gated = true;
        array.activation = Activation::LeakyRelu { slope: 0.1 };
        array.head_kernel_size = 4;
    }
    gated.arrays[0].kernel_sizes = vec![2, 5, 1];
    let recurrent = RecurrentConfig {
        hidden_size: 4,
        layers: 2,
        skip: true,
        warm_up,
        truncate,
        ..RecurrentConfig::default()
    };
    let plain = RecurrentConfig {
        layers: 1,
        skip: false,
        memory: Some(50),
        drive: 3.0,
        ..recurrent.clone()
    };
    let gain = RecurrentConfig {
        hidden_size: 5,
        layers: 1,
        gain: true,
        ..recurrent.clone()
    };
    let front = RecurrentConfig {
        hidden_size: 3,
        warm_up,
        truncate,
        front: Some(FrontConfig {
            channels: 3,
            kernel_size: 4,
            dilations: vec![1, 2],
            ..FrontConfig::default()
        }),
        ..RecurrentConfig::default()
    };
    let tcn = TcnConfig {
        channels: 4,
        kernel_size: 3,
        layers: 3,
        ..TcnConfig::default()
    };
    let s4d = S4dConfig {
        channels: 4,
        states: 3,
        layers: 2,
        warm_up,
        ..S4dConfig::default()
    };
    let s4_tf = S4TfConfig {
        channels: 3,
        states: 2,
        layers: 2,
        block_size: 5,
        hidden_size: 3,
        warm_up,
        ..S4TfConfig::default()
    };
    vec![
        ModelConfig::WaveNet(two),
        ModelConfig::WaveNet(gated),
        ModelConfig::Lstm(recurrent),
        ModelConfig::Gru(plain),
        ModelConfig::Lstm(gain),
        ModelConfig::Lstm(front.clone()),
        ModelConfig::Gru(front),
        ModelConfig::Tcn(TcnConfig {
            conditioning: Conditioning::Concat,
            ..tcn.clone()
        }),
        ModelConfig::Tcn(tcn),
        ModelConfig::S4d(S4dConfig {
            conditioning: Conditioning::Concat,
            ..s4d.clone()
        }),
        ModelConfig::S4d(S4dConfig {
            gated: true,
            activation: Activation::Identity,
            memory: 100,
            ..s4d.clone()
        }),
        ModelConfig::S4d(s4d),
        ModelConfig::S4Tf(S4TfConfig {
            conditioning: Conditioning::Concat,
            ..s4_tf.clone()
        }),
        ModelConfig::S4Tf(s4_tf),
        ModelConfig::WienerHammerstein(WienerHammersteinConfig {
            clippers: 2,
            poles: 3,
            memory: 50,
            warm_up,
            ..WienerHammersteinConfig::default()
        }),
    ]
}

/// Effects that move by themselves, small, of every part.
pub fn moving_networks(warm_up: usize) -> Vec<ModelConfig> {
    let parts = [
        MovedPart::Delay,
        MovedPart::AllPass { stages: 3 },
        MovedPart::Gain,
    ];
    let network = |part| {
        ModelConfig::Modulated(ModulatedConfig {
            part: Some(part),
            harmonics: 3,
            second: part == MovedPart::Delay,
            taps: 11,
            warm_up,
        })
    };
    parts.map(network).into()
}

/// Networks with a tail, small: a finite one, one that takes knobs, one with a memory.
pub fn tailed_networks(warm_up: usize) -> Vec<ModelConfig> {
    let network = |text: &str| toml::from_str::<ModelConfig>(text).unwrap();
    vec![
        network("kind = \"conv\"\nchannels = 3\nkernel_size = 5\nlookahead = 3\ntail.taps = 9"),
        network("kind = \"tcn\"\nchannels = 3\nlayers = 2\nkernel_size = 3\ntail.taps = 6"),
        network(&format!(
            "kind = \"lstm\"\nhidden_size = 3\nwarm_up = {warm_up}\ntail.taps = 7"
        )),
    ]
}

fn build(config: &ModelConfig, controls: usize, device: &Device) -> EffectModel {
    build_for(AudioChannels::MONO, config, controls, device)
}

/// A network for these channels of sound.
pub fn build_for(
    audio: AudioChannels,
    config: &ModelConfig,
    controls: usize,
    device: &Device,
) -> EffectModel {
    let windows = WindowConfig {
        window_len: 32,
        hop: 16,
        per_epoch: None,
    };
    models::build_for(audio, config, &windows, controls, 5, device)
}

/// A kind that has no small network above would go through no test below.
#[test]
fn every_kind_is_among_the_small_networks() {
    let small = [seed_networks(), knob_networks(0, 1), moving_networks(0)].concat();
    for network in ModelConfig::every() {
        let kind = network.kind();
        assert!(small.iter().any(|small| small.kind() == kind), "{kind}");
    }
}

#[test]
fn settings_and_networks_say_the_same() {
    for mut config in [seed_networks(), knob_networks(7, 5), moving_networks(7)].concat() {
        let model = build(&config, 0, &Device::flex());
        let remembers = model.receptive_field().is_none();
        assert_eq!(remembers, config.has_memory(), "{config:?}");
        let warm_up = config.warm_up().map_or(0, |samples| *samples);
        assert_eq!(model.warm_up(), warm_up, "{config:?}");
        let fixed = model.fixed_window().is_some();
        assert_eq!(fixed, config.has_fixed_window(), "{config:?}");
    }
}

/// Every network, without knobs.
fn networks() -> Vec<(ModelConfig, EffectModel)> {
    let configs = [
        seed_networks(),
        knob_networks(64, 16),
        tailed_networks(64),
        moving_networks(64),
    ];
    let configs = configs.concat();
    let built = configs.into_iter().map(|config| {
        let model = build(&config, 0, &Device::flex());
        (config, model)
    });
    built.collect()
}

fn whole(model: &EffectModel, dry: &[f32]) -> Vec<f32> {
    predict(model, &Device::flex(), &[], &[], dry)
}

#[test]
fn nothing_before_a_changed_sample_changes_but_the_lookahead() {
    for (config, model) in networks() {
        if model.fixed_window().is_some() {
            continue;
        }
        let mut dry = noise(200, 9);
        let before = whole(&model, &dry);
        dry[100] += 0.5;
        let after = whole(&model, &dry);
        let changed: Vec<usize> = (0..200).filter(|&i| before[i] != after[i]).collect();
        let (first, last) = (changed[0], changed[changed.len() - 1]);
        assert!(first >= 100 - model.lookahead(), "{config:?}: {first}");
        if model.receptive_field().is_some() {
            assert!(last <= 100 + model.context(), "{config:?}: {last}");
        }
    }
}

/// A pulse in silence moves exactly the receptive field: no ReLU hides it, for filters of
/// both signs are there.
#[test]
fn the_measured_receptive_field_is_the_declared_one() {
    for (config, model) in networks() {
        let Some(field) = model.receptive_field() else {
            continue;
        };
        if model.fixed_window().is_some() {
            continue;
        }
        let silence = whole(&model, &[0.0; 100]);
        let mut touched = [false; 100];
        for pulse in [1.0, -1.0] {
            let mut dry = [0.0; 100];
            dry[50] = pulse;
            let answer = whole(&model, &dry);
            for i in 0..100 {
                touched[i] |= answer[i] != silence[i];
            }
        }
        let first = touched.iter().position(|&t| t).unwrap();
        let last = touched.iter().rposition(|&t| t).unwrap();
        assert_eq!(last - first + 1, field, "{config:?}");
        assert_eq!(50 - first, model.lookahead(), "{config:?}");
    }
}

#[test]
fn any_block_length_gives_what_the_whole_signal_gives() {
    for (config, model) in networks() {
        // Both cross the places where prediction is cut; memory is slow without fused operators.
        let remembers = model.receptive_field().is_none();
        let dry = noise(if remembers { 17_000 } else { 40_000 }, 3);
        let expected = whole(&model, &dry);
        assert_eq!(expected.len(), dry.len());
        for block in [1000, 16_384, 33_333]
            .into_iter()
            .take(if remembers { 1 } else { 3 })
        {
            let mut out = Vec::new();
            let mut predictor = Predictor::new(&model, &Device::flex(), &[], &[]);
            for piece in dry.chunks(block) {
                predictor.push(piece, &mut out);
            }
            predictor.finish(&mut out);
            assert_eq!(out.len(), expected.len(), "{config:?} by {block}");
            let worst = out.iter().zip(&expected).map(|(a, b)| (a - b).abs());
            let worst = worst.fold(0.0, f32::max);
            assert!(worst <= 1e-6, "{config:?} by {block}: {worst}");
        }
    }
}

#[test]
fn short_signals_have_an_answer_of_their_length() {
    for (config, model) in networks() {
        for len in [0, 1, 2, 15, 16, 17, 31, 33] {
            assert_eq!(whole(&model, &noise(len, 2)).len(), len, "{config:?}");
        }
    }
}

#[test]
fn a_signal_continues_after_its_past() {
    let dry = noise(3000, 3);
    for (config, model) in networks() {
        let expected = whole(&model, &dry);
        let split = 1024;
        let (past, rest) = dry.split_at(split);
        // What the whole signal's network heard before it.
        let past = [&vec![0.0; model.warm_up()], past].concat();
        let continued = predict(&model, &Device::flex(), &[], &past, rest);
        for (a, b) in continued.iter().zip(&expected[split..]) {
            assert!((a - b).abs() <= 1e-6, "{config:?}");
        }
    }
}

/// A window in training is the same stretch that prediction answers.
#[test]
fn windows_and_prediction_agree() {
    let dry = noise(300, 8);
    for (config, model) in networks() {
        if model.fixed_window().is_some() {
            continue;
        }
        let (context, lookahead) = (model.context(), model.lookahead());
        let from = 100;
        let (past, rest) = (&dry[from - context..from], &dry[from..]);
        let expected = predict(&model, &Device::flex(), &[], past, rest);
        let input = dry[from - context..from + 64 + lookahead].to_vec();
        let len = input.len();
        let tensor = Tensor::from_data(TensorData::new(input, [1, 1, len]), &Device::flex());
        let window = to_host(model.forward(tensor));
        assert_eq!(window.len(), 64);
        for (a, b) in window.iter().zip(&expected) {
            assert!((a - b).abs() <= 1e-6, "{config:?}");
        }
    }
}

/// The obvious form of half-overlapping windows: each one alone, faded in and out by a Hann
/// window, added up.
#[test]
fn dense_windows_are_cross_faded() {
    let (window, half) = (64, 32);
    let windows = WindowConfig {
        window_len: window,
        hop: window,
        per_epoch: None,
    };
    let config = ModelConfig::Nonlinear(DenseConfig { hidden_size: 8 });
    let model = models::build(&config, &windows, 0, 1, &Device::flex());
    let dry = noise(1000, 4);
    let mut padded = vec![0.0; half];
    padded.extend(&dry);
    padded.resize(1000 + 2 * window, 0.0);
    let mut expected = vec![0.0f64; padded.len()];
    let mut weights = vec![0.0f64; padded.len()];
    for start in (0..=padded.len() - window).step_by(half) {
        let input = padded[start..start + window].to_vec();
        let tensor = Tensor::from_data(TensorData::new(input, [1, 1, window]), &Device::flex());
        for (i, y) in to_host(model.forward(tensor)).into_iter().enumerate() {
            let angle = std::f64::consts::TAU * i as f64 / window as f64;
            let weight = 0.5 - 0.5 * angle.cos();
            expected[start + i] += weight * f64::from(y);
            weights[start + i] += weight;
        }
    }
    let found = whole(&model, &dry);
    for (i, y) in found.iter().enumerate() {
        assert!((weights[half + i] - 1.0).abs() < 1e-12);
        assert!(
            (f64::from(*y) - expected[half + i]).abs() < 1e-6,
            "sample {i}"
        );
    }
}

/// Adds `size` times noise, the same for the same seed, to every parameter.
struct Nudge {
    size: f32,
    seed: u32,
}

impl Nudge {
    fn noise<const D: usize>(&mut self, param: &Param<Tensor<D>>) -> Tensor<D> {
        self.seed += 1;
        let shape = param.dims();
        let values = noise(shape.iter().product(), self.seed);
        Tensor::from_data(
            TensorData::new(values, shape),
            &param.val().device().inner(),
        )
    }
}

impl ModuleMapper for Nudge {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let noise = self.noise(&param) * self.size;
        param.map(|values| values + noise)
    }
}

/// The gradient along the same noise.
struct Slope {
    nudge: Nudge,
    grads: Rc<GradientsParams>,
    sum: f64,
}

impl ModuleVisitor for Slope {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let noise = self.nudge.noise(param);
        // The last WaveNet layer's own output is heard by nobody: no gradient, slope 0.
        if let Some(grad) = self.grads.get::<D>(param.id) {
            self.sum += f64::from((grad * noise).sum().into_scalar::<f32>());
        }
    }
}

/// Σ y·noise of a forward pass, in double precision.
fn projected(model: &EffectModel, input: &TensorData) -> f64 {
    let y = to_host(model.forward(Tensor::from_data(input.clone(), &Device::flex())));
    let weights = noise(y.len(), 77);
    y.iter().zip(weights).map(|(y, w)| f64::from(y * w)).sum()
}

/// Ways to move all parameters together. A rectifier that stands within the step of its edge
/// bends the difference along one way; a wrong gradient is wrong along all, so the median decides.
const DIRECTIONS: [u32; 3] = [500, 501, 502];

#[test]
fn gradients_are_finite_differences() {
    let presets = ["a1-nano", "a2-lite"].map(preset);
    let all = [
        seed_networks(),
        knob_networks(0, 4096),
        moving_networks(0),
        presets.into(),
    ];
    let all = all.concat();
    for controls in [0, 2] {
        for config in all.iter().filter(|c| controls == 0 || c.takes_controls()) {
            hold_gradients(AudioChannels::MONO, config, controls);
        }
    }
}

/// All parameters together are moved along noise, where smooth; the tolerance is a few times the
/// rounding of an f32 forward pass over the step, and far below what one missing or doubled term
/// would make.
pub fn hold_gradients(audio: AudioChannels, config: &ModelConfig, controls: usize) {
    // Away from the first weights, where rectifiers may stand exactly on their edge.
    let base = || {
        let model = build_for(audio, config, controls, &Device::flex());
        model.map(&mut Nudge {
            size: 0.1,
            seed: 900,
        })
    };
    let device = Device::flex().autodiff();
    let model = base().train();
    let around = model.context() + model.lookahead();
    let input_len = around + model.fixed_window().unwrap_or(90);
    let mut rows = noise(2 * audio.dry * input_len, 4);
    if controls == 2 {
        let knobs = [0.3, 0.9].map(|knob| vec![knob; input_len]).concat();
        let (first, second) = rows.split_at(audio.dry * input_len);
        rows = [first, &knobs, second, &knobs].concat();
    }
    let input = TensorData::new(rows, [2, audio.dry + controls, input_len]);
    let y = model.forward(Tensor::from_data(input.clone(), &device));
    let shape = y.dims();
    assert_eq!(shape[1], audio.wet, "{config:?}");
    let weights = TensorData::new(noise(shape.iter().product(), 77), shape);
    let loss = (y * Tensor::from_data(weights, &device)).sum();
    let grads = GradientsParams::from_grads(loss.backward(), &model);
    let grads = Rc::new(grads);
    let mut errors = DIRECTIONS.map(|seed| {
        let mut slope = Slope {
            nudge: Nudge { size: 0.0, seed },
            grads: grads.clone(),
            sum: 0.0,
        };
        model.visit(&mut slope);
        let step = 5e-4;
        let moved = |size: f32| projected(&base().map(&mut Nudge { size, seed }), &input);
        let difference = (moved(step) - moved(-step)) / f64::from(2.0 * step);
        (slope.sum - difference).abs() / difference.abs().max(0.05)
    });
    errors.sort_by(f64::total_cmp);
    assert!(
        errors[1] <= 1e-2,
        "{config:?} of {audio} with {controls} controls: relative errors {errors:?}"
    );
}

/// What is exported says what was trained: the description, played by its formulas in double
/// precision, gives the network's output.
#[test]
fn descriptions_play_what_the_network_predicts() {
    let dry = noise(400, 12);
    let check = |config: &ModelConfig, controls: usize, values: &[f32]| {
        let model = build(config, controls, &Device::flex());
        let knobs = ["a", "b"].into_iter().take(controls).map(|name| Control {
            range: None,
            name: name.to_string(),
            min: 0.0,
            max: 1.0,
            default: 0.5,
        });
        let network = model.describe(48_000, knobs.collect());
        network
            .validate()
            .unwrap_or_else(|e| panic!("{config:?}: {e}"));
        let lead_in = model.context().max(64).next_multiple_of(32);
        let later = network.latency_samples();
        let mut input = dry.clone();
        input.resize(dry.len() + later, 0.0);
        let played = oracle::engine::run(&network, &input, values, lead_in);
        let predicted = predict(&model, &Device::flex(), values, &[], &dry);
        for (i, (p, q)) in predicted.iter().zip(&played[later..]).enumerate() {
            let error = (f64::from(*p) - q).abs();
            assert!(error < 1e-5, "{config:?} sample {i}: {p} is not {q}");
        }
        network
    };
    for config in seed_networks() {
        check(&config, 0, &[]);
    }
    for config in moving_networks(64) {
        check(&config, 0, &[]);
    }
    for config in tailed_networks(64) {
        let network = check(&config, 0, &[]);
        assert!((6..=9).contains(&network.tail.len()), "{config:?}");
        if config.takes_controls() {
            check(&config, 2, &[0.8, 0.1]);
        }
    }
    for config in knob_networks(64, 16) {
        check(&config, 2, &[0.8, 0.1]);
        let network = check(&config, 0, &[]);
        let device = Device::flex();
        match (&network.architecture, &config) {
            (Architecture::WaveNet(wavenet), _) => {
                let again =
                    WaveNet::from_description(wavenet, AudioChannels::MONO, &device).unwrap();
                assert_eq!(again.describe(), *wavenet);
            }
            (Architecture::Sequential(sequential), ModelConfig::Lstm(_) | ModelConfig::Gru(_)) => {
                let defaults = RecurrentConfig::default();
                let mono = AudioChannels::MONO;
                let again =
                    RecurrentNetwork::from_description(sequential, mono, &defaults, &device);
                assert_eq!(again.unwrap().describe(), *sequential);
            }
            _ => {}
        }
    }
}

fn preset(name: &str) -> ModelConfig {
    toml::from_str(&format!("kind = \"wavenet\"\npreset = \"{name}\"")).unwrap()
}

/// By its gradient, one output hears every sample of its receptive field and none before. (The
/// output itself would lose the oldest sample to rounding.)
#[test]
fn presets_listen_exactly_as_far_as_they_say() {
    for name in [
        "a1-standard",
        "a1-lite",
        "a1-feather",
        "a1-nano",
        "a2-full",
        "a2-lite",
    ] {
        let device = Device::flex().autodiff();
        let model = build(&preset(name), 0, &device).train();
        let field = model.receptive_field().unwrap();
        let extra = 20;
        let data = TensorData::new(noise(field + extra, 3), [1, 1, field + extra]);
        let dry = Tensor::<3>::from_data(data, &device).require_grad();
        let newest = model.forward(dry.clone()).narrow(2, extra, 1).sum();
        let heard = to_host(dry.grad(&newest.backward()).unwrap());
        assert!(heard[..extra].iter().all(|&g| g == 0.0), "{name}");
        assert!(heard[extra] != 0.0, "{name}");
        assert!(heard[field + extra - 1] != 0.0, "{name}");
    }
}

#[test]
fn presets_are_causal_and_stream() {
    for name in ["a1-nano", "a2-lite"] {
        let model = build(&preset(name), 0, &Device::flex());
        let mut dry = noise(20_000, 5);
        let expected = whole(&model, &dry);
        let mut out = Vec::new();
        let mut predictor = Predictor::new(&model, &Device::flex(), &[], &[]);
        for piece in dry.chunks(777) {
            predictor.push(piece, &mut out);
        }
        predictor.finish(&mut out);
        assert_eq!(out, expected, "{name}");
        dry[17_000] += 0.5;
        let changed = whole(&model, &dry);
        assert_eq!(changed[..17_000], expected[..17_000], "{name}");
        assert_ne!(changed[17_000..], expected[17_000..], "{name}");
    }
}

#[test]
fn presets_have_the_sizes_that_players_expect() {
    for (name, weights, macs, field) in [
        ("a1-standard", 13_802, 13_320, 4093),
        ("a1-lite", 6554, 6228, 4093),
        ("a1-feather", 3026, 2808, 4093),
        ("a1-nano", 842, 732, 4093),
        ("a2-full", 12_146, 11_776, 6347),
        ("a2-lite", 1871, 1731, 6347),
    ] {
        let model = build(&preset(name), 0, &Device::flex());
        let network = model.describe(48_000, Vec::new());
        network.validate().unwrap();
        assert_eq!(network.weight_count(), weights, "{name}");
        assert_eq!(network.macs_per_sample(), macs, "{name}");
        assert_eq!(network.receptive_field(), Some(field), "{name}");
        assert_eq!(model.receptive_field(), Some(field), "{name}");
    }
}

/// Knobs do something, wherever they enter.
#[test]
fn knobs_are_heard() {
    let dry = noise(50, 6);
    for config in knob_networks(16, 16) {
        let model = build(&config, 1, &Device::flex());
        let at = |value: f32| predict(&model, &Device::flex(), &[value], &[], &dry);
        assert_ne!(at(0.2), at(0.9), "{config:?}");
        assert_eq!(at(0.2), at(0.2), "{config:?}");
    }
}

/// The fused operator reads the weights in the order in which the layers hold them.
#[test]
fn the_fused_wavenet_is_the_layers_one_by_one() {
    for config in knob_networks(0, 1) {
        let EffectModel::WaveNet(model) = build(&config, 1, &Device::flex()) else {
            continue;
        };
        let len = model.receptive_field() + 70;
        let input = TensorData::new(noise(4 * len, 3), [2, 2, len]);
        let input = Tensor::<3>::from_data(input, &Device::flex());
        let fused = to_host(model.forward(input.clone()));
        let composed = to_host(model.forward_composed(input));
        assert_eq!(fused.len(), 2 * 71);
        for (a, b) in fused.iter().zip(&composed) {
            assert!((a - b).abs() < 1e-5, "{config:?}: {a} is not {b}");
        }
    }
}

/// Whatever was learned: filters add nothing of their own, and each clipper's resting value is
/// taken off again. Rounding alone may remain.
#[test]
fn a_chain_of_clippers_is_silent_in_silence() {
    let config = ModelConfig::WienerHammerstein(WienerHammersteinConfig {
        warm_up: 8,
        ..WienerHammersteinConfig::default()
    });
    let (size, seed) = (0.3, 9);
    let model = build(&config, 0, &Device::flex()).map(&mut Nudge { size, seed });
    let loudest = |dry: &[f32]| whole(&model, dry).iter().fold(0f32, |m, y| m.max(y.abs()));
    assert!(loudest(&noise(200, 4)) > 1e-2);
    assert!(loudest(&[0.0; 200]) < 1e-7);
}

/// Short tails and long ones: what a network learns through its tail is what it would learn through
/// the same sum written out. No gradient enters the taps, which are solved for.
#[test]
fn gradients_pass_through_a_tail() {
    let device = Device::flex().autodiff();
    for taps in [6, 700] {
        let text = format!("kind = \"conv\"\nchannels = 3\nkernel_size = 5\ntail.taps = {taps}");
        let model = build(&toml::from_str(&text).unwrap(), 0, &device).train();
        let tailed = model.tailed().unwrap();
        let len = model.context() + model.lookahead() + 40;
        let dry = || Tensor::from_data(TensorData::new(noise(2 * len, 4), [2, 1, len]), &device);
        let weights = || Tensor::from_data(TensorData::new(noise(80, 77), [2, 1, 40]), &device);
        let through = model.forward(dry());
        let written = {
            let taps = tailed.taps();
            let taps = Tensor::<1>::from_data(TensorData::from(taps.as_slice()), &device);
            kernels::composed::long_filter(tailed.network().forward(dry()), taps)
        };
        let apart = (through.clone() - written.clone()).abs().max();
        assert!(apart.into_scalar::<f32>() < 1e-5, "{taps}");
        let grads = [through, written].map(|y| {
            let loss = (y * weights()).sum();
            GradientsParams::from_grads(loss.backward(), &model)
        });
        let parameters = models::parameters(&model);
        let [(a, b)] = [(&grads[0], &grads[1])];
        let mut compared = 0;
        for parameter in &parameters {
            let id = parameter.id;
            let flat = |g: &GradientsParams| match parameter.shape.len() {
                1 => g.get::<1>(id).map(|g| g.into_data()),
                _ => g.get::<3>(id).map(|g| g.into_data()),
            };
            let (Some(a), Some(b)) = (flat(a), flat(b)) else {
                assert_eq!(parameter.path.split('.').next_back(), Some("taps"));
                continue;
            };
            a.assert_approx_eq::<f32>(&b, burn::tensor::Tolerance::rel_abs(1e-3, 1e-4));
            compared += 1;
        }
        assert_eq!(compared, parameters.len() - 1, "{parameters:?}");
    }
}

/// FFT or sum: a network with a long tail streams, whatever the pieces.
#[test]
fn a_long_tail_streams() {
    for kind in [
        "conv\"\nchannels = 3",
        "lstm\"\nwarm_up = 20\nhidden_size = 3",
    ] {
        let text = format!("kind = \"{kind}\ntail.taps = 3000");
        let model = build(&toml::from_str(&text).unwrap(), 0, &Device::flex());
        let dry = noise(20_000, 3);
        let expected = whole(&model, &dry);
        let mut out = Vec::new();
        let mut predictor = Predictor::new(&model, &Device::flex(), &[], &[]);
        for piece in dry.chunks(777) {
            predictor.push(piece, &mut out);
        }
        predictor.finish(&mut out);
        assert_eq!(out, expected, "{kind}");
        let network = model.describe(8000, Vec::new());
        let late = network.latency_samples();
        let input = [dry, vec![0.0; late]].concat();
        let played = oracle::engine::run(&network, &input, &[], model.context());
        for (i, (p, q)) in expected.iter().zip(&played[late..]).enumerate() {
            assert!((f64::from(*p) - q).abs() < 1e-5, "{kind}: {i}");
        }
    }
}
