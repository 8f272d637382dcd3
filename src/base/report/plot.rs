//! Plots of sound and its measurements: mel spectrograms, and frames as points.
//!
//! Knows slices of numbers, not where they come from.

use super::axis::{Axis, roomy_axis};
use super::chart::{Chart, Mark};
use super::colour::ColourMap;
use super::figure::Image;

/// Decibels shown below the loudest.
const RANGE_DB: f64 = 80.0;

/// Widest image of a spectrogram, in pixels; longer sounds are drawn by their loudest frames.
const MOST_COLUMNS: usize = 1600;

/// A mel spectrogram to draw: energies, frame after frame, lowest band first.
#[derive(Clone, Copy, Debug)]
pub struct MelSpectrogram<'a> {
    /// `frames × bands` energies.
    pub energies: &'a [f32],
    /// The bands' centre frequencies in hertz.
    pub centres_hz: &'a [f64],
    /// Length in seconds.
    pub seconds: f64,
}

/// The chart of a mel spectrogram. Levels are relative to the loudest.
pub fn mel_spectrogram(title: &str, shown: MelSpectrogram<'_>) -> Chart {
    let bands = shown.centres_hz.len();
    let time = Axis::linear("time (s)", 0.0, shown.seconds);
    let mut chart = Chart::new("spectrogram", title, time, frequency_axis(shown.centres_hz));
    if bands > 0 && shown.energies.len() >= bands {
        let image = level_image(shown.energies, bands);
        chart.marks.push(Mark::Image(image));
    }
    chart.bar = Some((ColourMap::Magma, Axis::linear("level (dB)", -RANGE_DB, 0.0)));
    chart
}

/// An axis of bands with frequencies beside the bands that come nearest to round ones.
pub(super) fn frequency_axis(centres_hz: &[f64]) -> Axis {
    let round = [
        (100.0, "100"),
        (500.0, "500"),
        (1000.0, "1k"),
        (2000.0, "2k"),
        (4000.0, "4k"),
        (8000.0, "8k"),
        (16000.0, "16k"),
    ];
    let top = centres_hz.last().copied().unwrap_or(0.0);
    let place = |hz: f64| {
        let above = centres_hz.partition_point(|&c| c < hz);
        let below = above.saturating_sub(1);
        let (a, b) = (
            centres_hz[below],
            centres_hz[above.min(centres_hz.len() - 1)],
        );
        let share = if b > a { (hz - a) / (b - a) } else { 0.0 };
        // A band's centre is in the middle of its cell.
        below as f64 + share + 0.5
    };
    let fitting = round.into_iter().filter(|(hz, _)| *hz <= top);
    Axis {
        label: "frequency (Hz)".to_string(),
        from: 0.0,
        to: centres_hz.len().max(1) as f64,
        logarithmic: false,
        ticks: fitting
            .map(|(hz, text)| (place(hz), text.to_string()))
            .collect(),
    }
}

/// One pixel per band and frame (or group of frames, by its loudest), lowest band at the bottom.
fn level_image(energies: &[f32], bands: usize) -> Image {
    let frames = energies.len() / bands;
    let group = frames.div_ceil(MOST_COLUMNS).max(1);
    let columns: Vec<Vec<f32>> = energies
        .chunks(group * bands)
        .map(|part| {
            let loudest = |band: usize| {
                part.iter()
                    .skip(band)
                    .step_by(bands)
                    .copied()
                    .fold(0.0, f32::max)
            };
            (0..bands).map(loudest).collect()
        })
        .collect();
    let peak = f64::from(energies.iter().copied().fold(0.0, f32::max));
    let pixels = (0..bands).rev().flat_map(|band| {
        columns.iter().map(move |column| {
            let db = 10.0 * (f64::from(column[band]) / peak).log10();
            // Silence (0 / 0) is the darkest.
            let share = if db.is_nan() {
                0.0
            } else {
                1.0 + db / RANGE_DB
            };
            ColourMap::Magma.at(share)
        })
    });
    Image {
        width: columns.len(),
        pixels: pixels.collect(),
    }
}

/// Points to draw: one per frame.
#[derive(Clone, Copy, Debug)]
pub struct Scatter<'a> {
    /// Horizontal coordinates, and what they are.
    pub x: (&'a [f64], &'a str),
    /// Vertical coordinates, and what they are.
    pub y: (&'a [f64], &'a str),
    /// The frames' times in seconds, which colour them.
    pub seconds: &'a [f64],
}

/// The chart of points coloured by time.
pub fn scatter(title: &str, shown: Scatter<'_>) -> Chart {
    let axis = |(values, label): (&[f64], &str)| roomy_axis(label, values.iter().copied(), 0.03);
    let mut chart = Chart::new("frames", title, axis(shown.x), axis(shown.y));
    let last = shown.seconds.iter().copied().fold(0.0, f64::max);
    let times = Axis::linear("time (s)", 0.0, last);
    let places = shown.x.0.iter().zip(shown.y.0).zip(shown.seconds);
    let colour = |seconds: f64| ColourMap::Viridis.at(times.share(seconds));
    // Many points must stay apart, few must be seen.
    let count = shown.x.0.len().max(1) as f64;
    chart.marks.push(Mark::Cloud {
        points: places.map(|((x, y), s)| ([*x, *y], colour(*s))).collect(),
        radius: (60.0 / count.sqrt()).clamp(1.2, 4.0),
    });
    chart.bar = Some((ColourMap::Viridis, times));
    chart
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::figure::Figure;

    #[test]
    fn the_loudest_cell_is_the_brightest_and_low_bands_are_at_the_bottom() {
        // Two frames of three bands; the loudest is band 0 of frame 1.
        let image = level_image(&[1e-9, 1e-4, 0.0, 1.0, 0.0, 1e-2], 3);
        assert_eq!(image.width, 2);
        for (row, column, share) in [(2, 1, 1.0), (2, 0, 0.0), (1, 0, 0.5), (0, 1, 0.75)] {
            let found = image.pixels[row * 2 + column];
            for (found, expected) in found.into_iter().zip(ColourMap::Magma.at(share)) {
                // Single-precision energies: the next colour value at most.
                assert!(found.abs_diff(expected) <= 1, "row {row}, column {column}");
            }
        }
    }

    #[test]
    fn empty_and_constant_values_are_drawn() {
        let mut figure = Figure::new(300.0, 200.0);
        let silence = MelSpectrogram {
            energies: &[0.0; 8],
            centres_hz: &[100.0, 200.0],
            seconds: 0.0,
        };
        mel_spectrogram("silence", silence).draw(&mut figure, [70.0, 30.0, 100.0, 60.0]);
        for values in [&[][..], &[2.0, 2.0][..]] {
            let shown = Scatter {
                x: (values, "x"),
                y: (values, "y"),
                seconds: values,
            };
            scatter("points", shown).draw(&mut figure, [70.0, 30.0, 100.0, 60.0]);
        }
        assert!(super::super::png::draw(&figure).is_ok());
        assert!(super::super::svg::draw(&figure).is_ok());
    }
}
