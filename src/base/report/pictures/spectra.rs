//! Spectrograms of dry, wet, predicted and error on one scale.

use super::section::{NO_SOUND, Section};
use crate::report::axis::Axis;
use crate::report::chart::{Chart, Mark};
use crate::report::run::Run;
use crate::report::spectrogram::Spectrogram;

/// Longest stretch that is shown, in seconds.
const MOST_SECONDS: f64 = 20.0;

pub(super) fn section(run: &Run) -> Section {
    let (id, title) = ("spectrograms", "Spectrograms");
    let clip = run
        .sound
        .as_ref()
        .and_then(|s| Some((s, s.telling_clip(MOST_SECONDS)?)));
    let Some((sound, clip)) = clip else {
        return Section::new(id, title, NO_SOUND, Vec::new());
    };
    let track = &sound.tracks[clip.track];
    let residual = track.residual(clip.samples.clone());
    let shown = [
        ("dry", "Dry", &track.dry[clip.samples.clone()]),
        ("wet", "Wet", &track.wet[clip.samples.clone()]),
        (
            "predicted",
            "Predicted",
            &track.predicted[clip.samples.clone()],
        ),
        ("error", "Error (wet - predicted)", &residual),
    ];
    let spectra = shown.map(|(_, _, sound_of)| Spectrogram::mel(sound_of, sound.rate));
    let peak = spectra.iter().map(Spectrogram::peak).fold(0.0, f64::max);
    let readings = [
        "What went into the effect.",
        "What came out of it.",
        "What the network makes of the dry sound.",
        "What is left: the darker, the nearer.",
    ];
    let charts = shown.iter().zip(&spectra).zip(readings);
    let charts = charts.map(|(((name, title, _), spectrum), reading)| {
        let mut chart = Chart::new(
            &format!("spectrogram-{name}"),
            title,
            Axis::linear("time (s)", 0.0, spectrum.seconds),
            spectrum.frequencies.clone(),
        );
        chart.marks.push(Mark::Image(spectrum.image(peak)));
        chart.bar = Some(Spectrogram::level_axis());
        chart.reading = reading.to_string();
        chart
    });
    let text = format!(
        "{:.1} s of {}, from {:.1} s on, in mel bands. All four have one colour scale: decibels \
         below the loudest cell of any.",
        sound.rate.seconds(clip.samples.len()),
        track.name,
        sound.rate.seconds(clip.samples.start),
    );
    Section::new(id, title, &text, charts.collect())
}
