//! Orders, effects, collage and stretching against the notebooks' expected values
//! (`tests/golden/spectra.py`, `classical.py`), slow forms and known truths.

use crate::golden;
use effigy::audio::{Audio, SampleFormat, SampleRate, decode, encode};
use effigy::commands::reorder::{Jobs, Output, Setting};
use effigy::commands::{collage as collage_command, reorder, spectrum, stretch};
use effigy::dsp::mel::MelBank;
use effigy::dsp::stft::{Stft, StftParams};
use effigy::progress::Silent;
use effigy::resynth::features::{FrameTable, Matrix, Preprocess, VolumeScaling, measure};
use effigy::resynth::order::{By, Ordering, Recipe, Walk, order};
use effigy::resynth::pca::Pca;
use effigy::resynth::playback::{self, Playback};
use effigy::resynth::shuffle::python_shuffle_of_rows;
use effigy::resynth::spectral::{Effect, apply};
use effigy::resynth::{compat, tsne, vocoder};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;
use std::f64::consts::TAU;
use std::path::{Path, PathBuf};

/// Orders and facts by name.
fn orders() -> Value {
    golden::json("spectra/orders.json")
}

fn numbers(value: &Value) -> Vec<f64> {
    let items = value.as_array().unwrap().iter();
    items.map(|v| v.as_f64().unwrap()).collect()
}

fn indices(value: &Value) -> Vec<usize> {
    numbers(value).into_iter().map(|x| x as usize).collect()
}

fn rate() -> SampleRate {
    SampleRate::new(44100).unwrap()
}

/// A second of generated bells.
fn clip() -> Vec<f32> {
    let clip = golden::array("classical/clip_A.npy").values;
    clip.iter().map(|x| (x / 32768.0) as f32).collect()
}

fn stft(n_fft: usize) -> Stft {
    Stft::new(StftParams::new(n_fft, 2000, 400).unwrap())
}

fn table(stft: &Stft, samples: &[f32]) -> FrameTable {
    let bank = MelBank::new(rate(), stft.params().n_fft(), 128);
    measure(stft, &bank, rate(), samples, &Silent).unwrap()
}

fn recipe(by: By) -> Recipe {
    Recipe {
        by,
        tsne: tsne::Settings {
            iterations: 250,
            ..tsne::Settings::default()
        },
        walk: None,
        clusters: None,
        reverse: false,
        seed: 0,
    }
}

const COMPAT: Preprocess = Preprocess {
    decibels: true,
    volume: VolumeScaling::Off,
    frequency_weighting: false,
    compat: true,
};

fn noise(len: usize, seed: u64) -> Vec<f32> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    (0..len).map(|_| random.random_range(-1.0..1.0)).collect()
}

fn tone(len: usize, period: f64) -> Vec<f32> {
    (0..len)
        .map(|i| (0.5 * (TAU * i as f64 / period).sin()) as f32)
        .collect()
}

fn rms(samples: &[f32]) -> f64 {
    let energy: f64 = samples.iter().map(|x| f64::from(*x).powi(2)).sum();
    (energy / samples.len() as f64).sqrt()
}

fn furthest(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).fold(0.0, |m, (a, b)| m.max((a - b).abs()))
}

// ---- orders ------------------------------------------------------------------------------

#[test]
fn the_order_by_pca_is_scikit_learns() {
    let clip = clip();
    for (n_fft, name) in [(2048, "n_fft_2048"), (2000, "n_fft_2000")] {
        let expected = &orders()[name];
        let stft = stft(n_fft);
        let table = table(&stft, &clip);
        let features = COMPAT.apply(&table.mel);
        let found = order(&table, &features, &recipe(By::Pca), &Silent).unwrap();
        assert_eq!(found.order, indices(&expected["pca_order"]), "{name}");
        let scores = numbers(&expected["pc1_scores"]);
        for (found, expected) in found.embedding[0].iter().zip(scores) {
            // Half the smallest gap between scores; single precision was seen 4e-5 off.
            assert!((found - expected).abs() < 1e-4, "{found} {expected}");
        }
        let explained = expected["pc1_explained_ratio"].as_f64().unwrap();
        assert!((found.explained.unwrap() - explained).abs() < 1e-5);
    }
}

#[test]
fn the_notebooks_scalings_order_as_the_notebook() {
    let clip = clip();
    let expected = orders();
    let table = table(&stft(2048), &clip);
    let order_with = |preprocess: Preprocess| {
        let features = preprocess.apply(&table.mel);
        let found = order(&table, &features, &recipe(By::Pca), &Silent).unwrap();
        (features, found.order)
    };
    let band = Preprocess {
        volume: VolumeScaling::Band,
        ..COMPAT
    };
    let (_, by_band) = order_with(band);
    assert_eq!(by_band, indices(&expected["volume_scaling"]["pca_order"]));
    let weighted = Preprocess {
        frequency_weighting: true,
        ..COMPAT
    };
    let (_, by_weight) = order_with(weighted);
    assert_eq!(by_weight, indices(&expected["log_scaling"]["pca_order"]));
    let linear = Preprocess {
        decibels: false,
        ..weighted
    };
    let rows = linear.apply(&table.mel);
    for (frame, expected) in numbers(&expected["log_scaling"]["row0_head"])
        .into_iter()
        .enumerate()
    {
        let row = rows.row(frame);
        assert!(
            row.iter().all(|x| x == &row[0]),
            "the notebook's is one value per frame"
        );
        assert!((f64::from(row[0]) / expected - 1.0).abs() < 1e-5);
    }
}

#[test]
fn frequency_weighting_weights_frequencies() {
    // A band that is 1 dB up in the second frame: the lowest must count more than the highest.
    let apart = |band: usize| {
        let mut mel = vec![1.0; 16];
        mel[8 + band] = 10.0_f32.powf(0.1);
        let preprocess = Preprocess {
            frequency_weighting: true,
            ..Preprocess::default()
        };
        preprocess.apply(&Matrix::new(8, mel)).distance(0, 1)
    };
    assert!((apart(0) - 1.0).abs() < 1e-5);
    assert!((apart(7) - 2.0_f64.ln() / 9.0_f64.ln()).abs() < 1e-5);
    // Without decibels as well.
    let linear = Preprocess {
        decibels: false,
        volume: VolumeScaling::Frame,
        frequency_weighting: true,
        compat: false,
    };
    let rows = linear.apply(&Matrix::new(2, vec![3.0, 1.0, 0.0, 0.0]));
    assert!((rows.row(0)[0] - 0.75).abs() < 1e-6 && rows.row(1) == [0.0, 0.0]);
}

#[test]
fn playing_an_order_is_inverting_the_reordered_spectra() {
    let clip = clip();
    let expected = golden::array("spectra/istft_pca.npy").values;
    let found = indices(&orders()["n_fft_2048"]["pca_order"]);
    let stft = stft(2048);
    let channels = [clip.clone(), noise(clip.len(), 3)];
    let played = playback::frames(&stft, &channels, &found, &Silent).unwrap();
    assert_eq!(played[0].len(), 44000);
    let peak = expected.iter().fold(0.0_f64, |m, x| m.max(x.abs()));
    for (x, expected) in played[0].iter().step_by(4).zip(&expected) {
        assert!((f64::from(*x) - expected).abs() < 1e-5 * peak);
    }
    // The slow way: transform, reorder, transform back. Two double-precision transforms and one
    // rounding to single precision apart.
    for (channel, played) in channels.iter().zip(&played) {
        let before = stft.analyse(channel);
        let mut after = before.clone();
        for (to, &from) in after.frames_mut().zip(&found) {
            to.copy_from_slice(before.frames().nth(from).unwrap());
        }
        let slow = stft.synthesise(&after, 44000).unwrap();
        assert!(furthest(&slow, played) < 1e-6);
    }
}

/// Frames that wander through three loops in ten dimensions.
fn wandering(frames: usize) -> FrameTable {
    let mut random = ChaCha8Rng::seed_from_u64(9);
    let values = (0..frames).flat_map(|t| {
        let angle = TAU * 3.3 * t as f64 / frames as f64;
        (0..10).map(move |k| 2.0 + (angle * f64::from(k % 4 + 1) + f64::from(k)).sin())
    });
    let values = values.map(|x| x as f32 + random.random_range(0.0..0.05));
    FrameTable {
        mel: Matrix::new(10, values.collect()),
        energy: vec![1.0; frames],
        centroid_hz: (0..frames).map(|t| ((t * 37) % frames) as f64).collect(),
    }
}

fn with_threads<T: Send>(threads: usize, work: impl FnOnce() -> T + Send) -> T {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
    pool.build().unwrap().install(work)
}

#[test]
fn orders_are_the_same_bit_for_bit_with_any_number_of_threads() {
    let table = wandering(400);
    let features = Preprocess::default().apply(&table.mel);
    let walk = Some(Walk {
        neighbours: 5,
        steps: None,
    });
    for recipe in [
        recipe(By::Pca),
        recipe(By::Path),
        recipe(By::Tsne),
        Recipe {
            walk,
            ..recipe(By::Tsne)
        },
        Recipe {
            clusters: Some(4),
            ..recipe(By::Path)
        },
    ] {
        let made = |threads| {
            with_threads(threads, || {
                let found = order(&table, &features, &recipe, &Silent).unwrap();
                let bits = |axis: &Vec<f64>| axis.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
                let embedding: Vec<Vec<u64>> = found.embedding.iter().map(bits).collect();
                (found.order, embedding)
            })
        };
        let one = made(1);
        for threads in [1, 3] {
            assert!(one == made(threads), "{recipe:?} with {threads} threads");
        }
        let mut sorted = one.0.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..400).collect::<Vec<_>>(), "every frame once");
    }
}

#[test]
fn likeness_orders_step_shorter_than_sorting_and_chance() {
    let table = wandering(700);
    let features = Preprocess::default().apply(&table.mel);
    // With the usual number of iterations: after 250, t-SNE's line is not yet drawn out, and an
    // input changed in its last bit moves its steps by a tenth, across those of the component.
    let recipe = |by| Recipe {
        tsne: tsne::Settings::default(),
        ..recipe(by)
    };
    let step = |by| {
        let found = order(&table, &features, &recipe(by), &Silent).unwrap();
        features.mean_step(&found.order)
    };
    let (path, tsne, pca, chance) = (
        step(By::Path),
        step(By::Tsne),
        step(By::Pca),
        step(By::Centroid),
    );
    assert!(
        path < tsne && tsne < pca && pca < chance,
        "{path} {tsne} {pca} {chance}"
    );
}

#[test]
fn sorted_orders_sort_and_can_be_turned() {
    let mut table = wandering(40);
    table.energy = (0..40).map(|t| f64::from((t * 7) % 40)).collect();
    let features = Preprocess::default().apply(&table.mel);
    let loud = order(&table, &features, &recipe(By::Loudness), &Silent).unwrap();
    assert!(
        loud.order
            .windows(2)
            .all(|w| table.energy[w[0]] < table.energy[w[1]])
    );
    let bright = order(&table, &features, &recipe(By::Centroid), &Silent).unwrap();
    assert!(
        bright
            .order
            .windows(2)
            .all(|w| table.centroid_hz[w[0]] <= table.centroid_hz[w[1]])
    );
    let turned = Recipe {
        reverse: true,
        ..recipe(By::Loudness)
    };
    let turned = order(&table, &features, &turned, &Silent).unwrap();
    assert!(turned.order.iter().eq(loud.order.iter().rev()));
    assert!(turned.positions.windows(2).all(|w| w[0] <= w[1]));
}

#[test]
fn clusters_are_played_one_after_the_other() {
    // Four kinds of frame in turn.
    let values = (0..200).flat_map(|t| {
        let mut bands = [1.0_f32; 8];
        bands[(t % 4) * 2] = 1e4 + t as f32;
        bands
    });
    let table = FrameTable {
        mel: Matrix::new(8, values.collect()),
        energy: vec![1.0; 200],
        centroid_hz: vec![0.0; 200],
    };
    let features = Preprocess::default().apply(&table.mel);
    let grouped = Recipe {
        clusters: Some(4),
        ..recipe(By::Path)
    };
    let found = order(&table, &features, &grouped, &Silent).unwrap();
    let changes = found
        .order
        .windows(2)
        .filter(|w| w[0] % 4 != w[1] % 4)
        .count();
    assert_eq!(changes, 3);
}

#[test]
fn silence_and_single_frames_have_an_order() {
    for frames in [1, 2, 5] {
        let table = FrameTable {
            mel: Matrix::new(4, vec![0.0; 4 * frames]),
            energy: vec![0.0; frames],
            centroid_hz: vec![0.0; frames],
        };
        let features = Preprocess::default().apply(&table.mel);
        for by in [By::Pca, By::Tsne, By::Path, By::Loudness, By::Centroid] {
            let found = order(&table, &features, &recipe(by), &Silent).unwrap();
            let mut sorted = found.order.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, (0..frames).collect::<Vec<_>>(), "{by:?}");
            assert!(found.positions.iter().all(|p| p.is_finite()));
        }
    }
}

#[test]
fn principal_axes_are_orthogonal_and_sorted() {
    let table = wandering(300);
    let pca = Pca::fit(&table.mel);
    assert!(pca.variances().windows(2).all(|w| w[0] >= w[1]));
    let all: f64 = (0..10).map(|i| pca.explained(i)).sum();
    assert!((all - 1.0).abs() < 1e-12);
    let scores: Vec<Vec<f64>> = (0..10).map(|i| pca.scores(&table.mel, i)).collect();
    for i in 0..10 {
        for j in 0..i {
            let product: f64 = scores[i].iter().zip(&scores[j]).map(|(a, b)| a * b).sum();
            let size = (pca.variances()[i] * pca.variances()[j]).sqrt() * 299.0;
            assert!(product.abs() < 1e-9 * size.max(1.0), "{i} {j}");
        }
    }
}

// ---- playback and stretching -------------------------------------------------------------

#[test]
fn even_distances_in_time_order_are_the_recording() {
    let x = vec![noise(6000, 1), tone(6000, 40.0)];
    let stft = Stft::new(StftParams::new(512, 512, 128).unwrap());
    let frames = stft.params().frames(6000);
    let in_time = Ordering {
        order: (0..frames).collect(),
        positions: (0..frames).map(|t| t as f64).collect(),
        embedding: Vec::new(),
        kl_divergence: None,
        explained: None,
    };
    for crossfade in [false, true] {
        let played =
            playback::by_distance(&stft, &x, &in_time, crossfade, frames, &Silent).unwrap();
        for (played, x) in played.iter().zip(&x) {
            // Phases are continued by unit rotations, one per frame: 47 products.
            assert!(furthest(played, &x[..played.len()]) < 1e-6);
        }
    }
}

#[test]
fn a_held_frame_keeps_its_pitch_and_level() {
    let x = vec![tone(20_000, 50.0)];
    let stft = Stft::new(StftParams::new(2048, 2048, 512).unwrap());
    let one = Ordering {
        order: vec![20],
        positions: vec![0.0],
        embedding: Vec::new(),
        kl_divergence: None,
        explained: None,
    };
    let held = playback::by_distance(&stft, &x, &one, false, 80, &Silent).unwrap();
    let middle = &held[0][4000..36_000];
    assert!((rms(middle) / rms(&x[0]) - 1.0).abs() < 0.01);
    assert!((period(middle) - 50.0).abs() < 0.05, "{}", period(middle));
}

/// The mean distance between rising zero crossings.
fn period(samples: &[f32]) -> f64 {
    let crossings: Vec<usize> = (1..samples.len())
        .filter(|&i| samples[i - 1] < 0.0 && samples[i] >= 0.0)
        .collect();
    (crossings[crossings.len() - 1] - crossings[0]) as f64 / (crossings.len() - 1) as f64
}

#[test]
fn the_vocoder_changes_length_and_nothing_else() {
    let stft = Stft::new(StftParams::new(2048, 2048, 256).unwrap());
    let x = vec![noise(9000, 2), tone(9000, 60.0)];
    // A factor of 1 is the recording itself.
    let same = vocoder::stretch(&stft, &x, 1.0, &Silent).unwrap();
    for (same, x) in same.iter().zip(&x) {
        assert!(furthest(same, x) < 1e-6);
    }
    for factor in [0.5, 1.7, 3.0, -2.0_f64] {
        let y = vocoder::stretch(&stft, &x[1..], factor, &Silent).unwrap();
        assert_eq!(y[0].len(), (9000.0 * factor.abs()).round() as usize);
        let middle = &y[0][2000..y[0].len() - 2000];
        assert!(
            (period(middle) - 60.0).abs() < 0.2,
            "{factor}: {}",
            period(middle)
        );
        // A sine's windowed frames add up to itself; phases are off by rounding of the positions.
        assert!((rms(middle) / rms(&x[1]) - 1.0).abs() < 0.02, "{factor}");
    }
}

#[test]
fn the_vocoder_keeps_channels_together() {
    let stft = Stft::new(StftParams::new(1024, 1024, 256).unwrap());
    let left = noise(8000, 4);
    let right: Vec<f32> = left.iter().map(|x| -0.5 * x).collect();
    let y = vocoder::stretch(&stft, &[left, right], 1.6, &Silent).unwrap();
    let expected: Vec<f32> = y[0].iter().map(|x| -0.5 * x).collect();
    assert!(furthest(&y[1], &expected) < 1e-6);
}

#[test]
fn an_attack_stays_where_the_stretch_puts_it() {
    let mut x = vec![0.0; 20_000];
    x[8000..12_000].copy_from_slice(&tone(4000, 30.0));
    let stft = Stft::new(StftParams::new(1024, 1024, 128).unwrap());
    let y = vocoder::stretch(&stft, &[x], 2.0, &Silent).unwrap();
    // Smeared by at most the window, and no earlier than half of it.
    assert!(rms(&y[0][..16_000 - 1024]) < 1e-3);
    assert!(rms(&y[0][16_000 + 1024..24_000 - 1024]) > 0.3);
    assert!(rms(&y[0][24_000 + 1024..]) < 1e-3);
}

#[test]
fn factors_out_of_range_are_refused() {
    let stft = Stft::new(StftParams::new(64, 64, 16).unwrap());
    for factor in [0.0, 0.001, 101.0, f64::NAN, f64::INFINITY] {
        let error = vocoder::stretch(&stft, &[vec![0.0; 99]], factor, &Silent).unwrap_err();
        assert!(error.to_string().starts_with("stretch factor"), "{error}");
        assert!(compat::time_stretch(&[0.0; 9], factor).is_err());
    }
}

// ---- spectral effects --------------------------------------------------------------------

fn effect(stft: &Stft, x: &[f32], effect: Effect, compat: bool) -> Vec<f32> {
    let made = apply(stft, &[x.to_vec()], effect, compat, 42, &Silent).unwrap();
    made.into_iter().next().unwrap()
}

#[test]
fn effects_in_compat_form_are_the_notebooks() {
    let clip = clip();
    let stft = stft(2048);
    for (kind, name) in [
        (Effect::InvertFrequency, "spectra/variant_inverted"),
        (Effect::DropPhase, "spectra/variant_dropped_phase"),
        (Effect::RealOnly, "spectra/variant_real_only_imag1"),
        (Effect::ShuffleBins, "spectra/variant_shuffled"),
    ] {
        let expected = golden::array(&format!("{name}.npy")).values;
        let found = effect(&stft, &clip, kind, true);
        assert_eq!(found.len(), 44000);
        let peak = expected.iter().fold(0.0_f64, |m, x| m.max(x.abs()));
        for (x, expected) in found.iter().step_by(12).zip(&expected) {
            assert!((f64::from(*x) - expected).abs() < 1e-5 * peak, "{name}");
        }
        let stored = orders()[name.trim_start_matches("spectra/")]["rms"].clone();
        let stored = stored.as_f64().unwrap();
        assert!((rms(&found) / stored - 1.0).abs() < 1e-5, "{name}");
    }
}

#[test]
fn the_notebooks_shuffle_loses_the_same_rows() {
    let expected = golden::array("spectra/shuffle_source_row.npy").values;
    let found = python_shuffle_of_rows(42, 1025);
    assert!(found.iter().map(|&i| i as f64).eq(expected.iter().copied()));
    let mut kept = found;
    kept.sort_unstable();
    kept.dedup();
    let distinct = &orders()["shuffle_distinct_rows"];
    assert_eq!(Some(kept.len() as u64), distinct.as_u64());
}

#[test]
fn inverting_frequencies_is_ring_modulation_and_undoes_itself() {
    let x = noise(5000, 6);
    let stft = Stft::new(StftParams::new(512, 400, 100).unwrap());
    let inverted = effect(&stft, &x, Effect::InvertFrequency, false);
    // Mirroring all frequencies at a quarter of the sample rate is changing every second sign.
    let slow: Vec<f32> = x
        .iter()
        .enumerate()
        .map(|(i, x)| if i % 2 == 0 { *x } else { -x })
        .collect();
    assert!(furthest(&inverted, &slow) < 1e-6);
    let odd = Stft::new(StftParams::new(511, 400, 100).unwrap());
    let once = effect(&odd, &x, Effect::InvertFrequency, false);
    assert!((rms(&once) / rms(&x) - 1.0).abs() < 0.05);
}

#[test]
fn dropped_phases_are_audible_where_the_notebooks_are_not() {
    let x = tone(20_000, 45.0);
    // A window much shorter than the transform, as in the notebook.
    let stft = Stft::new(StftParams::new(4096, 1024, 256).unwrap());
    let notebook = effect(&stft, &x, Effect::DropPhase, true);
    // −48 dB was seen; what is heard of the effect is more than 30 dB louder.
    assert!(rms(&notebook[2048..16_000]) < 0.01 * rms(&x));
    let made = effect(&stft, &x, Effect::DropPhase, false);
    assert_eq!(made.len(), x.len());
    assert!(rms(&made[2048..16_000]) > 0.3 * rms(&x));
}

#[test]
fn reversed_frames_reversed_are_the_recording() {
    let stft = Stft::new(StftParams::new(256, 256, 64).unwrap());
    // Whole hops, so that both directions share their frames' places.
    let x = noise(64 * 50, 8);
    let once = effect(&stft, &x, Effect::ReverseTime, false);
    let twice = effect(&stft, &once, Effect::ReverseTime, false);
    assert!(furthest(&once, &x) > 0.1);
    // Frames of a sum of frames are not those frames: only a sound that varies slowly against
    // the window comes back. Check by energy per hop instead.
    let mut fading: Vec<f32> = tone(64 * 50, 16.0);
    for (i, x) in fading.iter_mut().enumerate() {
        *x *= i as f32 / 3200.0;
    }
    let turned = effect(&stft, &fading, Effect::ReverseTime, false);
    assert!(rms(&turned[200..800]) > 3.0 * rms(&turned[2400..3000]));
    assert_eq!(twice.len(), x.len());
}

#[test]
fn shuffled_bins_are_all_there_and_follow_the_seed() {
    let x = noise(4000, 10);
    let stft = Stft::new(StftParams::new(256, 256, 64).unwrap());
    let made = |seed| {
        apply(
            &stft,
            std::slice::from_ref(&x),
            Effect::ShuffleBins,
            false,
            seed,
            &Silent,
        )
        .unwrap()
    };
    assert!(made(1) == made(1));
    assert!(made(1) != made(2));
    // White noise stays white: nothing is lost, unlike the notebook's half.
    assert!(rms(&made(1)[0]) > 0.5 * rms(&x));
}

#[test]
fn real_parts_are_the_even_part_of_every_frame() {
    // With a window as long as the transform: each frame plus its mirror image, halved.
    let x = noise(1000, 11);
    let stft = Stft::new(StftParams::new(128, 128, 32).unwrap());
    let params = stft.params();
    let mut sound = stft.overlap_add().unwrap();
    let frames = (1000_usize + 64).div_ceil(32) + 1;
    for t in 0..frames {
        let mut frame = vec![0.0; 128];
        stft.windowed(&x, params.frame_start(t), &mut frame);
        let even: Vec<f64> = (0..128)
            .map(|i| (frame[i] + frame[(128 - i) % 128]) / 2.0)
            .collect();
        sound.add(&even);
    }
    let slow = sound.finish(1000);
    assert!(furthest(&effect(&stft, &x, Effect::RealOnly, false), &slow) < 1e-6);
}

// ---- collage in compat form --------------------------------------------------------------

fn assert_same(name: &str, found: &[f64]) {
    let expected = golden::array(&format!("{name}.npy")).values;
    assert_eq!(found.len(), expected.len(), "{name}");
    let differ = found.iter().zip(&expected).position(|(a, b)| a != b);
    assert!(
        differ.is_none(),
        "{name} differs at {differ:?}: {:?} {:?}",
        differ.map(|i| found[i]),
        differ.map(|i| expected[i])
    );
}

#[test]
fn compat_jumble_interleave_and_stretch_are_equal_to_the_notebooks() {
    // In 16-bit steps.
    let a = &golden::array("classical/clip_A.npy").values[20_000..22_000];
    let b = &golden::array("classical/clip_B.npy").values[20_000..21_800];
    let order7 = indices(&golden::json("classical/orders.json")["order7"]);
    let seven = compat::jumble_in_order(a, 7, &order7).unwrap();
    let fifty = compat::jumble(a, 50, 7).unwrap();
    assert_same("classical/jumble_7", &seven);
    assert_same("classical/jumble_7_final", &compat::finish(&seven));
    assert_same("classical/jumble_50_seed7", &fifty);
    for (segments, name) in [
        (20, "classical/interleave_20"),
        (100, "classical/interleave_100"),
    ] {
        assert_same(name, &compat::interleave(a, b, segments).unwrap());
    }
    for (factor, name) in [
        (2.5, "classical/stretch_2_5"),
        (0.42, "classical/stretch_0_42"),
        (-1.42, "classical/stretch_m1_42"),
    ] {
        assert_same(name, &compat::time_stretch(a, factor).unwrap());
    }
}

// ---- commands ----------------------------------------------------------------------------

fn setting(by: By) -> Setting {
    Setting {
        transform: StftParams::new(512, 512, 128).unwrap(),
        mels: 40,
        preprocess: Preprocess::default(),
        recipe: recipe(by),
        playback: Playback::Frames,
        seconds: None,
        each_channel: false,
    }
}

/// A second of stereo in a file: a rising tone and noise that fades.
fn recording(folder: &Path) -> PathBuf {
    let left: Vec<f32> = (0..8000)
        .map(|i| (f64::from(i) * f64::from(i) * 1e-4).sin() as f32 * 0.5)
        .collect();
    let fade = noise(8000, 12).into_iter().enumerate();
    let right = fade
        .map(|(i, x)| x * 0.5 * (1.0 - i as f32 / 8000.0))
        .collect();
    let path = folder.join("in.wav");
    let audio = Audio::new(SampleRate::new(8000).unwrap(), vec![left, right]).unwrap();
    encode::write(&path, &audio, SampleFormat::Int(16)).unwrap();
    path
}

#[test]
fn one_setting_makes_a_sound_and_a_picture() {
    let folder = tempfile::tempdir().unwrap();
    let input = recording(folder.path());
    let before = std::fs::read(&input).unwrap();
    let sound = folder.path().join("out.wav");
    for (ending, head) in [("png", &b"\x89PNG"[..]), ("svg", &b"<svg"[..])] {
        let picture = folder.path().join(format!("out.{ending}"));
        let output = Output::File {
            sound: sound.clone(),
            picture: Some(picture.clone()),
        };
        let request = Jobs {
            input: input.clone(),
            output,
            settings: vec![setting(By::Path)],
        };
        let outcome = reorder::make(&request, &Silent).unwrap();
        assert_eq!(outcome.rows.len(), 1);
        assert_eq!(outcome.rows[0].frames, 63);
        assert!(outcome.rows[0].mean_step > 0.0);
        assert!(std::fs::read(&picture).unwrap().starts_with(head));
    }
    let made = decode::read(&sound).unwrap();
    assert_eq!(
        (made.audio.channels().len(), made.audio.len()),
        (2, 128 * 62)
    );
    assert_eq!(made.format, SampleFormat::Int(16));
    assert!(
        before == std::fs::read(&input).unwrap(),
        "the input was changed"
    );
}

#[test]
fn many_settings_make_a_folder_to_compare() {
    let folder = tempfile::tempdir().unwrap();
    let input = recording(folder.path());
    let target = folder.path().join("compare");
    let held = Setting {
        playback: Playback::Crossfade,
        seconds: Some(0.5),
        ..setting(By::Pca)
    };
    let walk = Some(Walk {
        neighbours: 4,
        steps: None,
    });
    let wander = Setting {
        recipe: Recipe {
            walk,
            ..recipe(By::Pca)
        },
        seconds: Some(2.0),
        ..setting(By::Pca)
    };
    let apart = Setting {
        each_channel: true,
        ..setting(By::Loudness)
    };
    let request = Jobs {
        input: input.clone(),
        output: Output::Folder(target.clone()),
        settings: vec![setting(By::Path), setting(By::Tsne), held, wander, apart],
    };
    let outcome = reorder::make(&request, &Silent).unwrap();
    let page = std::fs::read_to_string(outcome.page.unwrap()).unwrap();
    assert_eq!(page.matches("<audio").count(), 5);
    for row in &outcome.rows {
        assert!(row.sound.file.starts_with(&target));
        let name = row.sound.file.file_name().unwrap().to_str().unwrap();
        assert!(page.contains(&format!("src=\"{name}\"")), "{name}");
        assert!(decode::read(&row.sound.file).is_ok() && row.picture.as_ref().unwrap().exists());
    }
    let seconds: Vec<f64> = outcome.rows.iter().map(|r| r.sound.seconds).collect();
    assert!((seconds[2] - 0.5).abs() < 0.02 && (seconds[3] - 2.0).abs() < 0.02);
    // Again into the same folder is fine; into one with other things in it is not.
    let again = Jobs {
        settings: vec![setting(By::Pca); 3],
        ..request.clone()
    };
    let rows = reorder::make(&again, &Silent).unwrap().rows;
    let names: Vec<&str> = rows.iter().map(|r| r.name.as_str()).collect();
    assert_eq!(names, ["pca", "pca-2", "pca-3"]);
    let other = Jobs {
        output: Output::Folder(folder.path().to_path_buf()),
        ..again
    };
    assert!(reorder::make(&other, &Silent).is_err());
    assert!(input.exists());
}

/// A stretch as the notebook's.
fn notebook_stretch(input: PathBuf, output: PathBuf) -> stretch::Request {
    stretch::Request {
        input,
        output,
        factor: 2.0,
        tape: false,
        linear: false,
        compat: true,
        hop: 64,
        win: 512,
        n_fft: None,
    }
}

#[test]
fn nothing_is_written_over_its_own_input() {
    let folder = tempfile::tempdir().unwrap();
    let input = recording(folder.path());
    let sneaky = folder.path().join(".").join("in.wav");
    let output = Output::File {
        sound: sneaky.clone(),
        picture: None,
    };
    let request = Jobs {
        input: input.clone(),
        output,
        settings: vec![setting(By::Pca)],
    };
    let error = reorder::make(&request, &Silent).unwrap_err().to_string();
    assert!(
        error.contains("in.wav") && error.contains("written over"),
        "{error}"
    );
    let request = notebook_stretch(input.clone(), sneaky);
    assert!(stretch::run(&request, &Silent).is_err());
}

#[test]
fn other_endings_than_wav_are_refused() {
    let request = notebook_stretch("no-such-file.wav".into(), "out.mp3".into());
    let error = stretch::run(&request, &Silent).unwrap_err().to_string();
    assert!(
        error.contains("out.mp3") && error.contains(".wav"),
        "{error}"
    );
}

#[test]
fn contradicting_settings_are_refused_before_anything_is_read() {
    let refused = |setting: Setting| {
        let request = Jobs {
            input: "no-such-file.wav".into(),
            output: Output::Folder("no-such-folder".into()),
            settings: vec![setting],
        };
        format!("{:#}", reorder::make(&request, &Silent).unwrap_err())
    };
    let apart = StftParams::new(512, 512, 512).unwrap();
    let base = setting(By::Pca);
    assert!(
        refused(Setting {
            transform: apart,
            ..base
        })
        .contains("overlap")
    );
    assert!(refused(Setting { mels: 1, ..base }).contains("mel bands"));
    assert!(
        refused(Setting {
            seconds: Some(5.0),
            ..base
        })
        .contains("length of their own")
    );
    assert!(refused(base).contains("no-such-file.wav"));
}

#[test]
fn the_other_verbs_make_sounds_of_the_right_shape() {
    let folder = tempfile::tempdir().unwrap();
    let input = recording(folder.path());
    let output = folder.path().join("out.wav");
    let shape = || {
        let audio = decode::read(&output).unwrap().audio;
        (audio.channels().len(), audio.len())
    };
    for compat in [false, true] {
        let request = spectrum::Request {
            input: input.clone(),
            output: output.clone(),
            plot: Some(folder.path().join("out.png")),
            effect: Effect::DropPhase,
            hop: 128,
            win: 512,
            n_fft: None,
            seed: 1,
            compat,
        };
        spectrum::run(&request, &Silent).unwrap();
        assert_eq!(shape(), if compat { (1, 7936) } else { (2, 8000) });
        let join = collage_command::Join {
            output: output.clone(),
            segments: 10,
            crossfade: 5.0,
            compat,
        };
        let jumble = collage_command::Source::Jumble {
            input: input.clone(),
            seed: 3,
            join: join.clone(),
        };
        let interleave = collage_command::Source::Interleave {
            first: input.clone(),
            second: input.clone(),
            join,
        };
        // The notebook's lengths: 9 segments of 800 and 8 slews of 3; 20 segments and 10 + 9
        // slews of 3; each with two slews of a twentieth and one more sample.
        for (source, natural, notebook) in [(jumble, 8000, 7948), (interleave, 16_000, 17_663)] {
            let request = collage_command::Request { source };
            collage_command::run(&request, &Silent).unwrap();
            assert_eq!(shape(), if compat { (1, notebook) } else { (2, natural) });
        }
    }
    for tape in [false, true] {
        let request = stretch::Request {
            factor: -1.5,
            tape,
            compat: false,
            ..notebook_stretch(input.clone(), output.clone())
        };
        stretch::run(&request, &Silent).unwrap();
        assert_eq!(shape(), (2, 12_000));
    }
}

#[test]
fn samples_that_are_no_numbers_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("bad.wav");
    let mut samples = noise(3000, 1);
    samples[1234] = f32::NAN;
    let audio = Audio::mono(rate(), samples);
    encode::write(&input, &audio, SampleFormat::Float(32)).unwrap();
    let request = Jobs {
        input,
        output: Output::Folder(folder.path().join("out")),
        settings: vec![setting(By::Pca)],
    };
    let error = format!("{:#}", reorder::make(&request, &Silent).unwrap_err());
    assert!(
        error.contains("bad.wav") && error.contains("1234"),
        "{error}"
    );
}
