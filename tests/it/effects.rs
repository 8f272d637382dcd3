//! Reference effects do what their formulas say: closed forms for the linear ones, curves
//! and steady states for the others, and for all what every causal effect must hold.

use std::f64::consts::{PI, TAU};
use std::ops::{Add, Div, Mul, Sub};

use effigy::audio::SampleRate;
use effigy::effects::{
    Chain, Chorus, Compressor, Delay, Echo, Effect, Fuzz, Gain, InvertPolarity, LowPass, Overdrive,
    Phaser, Reverb, Room, Telephone,
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

const HZ: f64 = 44_100.0;

fn rate() -> SampleRate {
    SampleRate::new(44_100).unwrap()
}

fn wet(effect: &Effect, dry: &[f32]) -> Vec<f32> {
    effect.process(dry, rate()).unwrap()
}

fn noise(len: usize, level: f32, seed: u64) -> Vec<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    (0..len).map(|_| rng.random_range(-level..level)).collect()
}

fn low_pass(poles: u8) -> Effect {
    Effect::LowPass(LowPass {
        cutoff_hz: 2000.0,
        poles,
    })
}

fn overdrive() -> Overdrive {
    Overdrive {
        gain: 0.6,
        tone: 0.5,
        level: 0.8,
    }
}

fn fuzz() -> Fuzz {
    Fuzz {
        gain: 0.3,
        bias: 0.4,
        level: 0.7,
    }
}

fn compressor() -> Compressor {
    Compressor {
        threshold_db: -30.0,
        ratio: 4.0,
        attack_ms: 5.0,
        release_ms: 50.0,
        makeup_db: 6.0,
    }
}

fn echo() -> Echo {
    Echo {
        delay_ms: 10.0,
        feedback: 0.6,
        mix: 0.4,
    }
}

fn reverb() -> Reverb {
    Reverb {
        decay_seconds: 0.2,
        mix: 0.3,
    }
}

fn room() -> Room {
    Room {
        decay_seconds: 0.1,
        mix: 0.4,
        cutoff_hz: 2000.0,
        seed: 1,
    }
}

fn chorus(rate_hz: f64, depth_ms: f64) -> Chorus {
    Chorus {
        rate_hz,
        depth_ms,
        delay_ms: 10.0,
        mix: 0.5,
        feedback: 0.0,
        phase: 0.0,
    }
}

fn phaser(rate_hz: f64) -> Phaser {
    Phaser {
        rate_hz,
        low_hz: 300.0,
        high_hz: 3000.0,
        stages: 4,
        mix: 0.5,
        phase: 0.0,
    }
}

fn telephone() -> Effect {
    Effect::Telephone(Telephone { drive_db: 12.0 })
}

/// One of each, and a chain.
fn all() -> Vec<Effect> {
    vec![
        low_pass(1),
        low_pass(2),
        Effect::Overdrive(overdrive()),
        Effect::Fuzz(fuzz()),
        Effect::Compressor(compressor()),
        telephone(),
        Effect::Echo(echo()),
        Effect::Reverb(reverb()),
        Effect::Room(room()),
        Effect::Chorus(chorus(1.5, 3.0)),
        Effect::Phaser(phaser(1.5)),
        Effect::Gain(Gain { gain_db: -3.0 }),
        Effect::InvertPolarity(InvertPolarity {}),
        Effect::Delay(Delay { samples: 12 }),
        Effect::Chain(Chain {
            effects: vec![
                Effect::Overdrive(overdrive()),
                Effect::Delay(Delay { samples: 30 }),
                low_pass(2),
            ],
        }),
    ]
}

// ---------------------------------------------------------------- what all must hold

#[test]
fn changing_a_sample_leaves_all_earlier_output_as_it_was() {
    // Soft enough for the fuzz not to be clipping all the time, or changes would not show.
    let dry = noise(3000, 0.01, 1);
    for effect in all() {
        let before = wet(&effect, &dry);
        for changed in [0, 1, 700, 2999] {
            let mut other = dry.clone();
            other[changed] += if other[changed] > 0.0 { -0.004 } else { 0.004 };
            let after = wet(&effect, &other);
            assert_eq!(after.len(), dry.len());
            assert_eq!(
                before[..changed],
                after[..changed],
                "{effect:?} at {changed}"
            );
            let latency = effect.latency_samples();
            if changed + latency < dry.len() {
                assert_ne!(
                    before[changed..=changed + latency],
                    after[changed..=changed + latency],
                    "{effect:?} at {changed} ignores its input or lags more than it says"
                );
            }
        }
    }
}

#[test]
fn a_beginning_processed_alone_is_the_beginning_of_the_whole_and_repeats_bit_by_bit() {
    let dry = noise(2000, 0.9, 2);
    for effect in all() {
        let whole = wet(&effect, &dry);
        assert_eq!(whole, wet(&effect, &dry), "{effect:?}");
        assert_eq!(whole[..777], wet(&effect, &dry[..777]), "{effect:?}");
        assert!(wet(&effect, &[]).is_empty(), "{effect:?}");
    }
}

#[test]
fn nothing_explodes() {
    let len = 44_100;
    let loud: Vec<f32> = (0..len)
        .map(|n| if n / 50 % 2 == 0 { 1.0 } else { -1.0 })
        .collect();
    let inputs = [
        ("silence", vec![0.0; len]),
        ("full scale", vec![1.0; len]),
        ("a square at full scale", loud),
        ("noise at full scale", noise(len, 1.0, 3)),
        ("subnormal numbers", vec![f32::MIN_POSITIVE / 8.0; len]),
        ("an impulse", {
            let mut impulse = vec![0.0; len];
            impulse[0] = 1.0;
            impulse
        }),
    ];
    for effect in all() {
        for (what, dry) in &inputs {
            let wet = wet(&effect, dry);
            let largest = wet.iter().fold(0f32, |m, x| m.max(x.abs()));
            // The loudest here: a compressor's make-up of 2 before its attack, and a comb
            // filter's resonance, 1 / (1 − feedback) at most 2.5.
            assert!(wet.iter().all(|x| x.is_finite()), "{effect:?} on {what}");
            assert!(largest < 4.0, "{effect:?} on {what}: {largest}");
            if *what == "silence" {
                assert_eq!(largest, 0.0, "{effect:?}");
            }
        }
    }
}

/// Linear effects pass the sum; the others must fail it, or the claim means nothing.
#[test]
fn linear_means_that_the_wet_of_a_sum_is_the_sum_of_the_wets() {
    let (a, b) = (noise(4000, 0.5, 4), noise(4000, 0.5, 5));
    let sum: Vec<f32> = a.iter().zip(&b).map(|(a, b)| a + b).collect();
    for effect in all() {
        let (a, b, both) = (wet(&effect, &a), wet(&effect, &b), wet(&effect, &sum));
        let worst = (0..sum.len())
            .map(|n| (both[n] - a[n] - b[n]).abs())
            .fold(0.0, f32::max);
        // Roundings of the sum, of three wets up to 2.5 and of their difference.
        match effect.is_linear() {
            true => assert!(worst < 1e-6, "{effect:?}: {worst}"),
            false => assert!(worst > 1e-2, "{effect:?}: {worst}"),
        }
    }
}

/// A later dry gives the same wet later, except for effects with a clock of their own.
#[test]
fn time_varying_means_that_the_moment_of_the_start_matters() {
    let dry = noise(4000, 0.5, 6);
    let mut later = vec![0.0; 2500];
    later.extend_from_slice(&dry);
    for effect in all() {
        let (wet_now, wet_later) = (wet(&effect, &dry), wet(&effect, &later));
        let worst = wet_now
            .iter()
            .zip(&wet_later[2500..])
            .map(|(a, b)| (a - b).abs())
            .fold(0.0, f32::max);
        match effect.is_time_varying() {
            true => assert!(worst > 1e-2, "{effect:?}: {worst}"),
            false => assert_eq!(worst, 0.0, "{effect:?}"),
        }
    }
}

// ---------------------------------------------------------------- closed forms

#[derive(Clone, Copy, Debug)]
struct Complex(f64, f64);

impl Complex {
    fn turn(angle: f64) -> Self {
        Self(angle.cos(), angle.sin())
    }
    fn abs(self) -> f64 {
        self.0.hypot(self.1)
    }
}

impl From<f64> for Complex {
    fn from(re: f64) -> Self {
        Self(re, 0.0)
    }
}

impl Add for Complex {
    type Output = Self;
    fn add(self, o: Self) -> Self {
        Self(self.0 + o.0, self.1 + o.1)
    }
}

impl Sub for Complex {
    type Output = Self;
    fn sub(self, o: Self) -> Self {
        Self(self.0 - o.0, self.1 - o.1)
    }
}

impl Mul for Complex {
    type Output = Self;
    fn mul(self, o: Self) -> Self {
        Self(self.0 * o.0 - self.1 * o.1, self.0 * o.1 + self.1 * o.0)
    }
}

impl Div for Complex {
    type Output = Self;
    fn div(self, o: Self) -> Self {
        let norm = o.0 * o.0 + o.1 * o.1;
        self * Self(o.0 / norm, -o.1 / norm)
    }
}

/// `z^−delay` on the unit circle.
fn z(hz: f64, delay: f64) -> Complex {
    Complex::turn(-TAU * hz / HZ * delay)
}

/// The Fourier transform of the impulse response, and the size its rounding errors may have:
/// half an ulp of every sample.
fn response(effect: &Effect, hz: f64) -> (Complex, f64) {
    let mut impulse = vec![0.0; 1 << 15];
    impulse[0] = 1.0;
    let mut sum = Complex(0.0, 0.0);
    let mut size = 0.0;
    for (n, x) in wet(effect, &impulse).iter().enumerate() {
        sum = sum + z(hz, n as f64) * f64::from(*x).into();
        size += f64::from(x.abs());
    }
    (sum, size * 2f64.powi(-24) + 1e-9)
}

#[track_caller]
fn assert_response(effect: &Effect, formula: impl Fn(f64) -> Complex) {
    for hz in [0.0, 50.0, 333.0, 1000.0, 2000.0, 5000.0, 12_000.0, 21_000.0] {
        let (measured, rounding) = response(effect, hz);
        let error = (measured - formula(hz)).abs();
        assert!(
            error < rounding,
            "{effect:?} at {hz} Hz: {error:e} > {rounding:e}"
        );
    }
}

/// `1 − mix + mix · wet`.
fn mixed(mix: f64, wet: Complex) -> Complex {
    Complex::from(1.0 - mix) + wet * mix.into()
}

/// The bilinear transform's `s`, in units of the cut-off.
fn analog(hz: f64, cutoff_hz: f64) -> Complex {
    Complex(0.0, (PI * hz / HZ).tan() / (PI * cutoff_hz / HZ).tan())
}

fn butterworth(s: Complex) -> Complex {
    Complex::from(1.0) + s * 2f64.sqrt().into() + s * s
}

#[test]
fn a_low_pass_is_its_butterworth_prototype() {
    let one = Complex::from(1.0);
    assert_response(&low_pass(1), |hz| one / (one + analog(hz, 2000.0)));
    assert_response(&low_pass(2), |hz| one / butterworth(analog(hz, 2000.0)));
    for poles in [1, 2] {
        let at_cutoff = response(&low_pass(poles), 2000.0).0.abs();
        assert!((at_cutoff - 0.5f64.sqrt()).abs() < 1e-6);
    }
}

#[test]
fn an_echo_is_its_geometric_series() {
    assert_response(&Effect::Echo(echo()), |hz| {
        let delayed = z(hz, 441.0);
        mixed(0.4, delayed / (Complex::from(1.0) - delayed * 0.6.into()))
    });
}

#[test]
fn a_reverb_is_schroeders_combs_and_all_passes_and_fades_as_asked() {
    let one = Complex::from(1.0);
    // 14.3, 16.9, 19.1, 21.3, 5.0 and 1.7 ms in whole samples.
    assert_response(&Effect::Reverb(reverb()), |hz| {
        let mut room = Complex(0.0, 0.0);
        for len in [631.0, 745.0, 842.0, 939.0] {
            let gain = 10f64.powf(-3.0 * len / (HZ * 0.2));
            let delayed = z(hz, len);
            room = room + delayed / (one - delayed * gain.into()) * 0.25.into();
        }
        for len in [221.0, 75.0] {
            let (delayed, gain) = (z(hz, len), Complex::from(0.7));
            room = room * (delayed - gain) / (one - delayed * gain);
        }
        mixed(0.3, room)
    });
}

#[test]
fn a_standing_chorus_is_one_delay_and_a_standing_phaser_one_chain_of_all_passes() {
    assert_response(&Effect::Chorus(chorus(0.0, 0.0)), |hz| {
        mixed(0.5, z(hz, 441.0))
    });
    assert_response(&Effect::Phaser(phaser(0.0)), |hz| {
        let k = (PI * (300f64 * 3000.0).sqrt() / HZ).tan();
        let c = Complex::from((k - 1.0) / (k + 1.0));
        let stage = (c + z(hz, 1.0)) / (Complex::from(1.0) + c * z(hz, 1.0));
        mixed(0.5, stage * stage * stage * stage)
    });
}

/// The dry is a sine, so the copy at any delay is known. Cubic interpolation of it errs by
/// less than ω³/10 = 2e-6 (Catmull-Rom is exact for parabolas); the wrong sign or a clock
/// late by one sample would be 1e-4 and more.
#[test]
fn a_chorus_delays_by_what_its_oscillator_says() {
    let (hz, delay, depth) = (200.0, 0.010, 0.003);
    let dry: Vec<f32> = (0..44_100)
        .map(|n| (TAU * hz * f64::from(n) / HZ).sin() as f32)
        .collect();
    let mut only_copy = chorus(1.5, 1000.0 * depth);
    only_copy.mix = 1.0;
    for (n, x) in wet(&Effect::Chorus(only_copy), &dry)
        .iter()
        .enumerate()
        .skip(1000)
    {
        let t = n as f64 / HZ;
        let expected = (TAU * hz * (t - delay - depth * (TAU * 1.5 * t).sin())).sin();
        let error = (f64::from(*x) - expected).abs();
        assert!(error < 4e-6, "sample {n}: {error:e}");
    }
}

/// At the oscillator's turning point, a quarter of its period in, the corner stands still at
/// `high_hz` for a moment.
#[test]
fn a_phaser_reaches_its_highest_corner_after_a_quarter_period() {
    let hz = 2000.0;
    let dry: Vec<f32> = (0..30_000)
        .map(|n| (TAU * hz * f64::from(n) / HZ).sin() as f32)
        .collect();
    let wet = wet(&Effect::Phaser(phaser(0.5)), &dry);
    // 441 samples are 20 periods, around 0.5 s.
    let mut seen = Complex(0.0, 0.0);
    for (n, x) in wet.iter().enumerate().skip(22_050 - 220).take(441) {
        seen = seen + z(hz, n as f64) * (2.0 * f64::from(*x) / 441.0).into();
    }
    let k = (PI * 3000.0 / HZ).tan();
    let c = Complex::from((k - 1.0) / (k + 1.0));
    let stage = (c + z(hz, 1.0)) / (Complex::from(1.0) + c * z(hz, 1.0));
    let expected = mixed(0.5, stage * stage * stage * stage);
    // A sine has the transform −j/2 there. The corner strays by 1e-4 octaves at the window's
    // ends; 1 % off the corner would change the response by 1e-2.
    let error = (seen - expected * Complex(0.0, -1.0)).abs();
    assert!(error < 1e-3, "{error:e}");
}

#[test]
fn plain_effects_are_exact() {
    let dry = noise(100, 1.0, 7);
    let inverted = wet(&Effect::InvertPolarity(InvertPolarity {}), &dry);
    assert!(dry.iter().zip(&inverted).all(|(d, w)| *w == -d));
    let louder = wet(&Effect::Gain(Gain { gain_db: 20.0 }), &dry);
    assert!(dry.iter().zip(&louder).all(|(d, w)| *w == d * 10.0));
    for samples in [0, 1, 99, 100, 1 << 40] {
        let delay = Effect::Delay(Delay { samples });
        assert_eq!(delay.latency_samples(), samples);
        let late = wet(&delay, &dry);
        assert_eq!(late.len(), dry.len());
        for (n, x) in late.iter().enumerate() {
            let expected = n.checked_sub(samples).map_or(0.0, |from| dry[from]);
            assert_eq!(*x, expected, "{samples} samples, at {n}");
        }
    }
}

#[test]
fn a_chain_is_one_after_another() {
    let dry = noise(2000, 0.8, 8);
    let (first, second) = (Effect::Fuzz(fuzz()), Effect::Delay(Delay { samples: 5 }));
    let chain = Effect::Chain(Chain {
        effects: vec![first.clone(), second.clone()],
    });
    assert_eq!(wet(&chain, &dry), wet(&second, &wet(&first, &dry)));
    assert_eq!(chain.latency_samples(), 5);
    assert!(!chain.is_linear() && !chain.is_time_varying());
    let empty = Effect::Chain(Chain { effects: vec![] });
    assert_eq!(wet(&empty, &dry), dry);
}

// ---------------------------------------------------------------- curves and steady states

/// A constant passes the tone filter unchanged once it has settled.
#[test]
fn an_overdrive_settles_on_its_curve() {
    let drive = 10f64.powf(1.2);
    for x in [-1.0f32, -0.1, -0.001, 0.02, 0.5] {
        let last = wet(&Effect::Overdrive(overdrive()), &vec![x; 2000])[1999];
        let expected = 0.8 * (drive * f64::from(x)).tanh();
        assert!(
            (f64::from(last) - expected).abs() < 1e-7,
            "{x}: {last} {expected}"
        );
    }
}

/// A high-pass passes the very first sample by its first coefficient, so that single samples
/// show the curve.
#[test]
fn a_fuzz_clips_about_its_bias_and_holds_no_dc() {
    let drive = 10f64.powf(1.6);
    let first_coefficient = 1.0 / (1.0 + (PI * 20.0 / HZ).tan());
    for x in [-1.0f32, -0.02, -0.001, 0.0, 0.001, 0.01, 0.02, 1.0] {
        let y = wet(&Effect::Fuzz(fuzz()), &[x])[0];
        let curve = (drive * f64::from(x) + 0.4).clamp(-1.0, 1.0) - 0.4;
        let expected = 0.7 * curve * first_coefficient;
        assert!(
            (f64::from(y) - expected).abs() < 1e-7,
            "{x}: {y} {expected}"
        );
    }
    // A whole number of periods of a loud sine, after five time constants of 8 ms.
    let sine: Vec<f32> = (0..44_100)
        .map(|n| (TAU * 441.0 * f64::from(n) / HZ).sin() as f32)
        .collect();
    let settled = &wet(&Effect::Fuzz(fuzz()), &sine)[22_000..42_000];
    let mean = settled.iter().map(|x| f64::from(*x)).sum::<f64>() / 20_000.0;
    // Unblocked it would be −0.4 · 0.7.
    assert!(mean.abs() < 1e-6, "{mean}");
}

#[test]
fn a_compressor_settles_on_its_ratio_and_moves_in_its_times() {
    let effect = Effect::Compressor(compressor());
    let db = |x: f32| 20.0 * f64::from(x.abs()).log10();
    let constant = |level_db: f64, len: usize| vec![10f64.powf(level_db / 20.0) as f32; len];
    // Steady: 1 dB above the threshold for every 4, 6 dB of make-up.
    for (level_db, expected_db) in [(-50.0, -44.0), (-30.0, -24.0), (-10.0, -19.0), (0.0, -16.5)] {
        let last = *wet(&effect, &constant(level_db, 44_100)).last().unwrap();
        assert!(
            (db(last) - expected_db).abs() < 1e-5,
            "{level_db} dB: {}",
            db(last)
        );
    }
    // From silence to −10 dB the wanted reduction is 15 dB; to −40 dB, none.
    let mut dry = constant(-10.0, 22_050);
    dry.extend(constant(-40.0, 22_050));
    let wet = wet(&effect, &dry);
    let reduction = |n: usize| db(dry[n]) + 6.0 - db(wet[n]);
    let e = 1f64.exp();
    // 5 ms are 220.5 samples, 50 ms 2205; the first sample has made one step already.
    for (n, expected) in [
        (219, 15.0 * (1.0 - (-220.0f64 / 220.5).exp())),
        (22_049, 15.0),
        (22_050 + 2204, 15.0 / e),
    ] {
        assert!(
            (reduction(n) - expected).abs() < 1e-4,
            "at {n}: {}",
            reduction(n)
        );
    }
}

/// Undoing `tanh` must leave the linear band-pass.
#[test]
fn a_telephone_is_a_band_pass_and_then_a_soft_curve() {
    let (one, drive) = (Complex::from(1.0), 10f64.powf(12.0 / 20.0));
    let len = 1 << 14;
    let mut impulse = vec![0.0; len];
    impulse[0] = 1.0;
    let wet = wet(&telephone(), &impulse);
    assert!(
        wet.iter().any(|x| x.abs() > 0.6),
        "the curve is not reached"
    );
    for hz in [0.0, 100.0, 300.0, 1000.0, 3400.0, 10_000.0] {
        let mut sum = Complex(0.0, 0.0);
        for (n, x) in wet.iter().enumerate() {
            sum = sum + z(hz, n as f64) * f64::from(*x).atanh().into();
        }
        let (low, high) = (analog(hz, 300.0), analog(hz, 3400.0));
        let expected = low * low / butterworth(low) * (one / butterworth(high)) * drive.into();
        let error = (sum - expected).abs();
        assert!(error < 2e-6, "{hz} Hz: {error:e}");
    }
}

// ---------------------------------------------------------------- settings

#[test]
fn settings_survive_toml_and_wrong_ones_are_named() {
    #[derive(serde::Serialize, serde::Deserialize)]
    struct File {
        effect: Effect,
    }
    for effect in all() {
        let text = toml::to_string(&File {
            effect: effect.clone(),
        })
        .unwrap();
        assert_eq!(
            toml::from_str::<File>(&text).unwrap().effect,
            effect,
            "{text}"
        );
    }
    let parse = |text: &str| toml::from_str::<File>(&format!("effect = {{ {text} }}"));
    let defaults = parse("kind = 'low-pass', cutoff_hz = 800").unwrap().effect;
    assert_eq!(
        defaults,
        Effect::LowPass(LowPass {
            cutoff_hz: 800.0,
            poles: 2
        })
    );
    for wrong in [
        "kind = 'flanger'",
        "kind = 'gain', gain_db = 1, gian = 2",
        "kind = 'invert-polarity', much = true",
        "kind = 'chain', effects = [], order = 1",
        "kind = 'echo', feedback = 0.1",
    ] {
        assert!(parse(wrong).is_err(), "{wrong}");
    }
    for (text, message) in [
        (
            "kind = 'low-pass', cutoff_hz = 30000",
            "low-pass: cutoff_hz = 30000 is not allowed; give a number from 1 to 21609",
        ),
        (
            "kind = 'chain', effects = [{ kind = 'echo', delay_ms = 1, feedback = nan }]",
            "echo: feedback = NaN is not allowed; give a number from -0.99 to 0.99",
        ),
        (
            "kind = 'phaser', rate_hz = 1, low_hz = 5000",
            "phaser: low_hz = 5000 is not allowed; give a number from 10 to 3000",
        ),
        (
            "kind = 'chorus', rate_hz = 1, depth_ms = 19.99",
            "chorus: depth_ms = 19.99 is not allowed; give a number from 0 to 19.93",
        ),
    ] {
        let error = parse(text)
            .unwrap()
            .effect
            .process(&[0.0], rate())
            .unwrap_err();
        assert!(error.to_string().starts_with(message), "{error}");
    }
}

/// Every effect refuses or survives every sample rate, also at the ends of its ranges.
#[test]
fn no_sample_rate_makes_an_effect_panic_or_explode() {
    let dry = noise(200, 1.0, 9);
    let extremes = [
        Effect::Chorus(Chorus {
            rate_hz: 20.0,
            depth_ms: 20.0,
            delay_ms: 100.0,
            mix: 1.0,
            feedback: 0.0,
            phase: 0.0,
        }),
        Effect::Chorus(Chorus {
            rate_hz: 20.0,
            depth_ms: 0.93,
            delay_ms: 1.0,
            mix: 1.0,
            feedback: 0.0,
            phase: 0.0,
        }),
        Effect::Overdrive(Overdrive {
            gain: 1.0,
            tone: 1.0,
            level: 1.0,
        }),
    ];
    for hz in [1, 2, 7, 99, 1000, 4000, 8000, 192_000] {
        let rate = SampleRate::new(hz).unwrap();
        for effect in all().iter().chain(&extremes) {
            if let Ok(wet) = effect.process(&dry, rate) {
                assert!(wet.iter().all(|x| x.abs() < 10.0), "{effect:?} at {hz} Hz");
            }
        }
    }
}

// ---------------------------------------------------------------- signals

mod signals {
    use effigy::effects::signals::{
        Impulse, Motion, MovingWave, Noise, NoiseColour, PluckedString, Shape, Signal, SineSweep,
        render,
    };

    use super::*;

    fn wave(shape: Shape, motion: Motion) -> Signal {
        Signal::MovingWave(MovingWave {
            shape,
            low_hz: 55.0,
            high_hz: 1760.0,
            motion,
            level_dbfs: -6.0,
        })
    }

    fn glide() -> Motion {
        Motion::Glide {
            period_seconds: 2.0,
        }
    }

    fn coloured(colour: NoiseColour) -> Signal {
        Signal::Noise(Noise {
            colour,
            level_dbfs: -6.0,
        })
    }

    fn plucked() -> Signal {
        Signal::PluckedString(PluckedString {
            notes_per_second: 6.0,
            lowest_hz: 82.41,
            chord_share: 0.3,
            rest_share: 0.1,
            level_dbfs: -6.0,
        })
    }

    fn sweep() -> Signal {
        Signal::SineSweep(SineSweep {
            from_hz: 20.0,
            to_hz: 20_000.0,
            level_dbfs: -6.0,
        })
    }

    /// Every signal, and whether its seed matters.
    fn all() -> Vec<(Signal, bool)> {
        let steps = Motion::Steps { step_seconds: 0.05 };
        let impulse = Signal::Impulse(Impulse {
            at_seconds: 0.5,
            level_dbfs: -6.0,
        });
        vec![
            (wave(Shape::Sine, glide()), false),
            (wave(Shape::Square, glide()), false),
            (wave(Shape::Saw, steps), true),
            (wave(Shape::Triangle, glide()), false),
            (coloured(NoiseColour::White), true),
            (coloured(NoiseColour::Pink), true),
            (plucked(), true),
            (sweep(), false),
            (impulse, false),
        ]
    }

    #[test]
    fn every_signal_has_its_length_and_peak_and_follows_its_seed() {
        for (signal, seeded) in all() {
            let sound = render(&signal, rate(), 1.5, 1).unwrap();
            assert_eq!(sound.len(), 66_150);
            let peak = sound.iter().fold(0f32, |m, x| m.max(x.abs()));
            let expected = 10f32.powf(-0.3);
            assert!((peak - expected).abs() <= 1e-7, "{signal:?}: {peak}");
            assert_eq!(
                sound,
                render(&signal, rate(), 1.5, 1).unwrap(),
                "{signal:?}"
            );
            let other = render(&signal, rate(), 1.5, 2).unwrap();
            assert_eq!(sound != other, seeded, "{signal:?}");
            assert!(render(&signal, rate(), 0.0, 1).unwrap().is_empty());
        }
    }

    /// Mean power per hertz in a band, by averaged periodograms.
    fn power_db(sound: &[f32], low_hz: f64, high_hz: f64) -> f64 {
        let len = 1 << 14;
        let fft = realfft::RealFftPlanner::<f64>::new().plan_fft_forward(len);
        let bin = |hz: f64| (hz / HZ * len as f64).round() as usize;
        let (mut sum, mut count) = (0.0, 0f64);
        for part in sound.chunks_exact(len) {
            let mut input: Vec<f64> = part.iter().map(|x| f64::from(*x)).collect();
            let mut output = fft.make_output_vec();
            fft.process(&mut input, &mut output).unwrap();
            for value in &output[bin(low_hz)..bin(high_hz)] {
                sum += value.norm_sqr();
                count += 1.0;
            }
        }
        10.0 * (sum / count).log10()
    }

    #[test]
    fn white_noise_is_flat_and_pink_noise_falls_by_3_db_per_octave() {
        for (colour, slope_db) in [(NoiseColour::White, 0.0), (NoiseColour::Pink, -3.01)] {
            let sound = render(&coloured(colour), rate(), 40.0, 1).unwrap();
            let octaves = (0..7).map(|n| {
                let low = 60.0 * 2f64.powi(n);
                power_db(&sound, low, 2.0 * low)
            });
            let levels: Vec<f64> = octaves.collect();
            for pair in levels.windows(2) {
                // 107 periodograms of at least 22 bins: 0.09 dB of standard deviation each,
                // 0.13 their difference. A fifth of a decibel is the filter's own.
                let step = pair[1] - pair[0];
                assert!((step - slope_db).abs() < 0.7, "{colour:?}: {levels:?}");
            }
        }
    }

    /// Upward zero crossings, counted: a frequency without a Fourier transform.
    fn crossings_per_second(sound: &[f32]) -> f64 {
        let count = sound
            .windows(2)
            .filter(|w| w[0] < 0.0 && w[1] >= 0.0)
            .count();
        count as f64 * HZ / sound.len() as f64
    }

    #[test]
    fn pitches_move_as_asked() {
        // Two seconds up and down: 55 Hz at the start, 1760 Hz in the middle.
        let sound = render(&wave(Shape::Saw, glide()), rate(), 2.0, 1).unwrap();
        for (at, hz) in [(0.5, 311.1), (1.0, 1760.0), (1.5, 311.1)] {
            let middle = (at * HZ) as usize;
            let seen = crossings_per_second(&sound[middle - 2205..middle + 2205]);
            // One crossing more or less in 0.1 s, and the mean of an exponential or a peak.
            assert!((seen - hz).abs() < 11.0 + 0.09 * hz, "{at} s: {seen} Hz");
        }
        // A sweep over three decades passes √(20 · 20 000) Hz half way through.
        let sound = render(&sweep(), rate(), 3.0, 1).unwrap();
        let middle = sound.len() / 2;
        let seen = crossings_per_second(&sound[middle - 2205..middle + 2205]);
        assert!((seen - 632.5).abs() < 13.0, "{seen} Hz");
    }

    #[test]
    fn settings_survive_toml_and_wrong_ones_are_named() {
        #[derive(serde::Serialize, serde::Deserialize)]
        struct File {
            signal: Signal,
        }
        for (signal, _) in all() {
            let text = toml::to_string(&File {
                signal: signal.clone(),
            })
            .unwrap();
            assert_eq!(
                toml::from_str::<File>(&text).unwrap().signal,
                signal,
                "{text}"
            );
        }
        let parse = |text: &str| toml::from_str::<File>(&format!("signal = {{ {text} }}"));
        for wrong in [
            "kind = 'plucked-string', level_dbfs = -6, strings = 6",
            "kind = 'noise', colour = 'brown', level_dbfs = -6",
            "kind = 'moving-wave', shape = 'sine', low_hz = 1, high_hz = 2, level_dbfs = 0, \
             motion = { kind = 'glide', period_seconds = 1, more = 2 }",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
        for (text, message) in [
            (
                "kind = 'impulse', level_dbfs = 3",
                "impulse: level_dbfs = 3 ",
            ),
            (
                "kind = 'sine-sweep', from_hz = 20, to_hz = 30000, level_dbfs = 0",
                "sine-sweep: to_hz = 30000 is not allowed; give a number from 0.1 to 22050",
            ),
            (
                "kind = 'plucked-string', level_dbfs = -6, lowest_hz = 5",
                "plucked-string: lowest_hz = 5 ",
            ),
        ] {
            let error = render(&parse(text).unwrap().signal, rate(), 1.0, 1).unwrap_err();
            assert!(error.to_string().starts_with(message), "{error}");
        }
        let error = render(&sweep(), rate(), f64::INFINITY, 1).unwrap_err();
        assert!(
            error.to_string().starts_with("signal: seconds = inf "),
            "{error}"
        );
    }
}
