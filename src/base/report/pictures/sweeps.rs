//! Aliasing: what a network puts where no harmonic belongs.

use super::section::{NO_NETWORK, Section, network_key, shared_effect};
use crate::dsp::probe::Measurements;
use crate::report::axis::Axis;
use crate::report::axis::extent;
use crate::report::chart::{Chart, Key, Mark};
use crate::report::colour::Tint;
use crate::report::run::Run;
use crate::report::spectrogram::Spectrogram;

pub(super) fn section(runs: &[Run]) -> Section {
    let (id, title) = ("aliasing", "Aliasing");
    let Some(first) = runs.iter().find_map(|r| r.network.as_ref()) else {
        return Section::new(id, title, NO_NETWORK, Vec::new());
    };
    let mut charts = Vec::new();
    if let [run] = runs {
        charts.extend(spectrogram(run));
    }
    charts.push(off_harmonics(runs));
    let mut text = "Harmonics above half the sample rate fold back to where they do not belong: \
                    not a fault in following the wet recording, but heard in high notes. "
        .to_string();
    if let [_] = runs
        && let Some(worst) = worst(first)
    {
        text += &format!(
            "For a sine of {:.1} kHz, the worst of those tried, what is off the harmonics lies \
             {:.1} dB below all that comes out.",
            worst[0] / 1000.0,
            -worst[1]
        );
    }
    Section::new(id, title, &text, charts)
}

fn curve(measured: &Measurements) -> Vec<[f64; 2]> {
    measured.aliasing.iter().map(|a| [a.hz, a.off_db]).collect()
}

fn worst(measured: &Measurements) -> Option<[f64; 2]> {
    curve(measured)
        .into_iter()
        .max_by(|a, b| a[1].total_cmp(&b[1]))
}

fn off_harmonics(runs: &[Run]) -> Chart {
    let effect = shared_effect(runs);
    let shown = runs.iter().filter_map(|r| r.network.as_ref()).chain(effect);
    let all: Vec<[f64; 2]> = shown.flat_map(curve).collect();
    let (left, right) = extent(all.iter().map(|p| p[0])).unwrap_or((1e3, 20e3));
    let (low, high) = extent(all.iter().map(|p| p[1])).unwrap_or((-100.0, 0.0));
    let mut chart = Chart::new(
        "aliasing",
        "Energy off the harmonics",
        Axis::logarithmic("frequency of the sine (Hz)", left, right),
        Axis::linear(
            "against all output (dB)",
            low.max(-140.0) - 5.0,
            (high + 5.0).min(3.0),
        ),
    );
    for (index, run) in runs.iter().enumerate() {
        let Some(network) = &run.network else {
            continue;
        };
        let (tint, text) = network_key(runs, index);
        let points = curve(network);
        chart.marks.push(Mark::Dots {
            points: points.clone(),
            tint,
        });
        chart.keys.push(Key::new(tint, text));
        chart.marks.push(Mark::Curve {
            points,
            tint,
            dashed: false,
        });
    }
    if let Some(effect) = effect {
        chart.dashed_curve(Tint::Truth, "the effect itself", curve(effect));
    }
    chart.reading =
        "Steady sines, each read on the bins between its harmonics; lower is cleaner.".to_string();
    chart
}

fn spectrogram(run: &Run) -> Option<Chart> {
    let network = run.network.as_ref()?;
    let rate = run.sound.as_ref()?.rate;
    let spectrum = Spectrogram::linear(&network.sweep, rate);
    let mut chart = Chart::new(
        "sweep",
        "The network's answer to a sweep",
        Axis::linear("time (s)", 0.0, spectrum.seconds),
        spectrum.frequencies.clone(),
    );
    chart
        .marks
        .push(Mark::Image(spectrum.image(spectrum.peak())));
    chart.bar = Some(Spectrogram::level_axis());
    chart.reading =
        "The bright line is the sweep, rising lines above it are harmonics; lines that \
                     fall are aliases."
            .to_string();
    Some(chart)
}
