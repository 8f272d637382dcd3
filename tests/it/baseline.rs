//! Baselines for effects: exact least squares on finite spans, prediction, files, and the
//! figures they must reach on real recordings.

use crate::support::shared;
use effigy::progress::{Event, Observer, Silent};
use effigy::regress::RegressError;
use effigy::regress::baseline::{Baseline, BaselineConfig, Player, SavedBaseline, Segment};
use std::path::PathBuf;

/// Reproducible noise in ±1.
fn noise(seed: u64, len: usize) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    (0..len)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
        })
        .collect()
}

fn fir(taps: usize) -> BaselineConfig {
    BaselineConfig::Fir { taps, ridge: 0.0 }
}

/// `Σ_k h[k]·x[t−k]` with `context` before `x` and silence before that.
fn convolve_slowly(h: &[f64], x: &[f32], context: &[f32]) -> Vec<f64> {
    let all: Vec<f64> = context.iter().chain(x).map(|&v| f64::from(v)).collect();
    (context.len()..all.len())
        .map(|t| (0..h.len().min(t + 1)).map(|k| h[k] * all[t - k]).sum())
        .collect()
}

/// Least squares through the design matrix itself, its columns made orthogonal one after the
/// other: no Gram matrix, no transform, no shift structure.
fn fit_slowly(taps: usize, segments: &[Segment<'_>]) -> Vec<f64> {
    // Column by column, the target last.
    let mut columns = vec![Vec::new(); taps + 1];
    for segment in segments {
        let all: Vec<f64> = segment
            .context
            .iter()
            .chain(segment.dry)
            .map(|&v| f64::from(v))
            .collect();
        for (t, &wet) in segment.wet.iter().enumerate() {
            let at = segment.context.len() + t;
            for k in 0..taps {
                columns[k].push(at.checked_sub(k).map_or(0.0, |i| all[i]));
            }
            columns[taps].push(f64::from(wet));
        }
    }
    let dot = |a: &[f64], b: &[f64]| -> f64 { a.iter().zip(b).map(|(a, b)| a * b).sum() };
    let mut triangle = vec![vec![0.0; taps + 1]; taps];
    for k in 0..taps {
        let (done, rest) = columns.split_at_mut(k + 1);
        let axis = &done[k];
        for (column, other) in rest.iter_mut().enumerate() {
            // Twice, so that what the first pass leaves by rounding goes too.
            for _ in 0..2 {
                let share = dot(axis, other) / dot(axis, axis);
                triangle[k][k + 1 + column] += share;
                other
                    .iter_mut()
                    .zip(axis)
                    .for_each(|(o, a)| *o -= share * a);
            }
        }
    }
    let mut solution = vec![0.0; taps];
    for k in (0..taps).rev() {
        let later = dot(&triangle[k][k + 1..taps], &solution[k + 1..]);
        solution[k] = triangle[k][taps] - later;
    }
    solution
}

#[test]
fn fir_is_the_exact_least_squares_answer_on_short_spans_with_and_without_context() {
    // Spans shorter than the filter, context shorter, equal, longer than it needs: every edge.
    let lengths = [(5, 0), (40, 3), (17, 11), (90, 30), (1, 2)];
    let dry: Vec<_> = (0..5)
        .map(|s| noise(s + 1, lengths[s as usize].0))
        .collect();
    let wet: Vec<_> = (0..5)
        .map(|s| noise(s + 21, lengths[s as usize].0))
        .collect();
    let context: Vec<_> = (0..5)
        .map(|s| noise(s + 41, lengths[s as usize].1))
        .collect();
    let segments: Vec<_> = (0..5)
        .map(|s| Segment {
            dry: &dry[s],
            wet: &wet[s],
            context: &context[s],
        })
        .collect();
    let Baseline::Fir { taps, ridge } = Baseline::fit(&fir(12), &segments, &Silent).unwrap() else {
        panic!("asked for an FIR");
    };
    assert_eq!(ridge, 0.0);
    let want = fit_slowly(12, &segments);
    let worst = taps
        .iter()
        .zip(&want)
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, f64::max);
    // Noise: condition below 100, so both are good to ~1e-13; one forgotten edge product
    // among 153 equations would move coefficients by ~1e-2.
    assert!(worst < 1e-11, "{worst:e}");
}

#[test]
fn known_systems_are_recovered() {
    let dry = noise(7, 6000);
    let h = [0.5, 0.0, -0.25, 0.125];
    let filtered = convolve_slowly(&h, &dry, &[]);
    let shaped: Vec<f64> = dry.iter().map(|&x| (3.0 * f64::from(x)).tanh()).collect();
    let system =
        |t: usize| filtered[t] + 0.4 * shaped[t] - if t > 1 { 0.2 * shaped[t - 2] } else { 0.0 };
    let wet: Vec<f32> = (0..dry.len()).map(|t| system(t) as f32).collect();
    let config = BaselineConfig::FirTanh {
        taps: 4,
        gains: vec![3.0],
        ridge: 0.0,
    };
    let fitted = Baseline::fit(
        &config,
        &[Segment {
            dry: &dry,
            wet: &wet,
            context: &[],
        }],
        &Silent,
    )
    .unwrap();
    let Baseline::FirTanh { banks, .. } = &fitted else {
        panic!("asked for tanh banks")
    };
    let want = [h.to_vec(), vec![0.4, 0.0, -0.2, 0.0]];
    for (bank, want) in banks.iter().flatten().zip(want.iter().flatten()) {
        // Wet is rounded to f32 (6e-8); x and tanh 3x are 0.9 correlated.
        assert!((bank - want).abs() < 1e-6, "{banks:?}");
    }

    let product = |t: usize, d: usize, e: usize| -> f64 {
        [t.checked_sub(d), t.checked_sub(e)]
            .map(|i| i.map_or(0.0, |i| f64::from(dry[i])))
            .iter()
            .product()
    };
    let wet: Vec<f32> = (0..dry.len())
        .map(|t| (0.9 * f64::from(dry[t]) + 0.3 * product(t, 0, 1) - 0.2 * product(t, 2, 2)) as f32)
        .collect();
    let config = BaselineConfig::Volterra {
        order: 2,
        memory: 2,
        taps: 3,
        ridge: 0.0,
    };
    let fitted = Baseline::fit(
        &config,
        &[Segment {
            dry: &dry,
            wet: &wet,
            context: &[],
        }],
        &Silent,
    )
    .unwrap();
    let Baseline::Volterra { banks, .. } = &fitted else {
        panic!("asked for Volterra")
    };
    let want = [[0.9, 0.0, 0.0], [0.0, 0.0, -0.2], [0.3, 0.0, 0.0]];
    for (bank, want) in banks.iter().flatten().zip(want.iter().flatten()) {
        assert!((bank - want).abs() < 1e-6, "{banks:?}");
    }
    let predicted = fitted.predict(&dry, &[]);
    assert!(
        predicted
            .iter()
            .zip(&wet)
            .all(|(p, w)| (p - w).abs() < 1e-5)
    );
    assert_eq!(fitted.receptive_field(), 4);
}

#[test]
fn prediction_is_convolution_and_context_makes_pieces_seamless() {
    let dry = noise(3, 5000);
    let taps: Vec<f64> = noise(4, 700).iter().map(|&h| f64::from(h) / 20.0).collect();
    let want = convolve_slowly(&taps, &dry, &[]);
    let fir = Baseline::Fir { taps, ridge: 0.0 };
    let whole = fir.predict(&dry, &[]);
    let worst = whole
        .iter()
        .zip(&want)
        .map(|(p, w)| (f64::from(*p) - w).abs())
        .fold(0.0, f64::max);
    // Results near 1 rounded to f32: half an ulp is 6e-8.
    assert!(worst < 2e-7, "{worst:e}");

    let models = [
        fir,
        Baseline::Volterra {
            order: 2,
            memory: 3,
            banks: vec![
                vec![0.5, 0.1],
                vec![0.2, 0.3],
                vec![-0.1, 0.0],
                vec![0.0, 0.7],
            ],
            ridge: 0.0,
        },
    ];
    for model in models {
        let whole = model.predict(&dry, &[]);
        for cut in [1usize, 699, 700, 4999] {
            let context = &dry[cut.saturating_sub(model.receptive_field() - 1)..cut];
            let rest = model.predict(&dry[cut..], context);
            let worst = rest
                .iter()
                .zip(&whole[cut..])
                .map(|(a, b)| (a - b).abs())
                .fold(0.0, f32::max);
            // Other transform boundaries: one rounding to f32 may fall the other way.
            assert!(worst < 2e-7, "{model} cut at {cut}: {worst:e}");
        }
        assert!(model.predict(&[], &[]).is_empty());
    }
}

#[test]
fn playing_block_by_block_is_predicting_the_whole_bit_for_bit() {
    let dry = noise(5, 20_000);
    let models = [
        Baseline::Gain { gain: 0.3 },
        Baseline::FirTanh {
            gains: vec![2.0],
            banks: vec![vec![0.5, 0.1, -0.2], vec![0.0, 0.3, 0.1]],
            ridge: 0.0,
        },
        Baseline::Volterra {
            order: 2,
            memory: 3,
            banks: vec![vec![0.5], vec![0.2], vec![-0.1], vec![0.7]],
            ridge: 0.0,
        },
        Baseline::Fir {
            taps: noise(6, 3000).iter().map(|&h| f64::from(h)).collect(),
            ridge: 0.0,
        },
    ];
    for model in models {
        let whole = model.predict(&dry, &[]);
        for block in [1, 77, 4094, 20_000] {
            let mut player = Player::new(&model);
            let mut out = Vec::new();
            for piece in dry.chunks(block) {
                player.push(piece, &mut out);
                assert!(out.len() <= dry.len());
            }
            player.finish(&mut out);
            assert_eq!(out, whole, "{model} in blocks of {block}");
        }
    }
    let gain = Baseline::Gain { gain: 0.3 };
    assert_eq!(gain.predict(&[0.0, 0.5], &[]), [0.0, 0.15]);
}

#[test]
fn a_pure_sine_gets_a_penalty_and_still_predicts() {
    let dry: Vec<f32> = (0..4000).map(|t| (t as f32 * 0.05).sin()).collect();
    let wet: Vec<f32> = (0..4000)
        .map(|t| 0.5 * ((t as f32 - 3.0) * 0.05).sin())
        .collect();
    let fitted = Baseline::fit(
        &fir(64),
        &[Segment {
            dry: &dry,
            wet: &wet,
            context: &[],
        }],
        &Silent,
    )
    .unwrap();
    let predicted = fitted.predict(&dry, &[]);
    let worst = predicted[64..]
        .iter()
        .zip(&wet[64..])
        .map(|(p, w)| (p - w).abs())
        .fold(0.0, f32::max);
    assert!(worst < 1e-3, "{worst:e}");
}

#[test]
fn what_cannot_be_fitted_is_refused_by_name() {
    let fit = |config: &BaselineConfig, dry: &[f32], wet: &[f32]| {
        Baseline::fit(
            config,
            &[Segment {
                dry,
                wet,
                context: &[],
            }],
            &Silent,
        )
        .unwrap_err()
    };
    let x = noise(1, 100);
    assert!(matches!(
        fit(&fir(0), &x, &x),
        RegressError::Parameter { name: "taps", .. }
    ));
    assert!(matches!(
        fit(&fir(20_000), &x, &x),
        RegressError::Parameter { name: "taps", .. }
    ));
    assert!(matches!(
        fit(&fir(101), &x, &x),
        RegressError::TooFewSamples {
            samples: 100,
            needed: 101,
            ..
        }
    ));
    assert!(matches!(
        fit(&fir(3), &x, &x[1..]),
        RegressError::UnequalLengths { .. }
    ));
    assert!(matches!(
        fit(&fir(3), &[0.0; 100], &x),
        RegressError::Silent { .. }
    ));
    let mut bad = x.clone();
    bad[41] = f32::NAN;
    assert!(matches!(
        fit(&fir(3), &x, &bad),
        RegressError::NotFinite { index: 41, .. }
    ));
    let huge = BaselineConfig::Volterra {
        order: 5,
        memory: 16_000,
        taps: 1,
        ridge: 0.0,
    };
    assert!(fit(&huge, &x, &x).to_string().contains("smaller memory"));
    assert!(serde_json::from_str::<BaselineConfig>(r#"{"kind":"fir","taps":3,"tabs":4}"#).is_err());
    let none = Baseline::fit(&fir(3), &[], &Silent);
    assert!(none.is_err());

    struct Impatient;
    impl Observer for Impatient {
        fn event(&self, _: Event<'_>) {}
        fn stop_requested(&self) -> bool {
            true
        }
    }
    let stopped = Baseline::fit(
        &fir(3),
        &[Segment {
            dry: &x,
            wet: &x,
            context: &[],
        }],
        &Impatient,
    );
    assert!(matches!(stopped, Err(RegressError::Interrupted { .. })));
}

#[test]
fn names_are_read_as_they_are_written() {
    for config in BaselineConfig::usual() {
        let name = config.to_string();
        let read: BaselineConfig = name.parse().unwrap();
        assert_eq!((read.to_string(), read), (name, config));
    }
    for wrong in [
        "",
        "fir",
        "fir-x",
        "fir-0",
        "fir-8-tanh-3",
        "volterra-9-2x4",
        "wiener-3",
    ] {
        assert!(wrong.parse::<BaselineConfig>().is_err(), "{wrong}");
    }
}

#[test]
fn a_saved_baseline_comes_back_bit_by_bit_and_others_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("b.json");
    let taps = noise(9, 33).iter().map(|&h| f64::from(h) / 3.0).collect();
    let saved = SavedBaseline {
        sample_rate_hz: 44_100,
        baseline: Baseline::Fir { taps, ridge: 1e-13 },
    };
    saved.save(&path).unwrap();
    assert_eq!(SavedBaseline::load(&path).unwrap(), saved);
    assert_eq!(saved.baseline.to_string(), "fir-33");

    for (from, to) in [
        ("effigy-baseline", "other"),
        ("\"version\":1", "\"version\":9"),
        ("44100", "0"),
    ] {
        let text = std::fs::read_to_string(&path).unwrap().replace(from, to);
        let other = dir.path().join("other.json");
        std::fs::write(&other, text).unwrap();
        assert!(
            matches!(
                SavedBaseline::load(&other),
                Err(RegressError::Format { .. })
            ),
            "{from}"
        );
    }
    let ragged = r#"{"format":"effigy-baseline","version":1,"sample_rate_hz":1,"baseline":
        {"kind":"fir-tanh","gains":[1.0],"banks":[[1.0],[1.0,2.0]],"ridge":0.0}}"#;
    std::fs::write(&path, ragged).unwrap();
    assert!(matches!(
        SavedBaseline::load(&path),
        Err(RegressError::Format { .. })
    ));
}

fn tracks(path: PathBuf) -> Vec<Vec<f32>> {
    let mut reader = hound::WavReader::open(path).unwrap();
    let channels = usize::from(reader.spec().channels);
    let samples: Vec<f32> = reader
        .samples::<i16>()
        .map(|s| f32::from(s.unwrap()) / 32768.0)
        .collect();
    (0..channels)
        .map(|c| samples.iter().skip(c).step_by(channels).copied().collect())
        .collect()
}

fn squares(samples: impl Iterator<Item = f64>) -> f64 {
    samples.map(|x| x * x).sum()
}

#[test]
fn fir_128_solves_the_low_pass_set_to_the_16_bit_floor() {
    let Some(data) = shared("data") else { return };
    let pairs = |name: &str| {
        let of = |role: &str| tracks(data.join(format!("lowpass/{name}-{role}.wav")));
        of("dry").into_iter().zip(of("wet")).collect::<Vec<_>>()
    };
    let train = [pairs("sin"), pairs("square")].concat();
    let segments: Vec<_> = train
        .iter()
        .map(|(dry, wet)| Segment {
            dry,
            wet,
            context: &[],
        })
        .collect();
    let fitted = Baseline::fit(&fir(128), &segments, &Silent).unwrap();
    let (mut error, mut count) = (0.0, 0);
    for (dry, wet) in pairs("beethoven") {
        let predicted = fitted.predict(&dry, &[]);
        error += squares(predicted.iter().zip(&wet).map(|(p, w)| f64::from(p - w)));
        count += wet.len();
    }
    let rmse = (error / count as f64).sqrt();
    // 16-bit rounding alone is 2⁻¹⁵/√12 = 8.8e-6; identity scores 7.7e-3.
    assert!(rmse < 2e-5, "{rmse:e}");
}

#[test]
fn two_tanh_banks_model_the_diode_clipper() {
    let Some(data) = shared("data") else { return };
    let dry = tracks(data.join("diode-clipper/dry.wav")).remove(0);
    let wet = tracks(data.join("diode-clipper/wet.wav")).remove(0);
    // Wet lags by 3 samples.
    let (dry, wet) = (&dry[..dry.len() - 3], &wet[3..]);
    let (train, test) = (dry.len() * 80 / 100, dry.len() * 85 / 100);
    let config = BaselineConfig::FirTanh {
        taps: 36,
        gains: vec![],
        ridge: 0.0,
    };
    let span = Segment {
        dry: &dry[..train],
        wet: &wet[..train],
        context: &[],
    };
    let fitted = Baseline::fit(&config, &[span], &Silent).unwrap();
    let predicted = fitted.predict(&dry[test..], &dry[test - 35..test]);
    let error = squares(
        predicted
            .iter()
            .zip(&wet[test..])
            .map(|(p, w)| f64::from(p - w)),
    );
    let esr = error / squares(wet[test..].iter().map(|&w| f64::from(w)));
    // A linear FIR of this length leaves 0.186.
    assert!(esr <= 0.0100, "{esr}");
}
