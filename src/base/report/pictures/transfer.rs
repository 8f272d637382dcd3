//! Output against input: what the test sound shows, and the network's own curve.

use super::section::{NO_NETWORK, NO_SOUND, Section, network_key};
use crate::report::axis::Axis;
use crate::report::axis::{extent, fitting_axis};
use crate::report::chart::{Chart, Key, Mark};
use crate::report::colour::ColourMap;
use crate::report::colour::Tint;
use crate::report::figure::Image;
use crate::report::run::Run;
use crate::report::test_sound::{TestSound, Track};

/// Cells of a density picture.
const CELLS: [usize; 2] = [180, 140];

/// Colours of a density picture.
const SHADES: f64 = 64.0;

pub(super) fn section(runs: &[Run]) -> Section {
    let (id, title) = ("transfer", "Transfer curve");
    let mut charts = Vec::new();
    if let [run] = runs
        && let Some(sound) = run.sound.as_ref().filter(|s| !s.is_empty())
    {
        charts.extend(densities(sound));
    }
    charts.extend(curves(runs));
    let text = match (charts.is_empty(), runs) {
        (true, _) => [NO_SOUND, NO_NETWORK].join(" "),
        (_, [_]) => "Output against input, sample by sample. An effect without memory is a line; \
                     memory (filters, delays, compression) spreads it to a cloud or a loop."
            .to_string(),
        _ => "Output against input for a slow sine at the loudest level of the test sound."
            .to_string(),
    };
    Section::new(id, title, &text, charts)
}

/// One side of a track.
type Side = fn(&Track) -> &Vec<f32>;

/// Wet over dry and predicted over dry, on the same axes.
fn densities(sound: &TestSound) -> Vec<Chart> {
    let all = |of: fn(&Track) -> [&Vec<f32>; 2]| {
        let samples = sound.tracks.iter().flat_map(of).flatten();
        extent(samples.map(|x| f64::from(*x))).unwrap_or((-1.0, 1.0))
    };
    let (x, y) = (all(|t| [&t.dry, &t.dry]), all(|t| [&t.wet, &t.predicted]));
    let sides: [(&str, &str, Side); 2] = [
        ("wet", "Wet against dry", |t| &t.wet),
        ("predicted", "Predicted against dry", |t| &t.predicted),
    ];
    let chart = |(name, title, of): (&str, &str, Side)| {
        let mut chart = Chart::new(
            &format!("transfer-{name}"),
            title,
            Axis::linear("dry sample value", x.0, x.1),
            Axis::linear(&format!("{name} sample value"), y.0, y.1),
        );
        chart.marks.push(Mark::Image(density(sound, of, x, y)));
        chart.bar = Some((ColourMap::Magma, how_often()));
        chart.reading = match name {
            "wet" => "How often each pair of values occurs in the test sound.",
            _ => "The network's; the nearer the two clouds, the better.",
        }
        .to_string();
        chart
    };
    sides.map(chart).to_vec()
}

fn how_often() -> Axis {
    Axis {
        ticks: vec![(0.0, "never".to_string()), (1.0, "most".to_string())],
        ..Axis::linear("log count", 0.0, 1.0)
    }
}

fn density(sound: &TestSound, of: Side, x: (f64, f64), y: (f64, f64)) -> Image {
    let [columns, rows] = CELLS;
    let mut counts = vec![0u32; columns * rows];
    let cell = |value: f32, (low, high): (f64, f64), cells: usize| {
        let share = (f64::from(value) - low) / (high - low).max(f64::MIN_POSITIVE);
        ((share * cells as f64) as usize).min(cells - 1)
    };
    for track in &sound.tracks {
        for (dry, other) in track.dry.iter().zip(of(track)) {
            let (column, row) = (cell(*dry, x, columns), cell(*other, y, rows));
            counts[(rows - 1 - row) * columns + column] += 1;
        }
    }
    let most = f64::from(counts.iter().copied().max().unwrap_or(0)).ln_1p();
    let share = |count: u32| (SHADES * f64::from(count).ln_1p() / most.max(1e-9)).round() / SHADES;
    Image {
        width: columns,
        pixels: counts
            .into_iter()
            .map(|c| ColourMap::Magma.at(share(c)))
            .collect(),
    }
}

/// The slow sine's curves.
fn curves(runs: &[Run]) -> Option<Chart> {
    let measured = runs.iter().filter_map(|r| r.network.as_ref());
    let known = runs.iter().filter_map(|r| r.effect.as_ref());
    let points: Vec<[f64; 2]> = measured
        .chain(known)
        .flat_map(|m| m.transfer.clone())
        .collect();
    let loudest = runs.iter().find_map(|r| r.network.as_ref())?;
    let mut chart = Chart::new(
        "transfer-sine",
        &format!("A slow sine, {:.0} Hz", loudest.transfer_hz),
        fitting_axis("input sample value", points.iter().map(|p| p[0])),
        fitting_axis("output sample value", points.iter().map(|p| p[1])),
    );
    for (index, run) in runs.iter().enumerate() {
        let Some(network) = &run.network else {
            continue;
        };
        let (tint, text) = network_key(runs, index);
        chart.keys.push(Key::new(tint, text));
        chart.marks.push(Mark::Curve {
            points: network.transfer.clone(),
            tint,
            dashed: false,
        });
    }
    if let Some(effect) = super::section::shared_effect(runs) {
        chart.dashed_curve(Tint::Truth, "the effect itself", effect.transfer.clone());
    }
    chart.reading = format!(
        "Peak {:.1} dBFS, the loudest of the test sound. A bend is saturation, two different \
         ends are even harmonics, an opened loop is memory.",
        loudest.level_dbfs
    );
    Some(chart)
}
