//! Whether dry and wet lie on each other: the response around the delay, and an onset.

use super::section::{NO_SOUND, Section};
use crate::dsp::align;
use crate::report::axis::Axis;
use crate::report::axis::fitting_axis;
use crate::report::chart::{Chart, Mark};
use crate::report::colour::Tint;
use crate::report::run::Run;
use crate::report::test_sound::{TestSound, Track};

/// Lags shown to either side, in samples.
const LAGS: usize = 64;

/// Longest stretch that is looked at, in seconds.
const MOST_SECONDS: f64 = 20.0;

/// Milliseconds shown around an onset.
const AROUND_MS: f64 = 6.0;

pub(super) fn section(run: &Run) -> Section {
    let (id, title) = ("alignment", "Alignment");
    let mut text = match run.latencies.as_slice() {
        [] => "No delay was removed between the dry and the wet side.".to_string(),
        found => found.join(" "),
    };
    let clip = run
        .sound
        .as_ref()
        .and_then(|s| Some((s, s.telling_clip(MOST_SECONDS)?)));
    let Some((sound, clip)) = clip else {
        text += " ";
        text += NO_SOUND;
        return Section::new(id, title, &text, Vec::new());
    };
    text += " What follows is the test sound after that.";
    let track = &sound.tracks[clip.track];
    let (dry, wet) = (
        &track.dry[clip.samples.clone()],
        &track.wet[clip.samples.clone()],
    );
    let mut charts: Vec<Chart> = response(dry, wet).into_iter().collect();
    charts.extend(onset(sound, track));
    if charts.is_empty() {
        text += " It is too short or too still to be looked at.";
    }
    Section::new(id, title, &text, charts)
}

fn response(dry: &[f32], wet: &[f32]) -> Option<Chart> {
    let found = align::cross_response(dry, wet, LAGS)?;
    let end = LAGS as f64;
    let lagged = found.into_iter().enumerate();
    let points: Vec<[f64; 2]> = lagged.map(|(i, y)| [i as f64 - end, y]).collect();
    let values = points.iter().map(|p| p[1]).chain([0.0]);
    let mut chart = Chart::new(
        "alignment-response",
        "Response from dry to wet",
        Axis::linear("lag of wet (samples)", -end, end),
        fitting_axis("correlation, whitened", values),
    );
    chart.marks.push(Mark::Upright {
        x: 0.0,
        text: "aligned".to_string(),
    });
    chart.marks.push(Mark::Curve {
        points,
        tint: Tint::Wet,
        dashed: false,
    });
    chart.reading = "It should be flat before 0 and begin there: a swing before 0 would be wet \
                     sound that comes before its cause; a swing that begins later is delay left in."
        .to_string();
    Some(chart)
}

/// Dry and wet around the sharpest rise of the dry sound, each against its own peak.
fn onset(sound: &TestSound, track: &Track) -> Option<Chart> {
    let hz = f64::from(sound.rate.hz());
    let around = ((AROUND_MS / 1000.0 * hz) as usize).max(16);
    let at = sharpest_rise(&track.dry, around)?;
    let from = at.saturating_sub(around / 2);
    let to = (at + around).min(track.dry.len());
    let points = |samples: &[f32]| -> Vec<[f64; 2]> {
        let stretch = &samples[from..to];
        let peak = stretch
            .iter()
            .fold(0.0_f32, |m, x| m.max(x.abs()))
            .max(f32::MIN_POSITIVE);
        let time = |n: usize| (n as f64 + from as f64 - at as f64) / hz * 1000.0;
        let pairs = stretch.iter().enumerate();
        pairs.map(|(n, x)| [time(n), f64::from(x / peak)]).collect()
    };
    let (dry, wet) = (points(&track.dry), points(&track.wet));
    let mut chart = Chart::new(
        "alignment-onset",
        "An onset",
        fitting_axis("time from the onset (ms)", dry.iter().map(|p| p[0])),
        fitting_axis("against its own peak", dry.iter().chain(&wet).map(|p| p[1])),
    );
    chart.curve(Tint::Dry, "dry", dry);
    chart.curve(Tint::Wet, "wet", wet);
    chart.reading = format!(
        "{:.2} s into {}: both should begin to move at the same instant, wet never earlier.",
        at as f64 / hz,
        track.name
    );
    Some(chart)
}

/// Where the energy of the `len` samples after a sample most exceeds that of those before it.
fn sharpest_rise(dry: &[f32], len: usize) -> Option<usize> {
    let mut sums = vec![0.0];
    for x in dry {
        sums.push(sums[sums.len() - 1] + f64::from(*x).powi(2));
    }
    let mean = sums[dry.len()] * len as f64 / dry.len().max(1) as f64;
    if mean <= 0.0 || dry.len() < 2 * len {
        return None;
    }
    let rise = |n: &usize| {
        let (before, after) = (sums[*n] - sums[n - len], sums[n + len] - sums[*n]);
        // From silence, every rise would be infinite: a little of the mean stands in for it.
        after / (before + 0.01 * mean)
    };
    (len..dry.len() - len).max_by(|a, b| rise(a).total_cmp(&rise(b)))
}
