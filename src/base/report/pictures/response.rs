//! What the network makes of sines: harmonics, distortion, frequency response.

use super::section::{NO_NETWORK, Section, network_key, shared_effect};
use crate::dsp::probe::{HARMONICS, Harmonics, Measurements, Response};
use crate::report::axis::Axis;
use crate::report::axis::{extent, fitting_axis, fitting_log_axis};
use crate::report::chart::{Chart, Key, Mark};
use crate::report::colour::{LEVELS, Tint};
use crate::report::run::Run;

/// Lowest level drawn for a harmonic: inaudible under the fundamental.
const HARMONIC_FLOOR_DBFS: f64 = -120.0;

pub(super) fn harmonics(runs: &[Run]) -> Section {
    let (id, title) = ("harmonics", "Harmonics");
    let Some(first) = runs.iter().find_map(|r| r.network.as_ref()) else {
        return Section::new(id, title, NO_NETWORK, Vec::new());
    };
    let mut charts = Vec::new();
    if let [run] = runs {
        let sides = [
            ("network", run.network.as_ref()),
            ("effect", run.effect.as_ref()),
        ];
        let shown: Vec<_> = sides
            .into_iter()
            .filter_map(|(n, m)| Some((n, m?)))
            .collect();
        let top = shown.iter().flat_map(|(_, m)| &m.harmonics);
        let top = extent(top.flat_map(|h| h.output_dbfs)).map_or(0.0, |e| e.1);
        charts.extend(shown.iter().map(|(name, m)| by_level(name, m, top)));
    } else {
        charts.push(at_loudest(runs));
    }
    charts.push(distortion(runs));
    let hz = first.harmonics.first().map_or(0.0, |h| h.hz);
    let text = format!(
        "A sine of {hz:.0} Hz goes in at several levels, up to the loudest of the test sound. A \
         linear effect answers with the first harmonic alone; even harmonics come from an \
         asymmetry, odd ones from a symmetric bend.",
    );
    Section::new(id, title, &text, charts)
}

fn number_axis() -> Axis {
    let ticks = (1..=HARMONICS).map(|n| (n as f64, n.to_string()));
    Axis {
        ticks: ticks.collect(),
        ..Axis::linear(
            "harmonic (1 is the sine itself)",
            0.6,
            HARMONICS as f64 + 0.4,
        )
    }
}

fn level_axis(top: f64) -> Axis {
    Axis::linear(
        "output peak level (dBFS)",
        HARMONIC_FLOOR_DBFS,
        (top + 6.0).max(0.0),
    )
}

/// The harmonics as bars at their numbers, moved aside so that `count` of them stand side by side.
fn numbered(harmonics: &Harmonics, index: usize, count: usize) -> Vec<[f64; 2]> {
    let aside = (index as f64 - 0.5 * (count as f64 - 1.0)) * 0.8 / count.max(5) as f64;
    let levels = harmonics.output_dbfs.iter().enumerate();
    let audible = levels.filter(|(_, db)| **db > HARMONIC_FLOOR_DBFS);
    audible
        .map(|(i, db)| [i as f64 + 1.0 + aside, *db])
        .collect()
}

fn by_level(name: &str, measured: &Measurements, top: f64) -> Chart {
    let title = match name {
        "network" => "Harmonics of the network",
        _ => "Harmonics of the effect itself",
    };
    let name_of = format!("harmonics-{name}");
    let mut chart = Chart::new(&name_of, title, number_axis(), level_axis(top));
    let count = measured.harmonics.len();
    for (index, harmonics) in measured.harmonics.iter().enumerate() {
        let tint = Tint::Level(index + LEVELS - count.min(LEVELS));
        // Adding zero takes the sign from a zero.
        let text = format!("{:.0} dBFS in", harmonics.level_dbfs.round() + 0.0);
        chart.keys.push(Key::new(tint, text));
        let points = numbered(harmonics, index, count);
        chart.marks.push(Mark::Stems { points, tint });
    }
    chart.reading = match name {
        "network" => "One bar per input level, from the quietest to the loudest.",
        _ => "The same sines through the effect: what the network is to do.",
    }
    .to_string();
    chart
}

fn at_loudest(runs: &[Run]) -> Chart {
    let loudest = |m: &Measurements| m.harmonics.last().cloned();
    let mut shown: Vec<(Tint, String, Harmonics)> = Vec::new();
    for (index, run) in runs.iter().enumerate() {
        let (tint, text) = network_key(runs, index);
        let harmonics = run.network.as_ref().and_then(loudest);
        shown.extend(harmonics.map(|h| (tint, text, h)));
    }
    let effect = shared_effect(runs).and_then(loudest);
    shown.extend(effect.map(|h| (Tint::Truth, "the effect itself".to_string(), h)));
    let top = extent(shown.iter().flat_map(|(.., h)| h.output_dbfs)).map_or(0.0, |e| e.1);
    let mut chart = Chart::new(
        "harmonics",
        "Harmonics at the loudest level",
        number_axis(),
        level_axis(top),
    );
    let count = shown.len();
    for (index, (tint, text, harmonics)) in shown.into_iter().enumerate() {
        let points = numbered(&harmonics, index, count);
        chart.keys.push(Key::new(tint, text));
        chart.marks.push(Mark::Stems { points, tint });
    }
    chart.reading = "One bar per run, at the loudest level of its test sound.".to_string();
    chart
}

fn distortion(runs: &[Run]) -> Chart {
    // A ten-thousandth of a per cent is beyond hearing and measuring.
    let percent = |h: &Harmonics| [h.level_dbfs, (100.0 * h.thd).max(1e-4)];
    let curve = |m: &Measurements| -> Vec<[f64; 2]> { m.harmonics.iter().map(percent).collect() };
    let effect = shared_effect(runs);
    let shown = runs.iter().filter_map(|r| r.network.as_ref()).chain(effect);
    let all: Vec<[f64; 2]> = shown.flat_map(curve).collect();
    let mut chart = Chart::new(
        "distortion",
        "Total harmonic distortion",
        fitting_axis("input peak level (dBFS)", all.iter().map(|p| p[0])),
        fitting_log_axis("harmonics 2 to 10 (%)", all.iter().map(|p| p[1])),
    );
    for (index, run) in runs.iter().enumerate() {
        let Some(network) = &run.network else {
            continue;
        };
        let (tint, text) = network_key(runs, index);
        chart.marks.push(Mark::Dots {
            points: curve(network),
            tint,
        });
        chart.curve(tint, &text, curve(network));
    }
    if let Some(effect) = effect {
        chart.dashed_curve(Tint::Truth, "the effect itself", curve(effect));
    }
    chart.reading =
        "How the effect opens up: all overtones together, against the fundamental.".to_string();
    chart
}

pub(super) fn frequency(runs: &[Run]) -> Section {
    let (id, title) = ("frequency", "Frequency response");
    let Some(first) = runs.iter().find_map(|r| r.network.as_ref()) else {
        return Section::new(id, title, NO_NETWORK, Vec::new());
    };
    let quiet = responses(runs, "small-signal", |m| &m.small_signal);
    let driven = responses(runs, "driven", |m| &m.driven);
    let text = format!(
        "A sine sweep of 3 s, once so quiet that most effects are linear ({:.0} dBFS) and once at \
         the loudest level of the test sound ({:.1} dBFS). Only the sweep's own frequency counts, \
         not the harmonics it causes.",
        first.small_signal.level_dbfs, first.driven.level_dbfs,
    );
    Section::new(id, title, &text, vec![quiet, driven])
}

fn responses(runs: &[Run], name: &str, of: fn(&Measurements) -> &Response) -> Chart {
    let curve = |m: &Measurements| -> Vec<[f64; 2]> {
        let response = of(m);
        response
            .hz
            .iter()
            .zip(&response.gain_db)
            .map(|(x, y)| [*x, *y])
            .collect()
    };
    let effect = shared_effect(runs);
    let shown = runs.iter().filter_map(|r| r.network.as_ref()).chain(effect);
    let all: Vec<[f64; 2]> = shown.flat_map(curve).collect();
    let (low, high) = extent(all.iter().map(|p| p[1])).unwrap_or((0.0, 0.0));
    let (left, right) = extent(all.iter().map(|p| p[0])).unwrap_or((20.0, 20e3));
    // At least 12 dB, or a flat response would look like a mountain range; at most 72.
    let room = (0.08 * (high - low)).max(0.5 * (12.0 - (high - low)));
    let bottom = (low - room).max(high - 72.0);
    let title = match name {
        "driven" => "Driven",
        _ => "Small signal",
    };
    let mut chart = Chart::new(
        &format!("response-{name}"),
        title,
        Axis::logarithmic("frequency (Hz)", left, right),
        Axis::linear("gain (dB)", bottom, high + room.max(0.0)),
    );
    for (index, run) in runs.iter().enumerate() {
        let Some(network) = &run.network else {
            continue;
        };
        let (tint, text) = network_key(runs, index);
        chart.keys.push(Key::new(tint, text));
        chart.marks.push(Mark::Curve {
            points: curve(network),
            tint,
            dashed: false,
        });
    }
    if let Some(effect) = effect {
        chart.dashed_curve(Tint::Truth, "the effect itself", curve(effect));
    }
    chart.reading = match name {
        "driven" => "Where it differs from the small-signal response, level decides the sound.",
        _ => "The tone of the effect where it does not distort.",
    }
    .to_string();
    chart
}
