//! The streaming engine against its oracle, against the field's trainer, and against its own
//! promises.

use crate::golden;
use crate::oracle;
use crate::random_networks::{Dice, sequential};
use crate::support::Place;
use effigy::engine::{Engine, OfflinePlayer};
use effigy::formats;
use effigy::network::*;
use effigy::simd::Isa;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::path::PathBuf;

/// Counts this thread's allocations.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
    static LARGEST: Cell<usize> = const { Cell::new(0) };
}

fn note(size: usize) {
    // A thread that is ending has no counters left.
    let _ = ALLOCATIONS.try_with(|n| n.set(n.get() + 1));
    let _ = LARGEST.try_with(|n| n.set(n.get().max(size)));
}

// SAFETY: every call goes to the system allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(layout.size());
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(ptr, layout) }
    }
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        note(layout.size());
        // SAFETY: the caller's promise.
        unsafe { System.alloc_zeroed(layout) }
    }
    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        note(new_size);
        // SAFETY: the caller's promise.
        unsafe { System.realloc(ptr, layout, new_size) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// Allocations of this thread so far, and the largest of them; resets the latter.
pub fn allocations() -> (usize, usize) {
    (ALLOCATIONS.get(), LARGEST.replace(0))
}

/// Mono samples of a WAV file, full scale 1.
pub fn wav(path: PathBuf) -> Vec<f32> {
    let mut reader = hound::WavReader::open(path).unwrap();
    let spec = reader.spec();
    match spec.sample_format {
        hound::SampleFormat::Float => reader.samples::<f32>().map(Result::unwrap).collect(),
        hound::SampleFormat::Int => {
            let full = (1u32 << (spec.bits_per_sample - 1)) as f32;
            reader
                .samples::<i32>()
                .map(|x| x.unwrap() as f32 / full)
                .collect()
        }
    }
}

fn play(engine: &mut Engine, input: &[f32], mut next_block: impl FnMut() -> usize) -> Vec<f32> {
    let mut output = vec![0.0; input.len()];
    let mut at = 0;
    while at < input.len() {
        let end = (at + next_block()).min(input.len());
        engine.process(&input[at..end], &mut output[at..end]);
        at = end;
    }
    output
}

fn largest_difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter()
        .zip(b)
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, f32::max)
}

/// Bit for bit; says where the first difference is instead of printing both signals.
fn assert_same(a: &[f32], b: &[f32], what: &str) {
    assert_eq!(a.len(), b.len(), "{what}");
    if let Some(t) = (0..a.len()).find(|t| a[*t] != b[*t]) {
        panic!("{what}: sample {t} is {} and {}", a[t], b[t]);
    }
}

/// Holds the engine to what another program says `network` sounds like: in blocks of any length,
/// on every instruction set, prewarmed.
pub fn sounds_like(what: &str, network: &Network, input: &[f32], expected: &[f32]) {
    let mut dice = Dice::new(1);
    for isa in Isa::available() {
        let mut engine = Engine::with_isa(network, isa).unwrap();
        engine.prewarm();
        let output = play(&mut engine, input, || dice.size(3000));
        let difference = largest_difference(&output, expected);
        // The acceptance bound of the format's conformance files.
        assert!(difference <= 1e-5, "{what} on {isa}: {difference:e}");
    }
}

#[test]
fn the_fields_trainer_is_reproduced() {
    let input = golden::array("captures/input.npy").singles();
    let read = |name: &str| formats::read(&golden::file(name)).unwrap().network;
    for name in [
        "captures/a1_standard",
        "captures/gated",
        "captures/film",
        "captures/grouped",
        "captures/head",
        "captures/slimmable",
        "captures/convnet",
        "captures/convnet_batchnorm",
        "captures/lstm",
        "captures/linear",
    ] {
        let expected = golden::array(&format!("{name}.npy")).singles();
        let network = read(&format!("{name}.nam"));
        sounds_like(name, &network, &input[..expected.len()], &expected);
    }
    let Architecture::Slimmable(a2) = read("captures/a2.nam").architecture else {
        panic!("A2 comes in two sizes");
    };
    for (size, expected) in [(0.0, "captures/a2_0.npy"), (1.0, "captures/a2_1.npy")] {
        let network = a2.select(size).unwrap();
        sounds_like(
            expected,
            network,
            &input,
            &golden::array(expected).singles(),
        );
    }
}

#[test]
fn identity_captures_are_the_identity() {
    let input = golden::array("captures/input.npy").singles();
    for file in [
        "captures/identity_wavenet.nam",
        "captures/identity_linear.nam",
    ] {
        let model = formats::read(&golden::file(file)).unwrap();
        let mut engine = Engine::new(&model.network).unwrap();
        let output = play(&mut engine, &input, || 64);
        // The WaveNet forms x as max(x, 0) − max(−x, 0): exact.
        assert_same(&output, &input, file);
    }
}

/// Both run the same formula on the same numbers; the engine rounds each of a few thousand
/// additions to 24 bits (6e-8 each, growing with the square root of their number: 4e-6) and uses
/// functions good to 4e-7. Feedback and steep activations multiply that a few times. The smallest
/// fault, a wrong tap or a sample of misalignment, is above 1e-2 on these networks.
const ROUNDING: f64 = 5e-5;

#[test]
fn the_engine_agrees_with_its_oracle_on_random_networks_of_every_family() {
    for seed in 0..25 {
        let mut dice = Dice::new(seed);
        for (family, network) in dice.every_family() {
            let input = dice.audio(700);
            let controls = dice.numbers(network.controls.len(), 1.0);
            let isa = dice.pick(&Isa::available());
            let wanted = oracle::engine::run(&network, &input, &controls, 0);
            let mut engine = Engine::with_isa(&network, isa).unwrap();
            if !controls.is_empty() {
                engine.set_controls(&controls).unwrap();
            }
            let output = play(&mut engine, &input, || dice.size(300));
            let peak = wanted.iter().fold(1.0f64, |peak, y| peak.max(y.abs()));
            for (t, (y, wanted)) in output.iter().zip(&wanted).enumerate() {
                let difference = (f64::from(*y) - wanted).abs();
                assert!(
                    difference <= ROUNDING * peak,
                    "{family}, seed {seed}, {isa}, sample {t}: {y} for {wanted}"
                );
            }
        }
    }
}

#[test]
fn block_length_never_changes_a_sample() {
    for seed in 100..104 {
        let mut dice = Dice::new(seed);
        for (family, network) in dice.every_family() {
            let input = dice.audio(1500);
            for isa in Isa::available() {
                let mut engine = Engine::with_isa(&network, isa).unwrap();
                let whole = play(&mut engine, &input, || input.len());
                engine.reset();
                let single = play(&mut engine, &input, || 1);
                engine.reset();
                let mixed = play(&mut engine, &input, || dice.size(400));
                assert_same(
                    &whole,
                    &single,
                    &format!("{family}, seed {seed}, {isa}, one by one"),
                );
                assert_same(
                    &whole,
                    &mixed,
                    &format!("{family}, seed {seed}, {isa}, mixed"),
                );
            }
        }
    }
}

#[test]
fn processing_allocates_nothing() {
    let mut dice = Dice::new(7);
    for (family, network) in dice.every_family() {
        let mut engine = Engine::new(&network).unwrap();
        let input = dice.audio(3000);
        let mut output = vec![0.0; input.len()];
        let controls = vec![0.5; network.controls.len()];
        let (before, _) = allocations();
        for block in [1, 16, 64, 255, 256, 257, 3000] {
            engine.process(&input[..block], &mut output[..block]);
        }
        engine.set_controls(&controls).unwrap();
        engine.process(&input, &mut output);
        engine.reset();
        engine.prewarm();
        let (after, _) = allocations();
        assert_eq!(after - before, 0, "{family}");
    }
}

/// A tail of two seconds at 8 kHz behind one gain: what the sum says, to the last bit the same in any
/// blocks and by any number of cores, and without allocating.
#[test]
fn a_long_tail_is_its_sum_in_any_blocks() {
    let mut dice = Dice::new(13);
    let gain = Layer::Conv1d(Conv1d::dense(1, 1, vec![0.5], Vec::new()));
    let mut network = Network::new(
        Architecture::Sequential(Sequential {
            input_channels: 1,
            layers: vec![gain],
        }),
        8000,
    );
    let fade = |(i, x): (usize, f32)| x * (-4e-4 * i as f32).exp() / 40.0;
    network.tail = dice
        .audio(16_000)
        .into_iter()
        .enumerate()
        .map(fade)
        .collect();
    assert_eq!(network.receptive_field(), Some(16_000));
    let input = dice.audio(20_000);
    for isa in Isa::available() {
        let mut engine = Engine::with_isa(&network, isa).unwrap();
        let (before, _) = allocations();
        let mut whole = vec![0.0; input.len()];
        engine.process(&input, &mut whole);
        engine.reset();
        assert_eq!(allocations().0 - before, usize::from(true), "only `whole`");
        for t in (0..input.len()).step_by(97) {
            let terms = network.tail.iter().zip(input[..=t].iter().rev());
            let wanted: f64 = terms.map(|(h, x)| f64::from(*h) * f64::from(*x)).sum();
            assert!(
                (f64::from(whole[t]) - 0.5 * wanted).abs() < 1e-6,
                "{isa} {t}"
            );
        }
        let blocks = play(&mut engine, &input, || 64);
        assert_same(&whole, &blocks, "by 64");
        engine.reset();
        let mixed = play(&mut engine, &input, || dice.size(400));
        assert_same(&whole, &mixed, "mixed");
    }
    let mut engine = Engine::new(&network).unwrap();
    let expected = engine.play_from_rest(&input, 0);
    for threads in [1, 3] {
        let mut player = OfflinePlayer::with_threads(&network, 1, threads).unwrap();
        let mut output = [Vec::new()];
        input
            .chunks(7777)
            .for_each(|block| player.push(&[block], &mut output));
        player.finish(&mut output);
        assert_same(&expected, &output[0], "offline");
    }
}

#[test]
fn prewarming_is_padding_with_silence() {
    let mut dice = Dice::new(11);
    for (family, network) in dice.every_family() {
        let input = dice.audio(300);
        let mut engine = Engine::new(&network).unwrap();
        engine.prewarm();
        let output = play(&mut engine, &input, || 64);
        let mut padded = vec![0.0; engine.prewarm_samples()];
        padded.extend(&input);
        engine.reset();
        let whole = play(&mut engine, &padded, || 100);
        assert_same(&output, &whole[engine.prewarm_samples()..], family);
    }
}

/// The first and last sample at which outputs of a network differ when input sample `at` does.
fn influence(network: &Network, input: &[f32], at: usize) -> Option<(usize, usize)> {
    let mut engine = Engine::new(network).unwrap();
    let one = play(&mut engine, input, || 50);
    let mut changed = input.to_vec();
    changed[at] += 0.9;
    engine.reset();
    let other = play(&mut engine, &changed, || 50);
    let differs: Vec<usize> = (0..one.len()).filter(|t| one[*t] != other[*t]).collect();
    Some((*differs.first()?, *differs.last()?))
}

#[test]
fn a_sample_influences_nothing_before_it_and_nothing_beyond_the_receptive_field() {
    for seed in 200..210 {
        let mut dice = Dice::new(seed);
        for (family, network) in dice.every_family() {
            let input = dice.audio(1200);
            let at = 300 + dice.size(100);
            let Some((first, last)) = influence(&network, &input, at) else {
                continue;
            };
            assert!(
                first >= at,
                "{family}, seed {seed}: heard {} samples early",
                at - first
            );
            if let Some(receptive_field) = network.receptive_field() {
                let reach = last - at + 1;
                assert!(
                    reach <= receptive_field,
                    "{family}, seed {seed}: {reach} > {receptive_field}"
                );
            }
        }
    }
}

#[test]
fn the_declared_receptive_field_is_the_measured_one() {
    // Without activations that swallow the change, the field is filled to its end.
    let mut dice = Dice::new(3);
    let layers = vec![
        Layer::Conv1d(dice.conv(1, 4, 3, 7)),
        Layer::Activation(Activation::Tanh),
        Layer::Conv1d(dice.conv(4, 1, 5, 11)),
    ];
    let network = sequential(1, layers);
    assert_eq!(network.receptive_field(), Some(1 + 2 * 7 + 4 * 11));
    let input = dice.audio(200);
    assert_eq!(
        influence(&network, &input, 100),
        Some((100, 100 + 2 * 7 + 4 * 11))
    );
}

#[test]
fn silence_ends_in_silence_and_not_among_the_denormals() {
    let mut dice = Dice::new(5);
    let mut lstm = dice.lstm(1, 9, false);
    lstm.bias.fill(0.0);
    let mut head = dice.conv(9, 1, 1, 1);
    head.bias.fill(0.0);
    let mut gru = dice.gru(1, 9);
    gru.bias_input.fill(0.0);
    gru.bias_hidden.fill(0.0);
    let plain = |inputs, outputs, kernel, dice: &mut Dice| {
        Layer::Conv1d(Conv1d {
            bias: Vec::new(),
            ..dice.conv(inputs, outputs, kernel, 1)
        })
    };
    let networks = [
        vec![
            plain(1, 5, 1, &mut dice),
            Layer::S4d(dice.s4d(5, 4)),
            plain(5, 1, 3, &mut dice),
        ],
        vec![Layer::Lstm(lstm), Layer::Conv1d(head.clone())],
        vec![Layer::Gru(gru), Layer::Conv1d(head)],
        vec![plain(1, 6, 30, &mut dice), plain(6, 1, 30, &mut dice)],
    ];
    for layers in networks {
        let network = sequential(1, layers);
        let mut engine = Engine::new(&network).unwrap();
        let mut input = dice.audio(1000);
        // A tail that decays through the smallest numbers, as reverberation does.
        input.extend((0..4000).map(|t| 0.9f32.powi(t)));
        input.extend(vec![0.0; 96_000]);
        let output = play(&mut engine, &input, || 64);
        let denormal = output.iter().filter(|y| y.is_subnormal()).count();
        // States are cut after each pass, so a pass may hold the last few on their way down.
        assert!(
            denormal <= 512,
            "{}: {denormal} denormal outputs",
            network.family()
        );
        let end = &output[output.len() - 1000..];
        assert!(
            end.iter().all(|y| *y == 0.0),
            "{}: {}",
            network.family(),
            end[0]
        );
    }
}

/// How many denormal numbers an engine holds anywhere, weights included: told from everything it
/// shows of itself, so that no state can be forgotten here.
fn denormals(engine: &Engine) -> usize {
    let shown = format!("{engine:?}");
    let numbers = shown.split(|c: char| !(c.is_ascii_alphanumeric() || ".-+".contains(c)));
    let values = numbers.filter_map(|word| word.parse::<f32>().ok());
    values.filter(|value| value.is_subnormal()).count()
}

#[test]
fn a_denormal_state_would_be_seen() {
    let affine = Affine {
        scale: vec![1e-40],
        shift: vec![0.0],
    };
    let network = sequential(1, vec![Layer::Affine(affine)]);
    assert_eq!(denormals(&Engine::new(&network).unwrap()), 1);
}

/// Also while silence lasts: after every block of it, from the end of a decaying tail on.
#[test]
fn no_state_of_any_family_is_denormal_in_silence() {
    let mut dice = Dice::new(6);
    let mut networks = dice.every_family();
    let quiet = |outputs: usize, layer: Layer, dice: &mut Dice| {
        // Without biases everything decays to nothing.
        let mut head = dice.conv(outputs, 1, 1, 1);
        head.bias.fill(0.0);
        sequential(1, vec![layer, Layer::Conv1d(head)])
    };
    let mut lstm = dice.lstm(1, 20, false);
    lstm.bias.fill(0.0);
    networks.push((
        "LSTM without biases",
        quiet(20, Layer::Lstm(lstm), &mut dice),
    ));
    let mut gru = dice.gru(1, 20);
    gru.bias_input.fill(0.0);
    gru.bias_hidden.fill(0.0);
    networks.push(("GRU without biases", quiet(20, Layer::Gru(gru), &mut dice)));
    let s4d = dice.s4d(1, 4);
    networks.push(("S4D", quiet(1, Layer::S4d(s4d), &mut dice)));
    for (family, network) in networks {
        let mut engine = Engine::new(&network).unwrap();
        let mut input = dice.audio(500);
        input.extend((0..4000).map(|t| 0.9f32.powi(t)));
        play(&mut engine, &input, || 64);
        let silence = vec![0.0; 64];
        for block in 0..400 {
            play(&mut engine, &silence, || 64);
            if block % 40 == 39 {
                assert_eq!(denormals(&engine), 0, "{family}, block {block}");
            }
        }
    }
}

#[test]
fn input_that_is_no_number_is_silence() {
    let mut dice = Dice::new(8);
    for (family, network) in dice.every_family() {
        let mut input = dice.audio(400);
        let mut engine = Engine::new(&network).unwrap();
        input[50] = 0.0;
        input[60] = 0.0;
        let wanted = play(&mut engine, &input, || 64);
        input[50] = f32::NAN;
        input[60] = f32::NEG_INFINITY;
        engine.reset();
        assert_same(&play(&mut engine, &input, || 64), &wanted, family);
    }
}

#[test]
fn recordings_sound_the_same_on_any_number_of_cores_in_any_pieces() {
    let mut dice = Dice::new(9);
    for (family, network) in dice.every_family() {
        let len = 40_000;
        let input = [dice.audio(len), dice.audio(len)];
        let controls = dice.numbers(network.controls.len(), 1.0);
        let latency = network.latency_samples();
        let wanted: Vec<Vec<f32>> = input
            .iter()
            .map(|channel| {
                let mut engine = Engine::new(&network).unwrap();
                engine.set_controls(&controls).unwrap();
                engine.prewarm();
                let mut heard = channel.clone();
                heard.resize(len + latency, 0.0);
                play(&mut engine, &heard, || 512).split_off(latency)
            })
            .collect();
        for (threads, channels) in [(1, 1), (3, 1), (2, 2), (5, 2)] {
            let mut player = OfflinePlayer::with_threads(&network, channels, threads).unwrap();
            player.set_controls(&controls).unwrap();
            let mut output = vec![Vec::new(); channels];
            let mut at = 0;
            for piece in [1, 10, 33_000, 0, 6989] {
                let block: Vec<&[f32]> = input[..channels]
                    .iter()
                    .map(|c| &c[at..at + piece])
                    .collect();
                player.push(&block, &mut output);
                at += piece;
            }
            assert_eq!(at, len);
            player.finish(&mut output);
            for (output, wanted) in output.iter().zip(&wanted) {
                let what = format!("{family}, {threads} threads, {channels} channels");
                assert_same(output, wanted, &what);
            }
        }
        let whole = Engine::play(&network, &controls, &input[0]).unwrap();
        assert_same(&whole, &wanted[0], family);
    }
}

#[test]
fn nothing_pushed_gives_nothing() {
    let network = Dice::new(2).tcn();
    let mut output = [Vec::new(), Vec::new()];
    let player = OfflinePlayer::new(&network, 2).unwrap();
    player.finish(&mut output);
    assert!(output.iter().all(Vec::is_empty));
}

#[test]
fn a_file_becomes_an_engine_and_a_slimmable_one_any_size() {
    let file = golden::file("captures/a2.nam");
    let network = formats::read(&file).unwrap().network;
    let input = Dice::new(4).audio(500);
    let Architecture::Slimmable(slimmable) = &network.architecture else {
        panic!("A2 comes in two sizes");
    };
    for (size, submodel) in [(0.0, 0), (0.49, 0), (0.5, 1), (1.0, 1)] {
        let mut loaded = Engine::load_size(&file, size).unwrap();
        let mut made = Engine::new(&slimmable.submodels[submodel].network).unwrap();
        let output = play(&mut loaded, &input, || 64);
        assert_same(&output, &play(&mut made, &input, || 64), "size");
    }
    let mut full = Engine::load(&file).unwrap();
    let mut made = Engine::new(&network).unwrap();
    assert_same(
        &play(&mut full, &input, || 64),
        &play(&mut made, &input, || 64),
        "full",
    );
    let missing = Engine::load(&PathBuf::from("no/such.nam")).unwrap_err();
    assert!(missing.to_string().contains("no/such.nam"), "{missing}");
}

#[test]
fn knobs_change_the_sound_and_wrong_ones_are_refused() {
    let mut dice = Dice::new(12);
    let network = dice.tcn();
    let mut engine = Engine::new(&network).unwrap();
    let input = dice.audio(100);
    let low = play(&mut engine, &input, || 64);
    engine.reset();
    engine.set_controls(&[0.9, 0.2]).unwrap();
    assert_ne!(play(&mut engine, &input, || 64), low);
    let error = engine.set_controls(&[0.1]).unwrap_err().to_string();
    assert_eq!(
        error,
        "1 control values given, the network has 2: param1, param2"
    );
    let error = engine
        .set_controls(&[0.1, f32::NAN])
        .unwrap_err()
        .to_string();
    assert_eq!(error, "control param2 = NaN; a finite number is needed");
}

#[test]
fn impossible_descriptions_are_refused_before_anything_is_allocated() {
    let conv = |kernel_size, dilation, weight: usize| {
        let base = Conv1d::dense(1, 1, vec![0.5; weight], vec![]);
        sequential(
            1,
            vec![Layer::Conv1d(Conv1d {
                kernel_size,
                dilation,
                ..base
            })],
        )
    };
    let cases = [
        (
            conv(3, 1, 2),
            "layer 0: convolution weight holds 2 numbers, its sizes call for 3",
        ),
        (
            conv(2, usize::MAX, 2),
            "history over all channels is 18446744073709551615; at most 33554432",
        ),
        (
            conv(3, usize::MAX, 3),
            "layer count is more than a 64-bit number holds",
        ),
        (
            conv(0, 1, 0),
            "layer count is more than a 64-bit number holds",
        ),
        (
            conv(2, 1 << 40, 2),
            "history over all channels is 1099511627776",
        ),
        (
            sequential(2, vec![]),
            "network input has 2 channels, 1 are needed there",
        ),
    ];
    for (network, wanted) in cases {
        allocations();
        let error = Engine::new(&network).unwrap_err().to_string();
        let (_, largest) = allocations();
        assert!(error.contains(wanted), "{error}");
        assert!(largest < 10_000, "{largest} bytes for: {error}");
    }
}

#[test]
fn working_memory_is_bounded_however_layers_multiply_it() {
    // 200 layers of 60,000 channels that do not mix: few weights, 31 GB of rows.
    let channels = 60_000;
    let conv = Conv1d {
        in_channels: channels,
        out_channels: channels,
        kernel_size: 2,
        dilation: 1,
        groups: channels,
        weight: vec![0.1; 2 * channels],
        bias: vec![],
    };
    let mut layers = vec![Layer::Conv1d(Conv1d::dense(
        1,
        channels,
        vec![0.1; channels],
        vec![],
    ))];
    layers.extend((0..200).map(|_| Layer::Conv1d(conv.clone())));
    layers.push(Layer::Conv1d(Conv1d::dense(
        channels,
        1,
        vec![0.1; channels],
        vec![],
    )));
    let error = Engine::new(&sequential(1, layers)).unwrap_err().to_string();
    assert!(error.contains("working memory in floats is"), "{error}");
}

#[test]
fn the_bench_gives_figures_that_fit_together_for_every_size() {
    let file = golden::file("captures/a2.nam");
    let file = file.to_str().unwrap();
    let place = Place::new();
    let bench = |more: &[&str]| {
        let mut arguments = vec!["bench", "infer", "--model", file];
        arguments.extend(more);
        place.effigy(&arguments)
    };
    let said = bench(&["--seconds", "0.01", "--blocks", "16,300", "--json"]);
    let outcome = said.json();
    let networks = outcome["networks"].as_array().unwrap();
    assert_eq!(networks.len(), 2);
    for (network, macs) in networks.iter().zip([1731.0, 11_776.0]) {
        let number = |value: &serde_json::Value, name: &str| value[name].as_f64().unwrap();
        assert_eq!(number(network, "macs_per_sample"), macs);
        assert!(network["processor"].is_string() && network["isa"].is_string());
        let peak = number(network, "peak_gflops");
        let blocks = network["blocks"].as_array().unwrap();
        assert_eq!(blocks.len(), 2);
        for (block, len) in blocks.iter().zip([16.0, 300.0]) {
            assert_eq!(number(block, "block"), len);
            let ns = number(block, "ns_per_sample");
            let product = number(block, "real_time_factor") * ns * 48_000.0 * 1e-9;
            assert!((product - 1.0).abs() < 1e-9, "{product}");
            let fraction = 2.0 * macs / ns / peak / number(block, "fraction_of_peak");
            assert!((fraction - 1.0).abs() < 1e-9, "{fraction}");
            let (p50, p99) = (number(block, "p50_us"), number(block, "p99_us"));
            assert!(0.0 < p50 && p50 <= p99, "{p50} {p99}");
        }
    }
    for (wrong, why) in [
        (["--blocks", "0"], "block length 0 is not between 1 and"),
        (["--seconds", "0"], "--seconds 0 is not between 0 and 600"),
    ] {
        let said = bench(&wrong);
        assert_eq!(said.code, 2);
        assert!(said.stderr.contains(why), "{}", said.stderr);
    }
}
