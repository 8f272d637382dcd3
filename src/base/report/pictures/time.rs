//! The error over the time of the test sound.

use super::section::{NO_SOUND, Section, figure, network_key};
use crate::report::axis::Axis;
use crate::report::axis::{fitting_axis, fitting_log_axis};
use crate::report::chart::{Chart, Key, Mark};
use crate::report::colour::Tint;
use crate::report::run::Run;
use crate::report::test_sound::{Moment, TestSound};

/// Points of a curve.
const PIECES: usize = 240;

/// Levels this far below the loudest are drawn at the bottom.
const RANGE_DB: f64 = 80.0;

pub(super) fn section(runs: &[Run]) -> Section {
    let (id, title) = ("time", "Error over time");
    let Some(first) = runs.iter().find_map(|r| r.sound.as_ref()) else {
        return Section::new(id, title, NO_SOUND, Vec::new());
    };
    let alike = runs
        .iter()
        .all(|r| r.sound.as_ref().is_some_and(|s| first.matches(s).is_some()));
    if !alike {
        let why = "These runs were not all tested on the same recordings, so their errors over \
                   time cannot be laid over each other.";
        return Section::new(id, title, why, Vec::new());
    }
    let charts = match runs {
        [_] => vec![ratio(runs, first), levels(first)],
        _ => vec![ratio(runs, first)],
    };
    let mut text = format!("The test sound, {:.1} s", first.seconds());
    if first.tracks.len() > 1 {
        text += &format!(" in {} parts end to end", first.tracks.len());
    }
    text += ", piece by piece.";
    Section::new(id, title, &text, charts)
}

fn ratio(runs: &[Run], first: &TestSound) -> Chart {
    let curves: Vec<Vec<[f64; 2]>> = runs
        .iter()
        .filter_map(|r| r.sound.as_ref())
        .map(|sound| {
            let loud = sound.wet_power();
            let point = |m: &Moment| [m.seconds, m.esr(loud).unwrap_or(f64::NAN)];
            sound.over_time(PIECES).iter().map(point).collect()
        })
        .collect();
    let values = curves.iter().flatten().map(|p| p[1]);
    let mut chart = Chart::new(
        "esr-over-time",
        "ESR of every piece",
        Axis::linear("time (s)", 0.0, first.seconds()),
        fitting_log_axis("ESR", values),
    );
    chart.wide = true;
    chart.reading = "Lower is better; gaps are silence. Quiet pieces often have a high ratio that \
                     nobody hears: look at the levels too."
        .to_string();
    if let [run] = runs
        && let Some(row) = run.rows.first().filter(|r| r.metrics.esr > 0.0)
    {
        let esr = row.metrics.esr;
        chart.marks.push(Mark::Across {
            y: esr,
            text: format!("whole: {}", figure(esr)),
        });
    }
    for (index, points) in curves.into_iter().enumerate() {
        let (tint, text) = network_key(runs, index);
        chart.keys.push(Key::new(tint, text));
        chart.marks.push(Mark::Curve {
            points,
            tint,
            dashed: false,
        });
    }
    chart
}

fn levels(sound: &TestSound) -> Chart {
    let moments = sound.over_time(PIECES);
    let loudest = moments
        .iter()
        .map(|m| m.wet.max(m.error))
        .fold(1e-12, f64::max);
    let floor = 10.0 * loudest.log10() - RANGE_DB;
    let level = |power: f64| (10.0 * power.log10()).max(floor);
    let curve = |of: fn(&Moment) -> f64| -> Vec<[f64; 2]> {
        moments.iter().map(|m| [m.seconds, level(of(m))]).collect()
    };
    let (wet, error) = (curve(|m| m.wet), curve(|m| m.error));
    let values = wet.iter().chain(&error).map(|p| p[1]);
    let mut chart = Chart::new(
        "levels-over-time",
        "Level of wet and of the error",
        Axis::linear("time (s)", 0.0, sound.seconds()),
        fitting_axis("RMS level (dBFS)", values),
    );
    chart.wide = true;
    chart.reading =
        "The distance between the lines is the ESR in decibels: 20 dB apart is 0.01.".to_string();
    chart.curve(Tint::Wet, "wet", wet);
    chart.curve(Tint::Error, "error", error);
    chart
}
