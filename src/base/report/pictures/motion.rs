//! What the oscillator of an effect that moves does: its curve, rate and depth.

use super::section::{Section, figure, network_key};
use crate::dsp::modulation::{Motion, Part};
use crate::report::axis::{Axis, fitting_axis, fitting_log_axis};
use crate::report::chart::{Chart, Key, Mark};
use crate::report::run::Run;

/// Points of a period, and periods shown.
const POINTS: usize = 400;
const PERIODS: usize = 2;

/// `None` where nothing moves. Runs that move something else than the first are left out.
pub(super) fn section(runs: &[Run]) -> Option<Section> {
    let first = runs.iter().find_map(|run| run.motion.as_ref())?;
    let alike = |motion: &&Motion| same_unit(motion.part, first.part);
    let moving = runs.iter().enumerate().filter_map(|(index, run)| {
        let motion = run.motion.as_ref().filter(alike)?;
        Some((index, motion))
    });
    let moving: Vec<(usize, &Motion)> = moving.collect();
    let longest = moving.iter().map(|(_, motion)| period(motion));
    let seconds = PERIODS as f64 * longest.fold(0.0, f64::max);
    let curves: Vec<Vec<[f64; 2]>> = moving.iter().map(|(_, m)| curve(m, seconds)).collect();
    let values = curves.iter().flatten().map(|point| point[1]);
    let (what, label) = words(first.part);
    let y = match first.part {
        Part::AllPass { .. } => fitting_log_axis(label, values),
        _ => fitting_axis(label, values),
    };
    let time = Axis::linear("time (s)", 0.0, seconds);
    let mut chart = Chart::new("motion", what, time, y);
    chart.wide = true;
    for ((index, _), points) in moving.iter().zip(curves) {
        let (tint, text) = network_key(runs, *index);
        chart.keys.push(Key::new(tint, text));
        chart.marks.push(Mark::Curve {
            points,
            tint,
            dashed: false,
        });
    }
    let each = moving.iter().map(|(index, motion)| match runs {
        [_] => said(motion),
        several => format!("{}: {}", several[*index].name, said(motion)),
    });
    chart.reading = each.collect::<Vec<String>>().join(" ");
    let text = "The effect moves by a clock of its own. This is the curve that its oscillator follows, \
                as it was learned, from the phase 0 on; where in it a recording begins is told by the \
                recording alone.";
    Some(Section::new("motion", "Motion", text, vec![chart]))
}

fn same_unit(a: Part, b: Part) -> bool {
    std::mem::discriminant(&a) == std::mem::discriminant(&b)
}

/// The chart's title, and its axis.
fn words(part: Part) -> (&'static str, &'static str) {
    match part {
        Part::Delay => ("The delay over time", "delay (ms)"),
        Part::AllPass { .. } => (
            "The corner frequency of the all-pass filters over time",
            "corner frequency (Hz)",
        ),
        Part::Gain => ("The gain over time", "gain"),
    }
}

/// Seconds; one that stands still is shown for a second.
fn period(motion: &Motion) -> f64 {
    match motion.oscillator.rate_hz {
        rate if rate > 0.0 => 1.0 / rate,
        _ => 1.0,
    }
}

/// In the axis's unit.
fn shown(part: Part, value: f64) -> f64 {
    match part {
        Part::Delay => 1e3 * value.exp(),
        Part::AllPass { .. } => value.exp(),
        Part::Gain => value,
    }
}

fn curve(motion: &Motion, seconds: f64) -> Vec<[f64; 2]> {
    let count = PERIODS * POINTS;
    let times = (0..=count).map(|i| seconds * i as f64 / count as f64);
    let point = |time: f64| [time, shown(motion.part, motion.value(0.0, time))];
    times.map(point).collect()
}

/// Rate and depth in a sentence.
fn said(motion: &Motion) -> String {
    let [high, low] = motion.range();
    let [from, to] = [low, high].map(|end| shown(motion.part, motion.centre + end));
    let swing = match motion.part {
        Part::Delay => format!(
            "from {from:.2} to {to:.2} ms, a depth of {:.2} ms",
            to - from
        ),
        Part::AllPass { stages } => format!(
            "of {stages} stages from {from:.0} to {to:.0} Hz, a depth of {:.2} octaves",
            (to / from).log2()
        ),
        Part::Gain => format!(
            "from {from:.3} to {to:.3}, a depth of {:.1} % of its mean",
            100.0 * 0.5 * (to - from) / motion.centre.abs().max(f64::MIN_POSITIVE)
        ),
    };
    let rate = motion.oscillator.rate_hz;
    let again = match motion.feedback {
        0.0 => String::new(),
        share => format!(" {:.0} % of what comes out enters again.", 100.0 * share),
    };
    let second = motion.second.as_ref().map_or(String::new(), |second| {
        format!(
            " A second oscillator that knows nothing of the first moves it, too, {} times a second.",
            figure(second.rate_hz)
        )
    });
    format!(
        "It swings {swing}, {} times a second (a period of {:.3} s).{second}{again}",
        figure(rate),
        period(motion)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dsp::modulation::Oscillator;

    fn motion(part: Part, centre: f64, swing: f64) -> Motion {
        Motion {
            part,
            centre,
            oscillator: Oscillator {
                rate_hz: 0.5,
                curve: vec![0.0, swing],
            },
            second: None,
            feedback: -0.25,
        }
    }

    #[test]
    fn a_curve_is_shown_in_what_musicians_read() {
        let delay = motion(Part::Delay, 0.008_f64.ln(), 0.25_f64.ln_1p());
        let points = curve(&delay, 4.0);
        assert_eq!((points[0][0], points[points.len() - 1][0]), (0.0, 4.0));
        // A sine: in the middle at 0, highest after a quarter of 2 s.
        assert!((points[0][1] - 8.0).abs() < 1e-9);
        assert!((points[POINTS / 4][1] - 10.0).abs() < 1e-9, "{points:?}");
        assert_eq!(
            said(&delay),
            "It swings from 6.40 to 10.00 ms, a depth of 3.60 ms, 0.5000 times a second (a period of \
             2.000 s). -25 % of what comes out enters again."
        );
        let chain = motion(Part::AllPass { stages: 4 }, 1000_f64.ln(), 2_f64.ln());
        let words = said(&chain);
        assert!(
            words.contains("from 500 to 2000 Hz, a depth of 2.00 octaves"),
            "{words}"
        );
        let gain = said(&motion(Part::Gain, 0.5, 0.2));
        assert!(
            gain.contains("from 0.300 to 0.700, a depth of 40.0 %"),
            "{gain}"
        );
    }
}
