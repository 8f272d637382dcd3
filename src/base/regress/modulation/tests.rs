//! Effects of known motion are found, and static ones stand still.

use super::*;
use crate::dsp::modulation::{SWAYED, Second};
use crate::random::Noise;

const HZ: f64 = 4000.0;

/// Struck notes that fade: noise behind a comb, as strings are.
fn notes(seconds: f64, seed: u32) -> Vec<f32> {
    let mut noise = Noise::new(seed);
    let len = (seconds * HZ) as usize;
    let mut sound = vec![0.0; len];
    let mut at = 0;
    while at < len {
        let period = 30 + noise.next_bits() as usize % 60;
        let mut string: Vec<f32> = noise.by_ref().take(period).collect();
        for (n, out) in sound[at..].iter_mut().take(5000).enumerate() {
            let here = n % period;
            *out += 0.3 * string[here];
            string[here] = 0.497 * (string[here] + string[(here + 1) % period]);
        }
        at += 600 + noise.next_bits() as usize % 1800;
    }
    sound
}

fn sine(part: Part, rate_hz: f64, middle: f64, swing: f64) -> Modulation {
    let mut wet_filter = vec![0.0; 9];
    wet_filter[if part == Part::Delay { 8 } else { 0 }] = 0.8;
    Modulation {
        motion: Motion {
            oscillator: Oscillator {
                rate_hz,
                curve: vec![0.0, swing],
            },
            ..Motion::still(part, middle.ln())
        },
        dry_filter: vec![1.0],
        wet_filter,
    }
}

/// A chorus and a phaser.
fn effects() -> [Modulation; 2] {
    [
        sine(Part::Delay, 1.3, 0.008, 0.15),
        sine(Part::AllPass { stages: 4 }, 0.9, 700.0, 0.9),
    ]
}

fn esr(wet: &[f32], predicted: &[f32]) -> f64 {
    let pairs = wet.iter().zip(predicted);
    let left: f64 = pairs.map(|(w, p)| f64::from(w - p).powi(2)).sum();
    left / wet.iter().map(|w| f64::from(*w).powi(2)).sum::<f64>()
}

#[test]
fn a_known_motion_is_learned_and_followed_on_another_sound() {
    for truth in effects() {
        let dry = notes(2.5, 1);
        let wet = truth.answer(&dry, [0.7, 0.0], HZ);
        let recordings = [Recording::whole(&dry, &wet)];
        let fitted = Fitted::begin(&recordings, HZ, (None, Size::default()), &|| true).unwrap();
        let fitted = fitted.refine(&recordings, HZ, 15, &|| true).unwrap();
        let found = fitted.effect;
        assert_eq!(found.motion.part, truth.motion.part);
        let rate = found.motion.oscillator.rate_hz / truth.motion.oscillator.rate_hz;
        assert!((rate - 1.0).abs() < 1e-3, "{:?}: {rate}", truth.motion.part);
        let width = |m: &Modulation| {
            // Of a delay in seconds: the filter behind may take a share of its mean.
            let [high, low] = m.motion.range();
            match m.motion.part {
                Part::Delay => m.motion.centre.exp() * (high.exp() - low.exp()),
                _ => high - low,
            }
        };
        let depth = width(&found) / width(&truth);
        assert!(
            (depth - 1.0).abs() < 0.02,
            "{:?}: {depth}",
            truth.motion.part
        );
        // Another sound, at another phase, which is read off its first second.
        let dry = notes(2.0, 2);
        let wet = truth.answer(&dry, [4.0, 0.0], HZ);
        let second = HZ as usize;
        let first = Recording::whole(&dry[..second], &wet[..second]);
        let (phase, _) = found.stood(&first, HZ);
        let predicted = found.answer(&dry, phase, HZ);
        let esr = esr(&wet[second..], &predicted[second..]);
        assert!(esr < 0.005, "{:?}: {esr}", truth.motion.part);
    }
}

#[test]
fn what_moves_is_told_from_what_does_not() {
    let dry = notes(2.5, 3);
    for truth in effects() {
        let wet = truth.answer(&dry, [1.0, 0.0], HZ);
        let seen = detect(&dry, &wet, HZ, &PARTS).unwrap();
        assert!(
            seen.detected() && seen.part == truth.motion.part,
            "{seen:?}"
        );
        let rate = seen.rate_hz / truth.motion.oscillator.rate_hz;
        assert!((rate - 1.0).abs() < 0.02, "{seen:?}");
    }
    let mut state = 0.0;
    let dull = |x: &f32| {
        state = 0.9 * state + 0.1 * (3.0 * x).tanh();
        state
    };
    let wet: Vec<f32> = dry.iter().map(dull).collect();
    let seen = detect(&dry, &wet, HZ, &PARTS);
    assert!(!seen.as_ref().is_some_and(Moving::detected), "{seen:?}");
    assert_eq!(detect(&dry[..2000], &dry[..2000], HZ, &PARTS), None);
}

/// A clock that is not the same from take to take: each take's rate is told, and that of a third, too.
#[test]
fn takes_of_their_own_rates_are_one_effect() {
    let [_, mut truth] = effects();
    truth.motion.oscillator.rate_hz = 2.5;
    let take = |seed: u32, share: f64, phase: f64| {
        let mut there = truth.clone();
        there.motion.oscillator.rate_hz *= share;
        let dry = notes(3.0, seed);
        let wet = there.answer(&dry, [phase, 0.0], HZ);
        (dry, wet)
    };
    let shares = [1.01, 0.99];
    let takes = [take(4, shares[0], 0.3), take(5, shares[1], 2.0)];
    let recordings = takes
        .each_ref()
        .map(|(dry, wet)| Recording::whole(dry, wet));
    let part = Some(truth.motion.part);
    let fitted = Fitted::begin(&recordings, HZ, (part, Size::default()), &|| true).unwrap();
    assert!(fitted.left < 0.005, "{}", fitted.left);
    let near = |found: f64, wanted: f64| {
        let apart = (found / wanted - 1.0).abs();
        assert!(apart < 2e-3, "{found} for {wanted}");
    };
    for (rate, share) in fitted.rates.iter().zip(shares) {
        near(*rate, 2.5 * share);
    }
    near(fitted.effect.motion.oscillator.rate_hz, 2.5);
    let (dry, wet) = take(6, 1.015, 1.0);
    let second = 2 * HZ as usize;
    let first = Recording::whole(&dry[..second], &wet[..second]);
    near(fitted.effect.stood(&first, HZ).1, 2.5 * 1.015);
}

/// Two waves of .7 and 5.3 Hz, the slow one swaying the fast one, each with phases of its own in every take: both are
/// found beside one of them, and followed in a take that was not heard.
#[test]
fn two_oscillators_are_found_and_followed() {
    let mut truth = sine(Part::Delay, 0.7, 0.007, 0.06);
    let mut curve = vec![0.0; SWAYED];
    // The fast wave, and a sideband above it.
    (curve[5], curve[6]) = (0.2, 0.02);
    truth.motion.second = Some(Second {
        rate_hz: 5.3,
        phase: 0.0,
        curve,
    });
    let take = |seed: u32, phases: Phases| {
        let dry = notes(2.5, seed);
        let wet = truth.answer(&dry, phases, HZ);
        (dry, wet)
    };
    let takes = [take(7, [0.3, 1.0]), take(8, [2.0, 5.0])];
    let recordings = takes
        .each_ref()
        .map(|(dry, wet)| Recording::whole(dry, wet));
    let clips = excerpts(&recordings, HZ, MOST_SAMPLES);
    let one = candidates(&clips, HZ, Some(Part::Delay), &|| true);
    let (tracks, plain) = &one[0];
    let lower = Lower::all(&clips, HZ);
    let two = beside(tracks, (plain, 0.1), &lower, &|| true).unwrap();
    assert!(two.left < 1e-3, "{}", two.left);
    let mut whole = two.whole;
    (whole.taps, whole.lead) = (24, LEAD);
    let (around, left) = whole.filters(&clips, HZ).unwrap();
    let found = Fitted::new(whole, around, left).effect;
    let rate = found.motion.oscillator.rate_hz;
    assert!((rate / 0.7 - 1.0).abs() < 0.01, "{rate}");
    let second = found.motion.second.as_ref().unwrap();
    assert!((second.rate_hz / 5.3 - 1.0).abs() < 2e-3, "{second:?}");
    let (dry, wet) = take(6, [1.0, 3.0]);
    let opening = (1.5 * HZ) as usize;
    let first = Recording::whole(&dry[..opening], &wet[..opening]);
    let (phases, _) = found.stood(&first, HZ);
    let predicted = found.answer(&dry, phases, HZ);
    let esr = esr(&wet[opening..], &predicted[opening..]);
    assert!(esr < 0.005, "{esr}");
}

/// Where the left says nothing, the right does, its oscillator ahead.
#[test]
fn a_phase_is_read_off_both_sides() {
    let truth = &effects()[0];
    let dry = notes(2.0, 11);
    let silence = vec![0.0; dry.len()];
    let wet = truth.answer(&dry, [1.2 + 0.9, 0.0], HZ);
    let left = Recording::whole(&silence, &silence);
    let right = Recording::whole(&dry, &wet);
    let ([phase, _], _) = truth.stood_in(&[left, right], 0.9, HZ);
    assert!((phase - 1.2).abs() < 0.01, "{phase}");
}
