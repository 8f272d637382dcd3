//! `effigy convolve` as a command: files in, files out, figures, refusals.

use effigy::audio::{Audio, SampleFormat, SampleRate, decode, encode};
use effigy::commands::convolve::{Direct, Request, convolve};
use effigy::progress::{Event, Observer, Silent};
use effigy::regress::estimator::{Estimator, Settings};
use effigy::regress::features::Features;
use effigy::regress::predictive::{Mode, predict};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// A struck bell with a little noise.
fn bell(len: usize, seed: u32) -> Vec<f32> {
    let mut state = seed;
    (0..len)
        .map(|t| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let noise = (f64::from(state) / f64::from(u32::MAX) - 0.5) * 0.02;
            let time = t as f64 / 8000.0;
            let tone = (time * 2800.0).sin() + 0.4 * (time * 6100.0).sin();
            ((tone * (-time * 3.0).exp() * 0.3 + noise) * 0.9) as f32
        })
        .collect()
}

fn write(path: &Path, hz: u32, channels: Vec<Vec<f32>>) -> PathBuf {
    let audio = Audio::new(SampleRate::new(hz).unwrap(), channels).unwrap();
    encode::write(path, &audio, SampleFormat::Float(32)).unwrap();
    path.to_path_buf()
}

/// A folder with two sounds of prime and even length.
struct Scene {
    dir: tempfile::TempDir,
    request: Request,
}

fn scene(estimator: Estimator, direct: Option<Direct>) -> Scene {
    let dir = tempfile::tempdir().unwrap();
    let a = write(&dir.path().join("a.wav"), 8000, vec![bell(2003, 1)]);
    let b = write(&dir.path().join("b.wav"), 8000, vec![bell(1500, 9)]);
    let request = Request {
        a,
        b,
        output: dir.path().join("out.wav"),
        estimator,
        both: false,
        mode: Mode::Spectrum,
        direct,
        rcond: None,
        alpha: None,
        seed: None,
        channel: 1,
        trim: None,
        normalise: None,
        noise_reduction: None,
    };
    Scene { dir, request }
}

fn samples(path: &Path) -> Vec<f32> {
    decode::read(path).unwrap().audio.into_channels().remove(0)
}

fn refusal(request: &Request) -> String {
    format!("{:#}", convolve(request, &Silent).unwrap_err())
}

#[test]
fn every_estimator_predicts_both_ways_reproducibly() {
    for estimator in Estimator::ALL {
        let Scene {
            dir: _dir,
            mut request,
        } = scene(estimator, None);
        request.both = true;
        let outcome = convolve(&request, &Silent).unwrap();
        let [forth, back] = outcome.results.as_slice() else {
            panic!("two directions were asked for");
        };
        assert!(back.output.ends_with("out-reverse.wav"));
        // ⌊n/20⌋ + 1 samples lead in and as many lead out.
        assert_eq!(
            (forth.samples, back.samples),
            (1500 + 2 * 76, 2003 + 2 * 101)
        );
        let wave = samples(&forth.output);
        assert_eq!((wave[0], wave[wave.len() - 1]), (0.0, 0.0));
        let peak = wave.iter().fold(0.0f32, |m, x| m.max(x.abs()));
        assert!((peak - 0.99).abs() < 1e-6, "{estimator}: {peak}");
        for target in &forth.targets {
            assert!(target.r2_fitted <= 1.0 && target.r2_predicted_by_zero <= 0.0);
        }
        let again = convolve(&request, &Silent).unwrap();
        assert_eq!(again.results[0].targets, forth.targets);
        assert_eq!(samples(&again.results[0].output), wave);
    }
}

#[test]
fn the_first_attempt_predicts_a_wave_of_bs_length() {
    let Scene {
        dir: _dir,
        mut request,
    } = scene(Estimator::BayesianRidge, None);
    request.mode = Mode::Waveform;
    let result = convolve(&request, &Silent).unwrap().results.remove(0);
    assert_eq!(
        (result.samples, result.targets.len(), result.features.len()),
        (1652, 1, 5)
    );
}

#[test]
fn convolving_with_an_impulse_delays_and_keeps_channels() {
    let Scene { dir, mut request } = scene(Estimator::Ols, Some(Direct::Convolution));
    let mut impulse = vec![0.0; 40];
    impulse[17] = 0.5;
    request.a = write(&dir.path().join("impulse.wav"), 8000, vec![impulse]);
    let stereo = vec![bell(900, 3), bell(900, 4)];
    request.b = write(&dir.path().join("stereo.wav"), 8000, stereo);
    let result = convolve(&request, &Silent).unwrap().results.remove(0);
    assert_eq!(result.samples, 900 + 39);
    let found = decode::read(&result.output).unwrap().audio;
    let dry = decode::read(&request.b).unwrap().audio;
    let channels = dry.channels();
    let peak = channels
        .iter()
        .flatten()
        .fold(0.0f32, |m, x| m.max(x.abs()));
    for (wet, dry) in found.channels().iter().zip(channels) {
        for (wet, dry) in wet[17..].iter().zip(dry) {
            assert!((wet - dry * 0.99 / peak).abs() < 1e-6);
        }
    }
}

#[test]
fn finishing_trims_normalises_and_reduces_noise() {
    let Scene {
        dir: _dir,
        mut request,
    } = scene(Estimator::Ols, Some(Direct::CrossSynthesis));
    let plain = convolve(&request, &Silent).unwrap().results.remove(0);
    request.noise_reduction = Some(12.0);
    request.trim = Some(-20.0);
    request.normalise = Some(20.0 * 0.5f64.log10());
    let finished = convolve(&request, &Silent).unwrap().results.remove(0);
    assert!(finished.samples < plain.samples);
    let wave = samples(&finished.output);
    let peak = wave.iter().fold(0.0f32, |m, x| m.max(x.abs()));
    assert!((peak - 0.5).abs() < 1e-6);
    assert!(wave[0].abs() >= 0.05 && wave[wave.len() - 1].abs() >= 0.05);

    request.trim = Some(3.0);
    assert!(refusal(&request).contains("trim = 3"));
}

/// What the help says of lengths.
#[test]
fn results_are_as_long_as_the_help_says() {
    let Scene { dir, mut request } = scene(Estimator::Ols, None);
    request.a = write(&dir.path().join("a.wav"), 8000, vec![bell(1500, 1)]);
    request.b = write(&dir.path().join("b.wav"), 8000, vec![bell(2000, 2)]);
    for (direct, len) in [
        (None, 2000 + 2 * (2000 / 20 + 1)),
        (Some(Direct::Convolution), 1500 + 2000 - 1),
        (Some(Direct::CrossSynthesis), 1500),
    ] {
        request.direct = direct;
        let outcome = convolve(&request, &Silent).unwrap();
        assert_eq!(outcome.results[0].samples, len, "{direct:?}");
    }
    request.output = dir.path().join("o.flac");
    assert!(refusal(&request).contains("written as WAV"));
}

#[test]
fn what_cannot_be_combined_is_refused_in_one_line() {
    let Scene { dir, mut request } = scene(Estimator::Ols, None);
    let good = request.a.clone();

    request.a = write(&dir.path().join("short.wav"), 8000, vec![bell(6, 1)]);
    let message = refusal(&request);
    assert!(
        message.contains("6 samples") && message.contains("at least 7"),
        "{message}"
    );
    assert!(message.contains("short.wav"), "{message}");
    request.estimator = Estimator::LassoLarsCv;
    assert!(
        refusal(&request).contains("at least 10"),
        "{}",
        refusal(&request)
    );

    request.a = write(&dir.path().join("silent.wav"), 8000, vec![vec![0.0; 500]]);
    assert!(refusal(&request).contains("silent.wav is silent"));
    request.a = dir.path().join("missing.wav");
    assert!(refusal(&request).contains("missing.wav"));
    request.a = good.clone();
    request.channel = 2;
    assert!(refusal(&request).contains("channel 2 was asked for"));
    request.channel = 1;
    request.output = good.clone();
    assert!(refusal(&request).contains("one of the inputs"));
    assert_eq!(samples(&good).len(), 2003);
    assert!(
        "olss"
            .parse::<Estimator>()
            .unwrap_err()
            .to_string()
            .contains("lasso-lars-cv")
    );
}

#[test]
fn different_rates_are_noted_and_the_result_has_bs() {
    struct Notes(Mutex<Vec<String>>);
    impl Observer for Notes {
        fn event(&self, event: Event<'_>) {
            if let Event::Note(text) = event {
                self.0.lock().unwrap().push(text.to_string());
            }
        }
    }
    let Scene { dir, mut request } = scene(Estimator::Ridge, None);
    request.b = write(&dir.path().join("b11.wav"), 11_025, vec![bell(1500, 2)]);
    let notes = Notes(Mutex::default());
    let result = convolve(&request, &notes).unwrap().results.remove(0);
    assert_eq!(result.sample_rate_hz, 11_025);
    let notes = notes.0.into_inner().unwrap();
    assert!(
        notes
            .iter()
            .any(|n| n.contains("8000 Hz") && n.contains("11025 Hz")),
        "{notes:?}"
    );
}

#[test]
fn odd_sounds_are_refused_or_give_finite_waves() {
    let sounds = [
        vec![0.5; 64],
        (0..64).map(|t| if t == 20 { 1.0 } else { 0.0 }).collect(),
        (0..64)
            .map(|t| if t % 2 == 0 { 0.25 } else { -0.25 })
            .collect(),
        bell(10, 5),
        bell(11, 5),
        bell(2, 5),
        vec![1e-6; 13],
        bell(97, 5).iter().map(|x| x * 1e6).collect(),
    ];
    let usual = Features::new("usual", &bell(150, 9)).unwrap();
    for (k, sound) in sounds.into_iter().enumerate() {
        let odd = Features::new("odd", &sound).unwrap();
        for estimator in Estimator::ALL {
            for mode in [Mode::Spectrum, Mode::Waveform] {
                for (a, b) in [(&odd, &usual), (&usual, &odd)] {
                    let settings = Settings::default();
                    match predict(a, b, mode, estimator, &settings, &Silent) {
                        Err(error) => assert!(!error.to_string().contains('\n')),
                        Ok(found) => {
                            assert_eq!(found.wave.len(), b.len());
                            let finite = found.wave.iter().all(|x| x.is_finite());
                            assert!(finite, "sound {k} {estimator} {mode:?}");
                        }
                    }
                }
            }
        }
    }
}
