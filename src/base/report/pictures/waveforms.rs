//! Wet and predicted waveforms where the network is at its best, its median and its worst.

use super::section::{NO_SOUND, Section, figure};
use crate::report::axis::Axis;
use crate::report::axis::fitting_axis;
use crate::report::chart::Chart;
use crate::report::colour::Tint;
use crate::report::run::Run;
use crate::report::test_sound::{Place, TestSound};

pub(super) fn section(run: &Run) -> Section {
    let (id, title) = ("waveforms", "Waveforms");
    let Some(sound) = &run.sound else {
        return Section::new(id, title, NO_SOUND, Vec::new());
    };
    let Some(places) = sound.places() else {
        let why = "The wet test recording is silent or shorter than 20 ms.";
        return Section::new(id, title, why, Vec::new());
    };
    let named = ["best", "median", "worst"].into_iter().zip(&places);
    let charts = named
        .map(|(name, place)| chart(sound, name, place))
        .collect();
    let text = "Wet and predicted over each other at three places of 20 ms, ranked by ESR among \
                all that are not silent. Where only one line is seen, both are the same.";
    Section::new(id, title, text, charts)
}

fn chart(sound: &TestSound, name: &str, place: &Place) -> Chart {
    let track = &sound.tracks[place.track];
    let hz = f64::from(sound.rate.hz());
    let start = place.samples.start as f64 / hz;
    let points = |samples: &[f32]| -> Vec<[f64; 2]> {
        let stretch = samples[place.samples.clone()].iter().enumerate();
        stretch
            .map(|(n, y)| [n as f64 / hz * 1000.0, f64::from(*y)])
            .collect()
    };
    let (wet, predicted) = (points(&track.wet), points(&track.predicted));
    let values = wet.iter().chain(&predicted).map(|p| p[1]);
    let mut chart = Chart::new(
        &format!("waveform-{name}"),
        &format!("The {name} place, ESR {}", figure(place.esr)),
        Axis::linear("time (ms)", 0.0, place.samples.len() as f64 / hz * 1000.0),
        fitting_axis("sample value (full scale 1)", values),
    );
    chart.reading = format!("From {start:.2} s on in {}.", track.name);
    chart.curve(Tint::Wet, "wet", wet);
    chart.dashed_curve(Tint::Predicted, "predicted", predicted);
    chart
}
