//! Pictures as lists of simple shapes, drawn as PNG or SVG by the file's name, and what most
//! of them need: axes, colour maps, tick marks.
//!
//! Knows nothing of what is shown. Lengths are in figure units; a PNG has two pixels per unit.

use super::{png, svg};
use crate::files;
use std::path::{Path, PathBuf};

/// A colour: red, green, blue.
pub type Rgb = [u8; 3];

/// Text and axes.
pub const INK: Rgb = [40, 44, 52];
/// Paper.
pub const PAPER: Rgb = [255, 255, 255];
/// Grid lines.
pub const FAINT: Rgb = [225, 228, 233];

/// A picture could not be made.
#[derive(Debug, thiserror::Error)]
pub enum FigureError {
    /// The file's name says neither PNG nor SVG.
    #[error("{0}: pictures are written as .png or .svg; give the file one of these endings")]
    Ending(PathBuf),
    /// The file cannot be written.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// Pixels, row by row from the top.
#[derive(Clone, Debug, PartialEq)]
pub struct Image {
    /// Pixels per row.
    pub width: usize,
    /// The pixels; a whole number of rows.
    pub pixels: Vec<Rgb>,
}

/// Where a text's given point lies along it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anchor {
    /// At its beginning.
    Start,
    /// At its middle.
    Middle,
    /// At its end.
    End,
}

/// One thing to draw; later ones cover earlier ones.
#[derive(Clone, Debug, PartialEq)]
pub enum Shape {
    /// A filled rectangle.
    Rect {
        /// Left, top, width and height.
        at: [f64; 4],
        /// Its colour.
        fill: Rgb,
    },
    /// A straight line.
    Line {
        /// x and y of its beginning, x and y of its end.
        at: [f64; 4],
        /// Its width.
        width: f64,
        /// Its colour.
        ink: Rgb,
    },
    /// Straight lines from point to point.
    Path {
        /// x and y of every corner.
        points: Vec<[f64; 2]>,
        /// Its width.
        width: f64,
        /// Its colour.
        ink: Rgb,
    },
    /// A filled disc.
    Disc {
        /// x and y of its centre, and its radius.
        at: [f64; 3],
        /// Its colour.
        fill: Rgb,
        /// 0 invisible to 1 solid.
        opacity: f64,
    },
    /// A line of text.
    Text {
        /// x and y of its anchor on the base line.
        at: [f64; 2],
        /// What it says.
        text: String,
        /// Height of a line; capitals are 0.7 of it.
        size: f64,
        /// Where the anchor is.
        anchor: Anchor,
        /// Reading upwards instead of to the right.
        upwards: bool,
        /// Its colour.
        ink: Rgb,
    },
    /// An image, stretched to a rectangle.
    Raster {
        /// Left, top, width and height.
        at: [f64; 4],
        /// The pixels.
        image: Image,
    },
}

/// A picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// Width in figure units.
    pub width: f64,
    /// Height in figure units.
    pub height: f64,
    /// What is on it, back to front.
    pub shapes: Vec<Shape>,
}

/// Whether a picture can be written under this name.
///
/// # Errors
/// [`FigureError::Ending`] unless it ends in `.png` or `.svg`.
pub fn check_ending(path: &Path) -> Result<(), FigureError> {
    let ending = path.extension().map(|e| e.to_ascii_lowercase());
    match ending.as_deref().and_then(|e| e.to_str()) {
        Some("png" | "svg") => Ok(()),
        _ => Err(FigureError::Ending(path.to_path_buf())),
    }
}

impl Figure {
    /// Blank paper.
    pub fn new(width: f64, height: f64) -> Self {
        let paper = Shape::Rect {
            at: [0.0, 0.0, width, height],
            fill: PAPER,
        };
        Self {
            width,
            height,
            shapes: vec![paper],
        }
    }

    /// Writes the picture as its file's name says, in one atomic step.
    ///
    /// # Errors
    /// The name ends in neither `.png` nor `.svg`; the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), FigureError> {
        check_ending(path)?;
        let is_svg = path
            .extension()
            .is_some_and(|e| e.eq_ignore_ascii_case("svg"));
        let drawn = if is_svg {
            svg::draw(self).map(String::into_bytes)
        } else {
            png::draw(self)
        };
        let written = drawn.and_then(|bytes| files::write(path, &bytes));
        written.map_err(|source| FigureError::Io {
            path: path.to_path_buf(),
            source,
        })
    }

    /// Adds a line of text.
    pub fn text(&mut self, at: [f64; 2], size: f64, anchor: Anchor, text: impl Into<String>) {
        self.shapes.push(Shape::Text {
            at,
            text: text.into(),
            size,
            anchor,
            upwards: false,
            ink: INK,
        });
    }

    /// Adds a line.
    pub fn line(&mut self, at: [f64; 4], width: f64, ink: Rgb) {
        self.shapes.push(Shape::Line { at, width, ink });
    }
}

/// One axis: what it says and which values it goes through.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    /// Quantity and unit.
    pub label: String,
    /// Value at the left or bottom end.
    pub from: f64,
    /// Value at the right or top end.
    pub to: f64,
    /// Equal ratios are equally long (else equal differences); both ends are then above zero.
    pub logarithmic: bool,
    /// Values that are marked, and what stands beside them.
    pub ticks: Vec<(f64, String)>,
}

impl Axis {
    /// An axis from `from` to `to` with round tick values.
    pub fn linear(label: &str, from: f64, to: f64) -> Self {
        // An axis needs an extent, even if all values are equal.
        let (from, to) = if to > from {
            (from, to)
        } else {
            (from - 0.5, from + 0.5)
        };
        Self {
            label: label.to_string(),
            from,
            to,
            logarithmic: false,
            ticks: round_ticks(from, to),
        }
    }

    /// A logarithmic axis from `from` to `to`, both above zero, marked at powers of ten, and
    /// between them where these are few.
    pub fn logarithmic(label: &str, from: f64, to: f64) -> Self {
        let from = from.max(f64::MIN_POSITIVE);
        let (from, to) = if to > from * 1.01 {
            (from, to)
        } else {
            (from / 1.5, from * 1.5)
        };
        Self {
            label: label.to_string(),
            from,
            to,
            logarithmic: true,
            ticks: ratio_ticks(from, to),
        }
    }

    /// How far along the axis a value is: 0 at its beginning, 1 at its end.
    pub fn share(&self, value: f64) -> f64 {
        if self.logarithmic {
            return (value / self.from).ln() / (self.to / self.from).ln();
        }
        (value - self.from) / (self.to - self.from)
    }
}

/// Some five round values (1, 2 or 5 times a power of ten apart) within a range.
fn round_ticks(from: f64, to: f64) -> Vec<(f64, String)> {
    let rough = (to - from) / 6.0;
    let power = 10.0_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].map(|m| m * power);
    let step = step
        .into_iter()
        .find(|s| *s >= rough)
        .unwrap_or(10.0 * power);
    let decimals = (-step.log10().floor()).max(0.0) as usize;
    let first = (from / step).ceil() as i64;
    let last = (to / step).floor() as i64;
    (first..=last)
        .map(|i| (i as f64 * step, format!("{:.decimals$}", i as f64 * step)))
        .collect()
}

/// Powers of ten within a range (every other one, every third … of many), and 2 and 5 times
/// them where they are fewer than four.
fn ratio_ticks(from: f64, to: f64) -> Vec<(f64, String)> {
    let (first, last) = (from.log10().floor() as i32, to.log10().ceil() as i32);
    let inside = |value: &f64| (from * 0.999..=to * 1.001).contains(value);
    let decades = (first..=last).map(|p| 10f64.powi(p)).filter(inside).count();
    let multiples: &[f64] = if decades < 4 {
        &[1.0, 2.0, 5.0]
    } else {
        &[1.0]
    };
    let step = decades.div_ceil(6).max(1) as i32;
    (first..=last)
        .filter(|p| p.rem_euclid(step) == 0)
        .flat_map(|p| multiples.iter().map(move |m| m * 10f64.powi(p)))
        .filter(inside)
        .map(|value| (value, short(value)))
        .collect()
}

/// A round value as one writes it on an axis: `0.01`, `200`, `5k`, `1e-7`.
fn short(value: f64) -> String {
    match value {
        v if v < 0.999e-3 => format!("{v:.0e}"),
        v if v < 0.999 => format!("{v:.4}").trim_end_matches('0').to_string(),
        v if v < 999.0 => format!("{v:.0}"),
        v if v < 999e3 => format!("{:.0}k", v / 1e3),
        v => format!("{v:.0e}"),
    }
}

/// A rectangle with axes on its left and bottom.
#[derive(Clone, Debug, PartialEq)]
pub struct Panel {
    /// Left, top, width and height of the plot area, without labels.
    pub at: [f64; 4],
    /// What it shows.
    pub title: String,
    /// The horizontal axis.
    pub x: Axis,
    /// The vertical axis.
    pub y: Axis,
}

/// Text size of labels.
const LABEL: f64 = 13.0;

impl Panel {
    /// Where a pair of values lies on the figure.
    pub fn place(&self, x: f64, y: f64) -> [f64; 2] {
        let [left, top, width, height] = self.at;
        [
            left + width * self.x.share(x),
            top + height * (1.0 - self.y.share(y)),
        ]
    }

    /// Draws grid lines across the plot area, to go under what is shown.
    pub fn draw_grid(&self, figure: &mut Figure) {
        let [left, top, width, height] = self.at;
        for (value, _) in &self.x.ticks {
            let [x, _] = self.place(*value, self.y.from);
            figure.line([x, top, x, top + height], 0.8, FAINT);
        }
        for (value, _) in &self.y.ticks {
            let [_, y] = self.place(self.x.from, *value);
            figure.line([left, y, left + width, y], 0.8, FAINT);
        }
    }

    /// Draws the frame, ticks, labels and title, to go over what is shown.
    pub fn draw_frame(&self, figure: &mut Figure) {
        let [left, top, width, height] = self.at;
        let (right, bottom) = (left + width, top + height);
        for side in [
            [left, top, right, top],
            [right, top, right, bottom],
            [right, bottom, left, bottom],
            [left, bottom, left, top],
        ] {
            figure.line(side, 1.0, INK);
        }
        figure.text([left, top - 9.0], 15.0, Anchor::Start, self.title.clone());
        for (value, text) in &self.x.ticks {
            let [x, _] = self.place(*value, self.y.from);
            figure.line([x, bottom, x, bottom + 4.0], 1.0, INK);
            figure.text([x, bottom + 17.0], LABEL, Anchor::Middle, text.clone());
        }
        for (value, text) in &self.y.ticks {
            let [_, y] = self.place(self.x.from, *value);
            figure.line([left - 4.0, y, left, y], 1.0, INK);
            let at = [left - 8.0, y + 0.35 * LABEL];
            figure.text(at, LABEL, Anchor::End, text.clone());
        }
        let middle = [left + width / 2.0, bottom + 34.0];
        figure.text(middle, LABEL, Anchor::Middle, self.x.label.clone());
        figure.shapes.push(Shape::Text {
            at: [left - 48.0, top + height / 2.0],
            text: self.y.label.clone(),
            size: LABEL,
            anchor: Anchor::Middle,
            upwards: true,
            ink: INK,
        });
    }

    /// Draws a bar to the right of the plot area that says what the colours mean.
    pub fn draw_colour_bar(&self, figure: &mut Figure, map: ColourMap, axis: &Axis) {
        let [left, top, width, height] = self.at;
        let steps = 128;
        let pixels = (0..steps).map(|i| map.at(1.0 - i as f64 / (steps - 1) as f64));
        let bar = Panel {
            at: [left + width + 16.0, top, 14.0, height],
            title: String::new(),
            x: Axis::linear("", 0.0, 1.0),
            y: axis.clone(),
        };
        figure.shapes.push(Shape::Raster {
            at: bar.at,
            image: Image {
                width: 1,
                pixels: pixels.collect(),
            },
        });
        let right = bar.at[0] + bar.at[2];
        for (value, text) in &axis.ticks {
            let [_, y] = bar.place(0.0, *value);
            figure.line([right, y, right + 4.0, y], 1.0, INK);
            let at = [right + 8.0, y + 0.35 * LABEL];
            figure.text(at, LABEL, Anchor::Start, text.clone());
        }
        let at = [bar.at[0], top - 9.0];
        figure.text(at, LABEL, Anchor::Start, axis.label.clone());
    }
}

/// Colours for numbers, dark to bright, readable by colour-blind people and in grey.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColourMap {
    /// Black over purple and orange to pale yellow: for levels.
    Magma,
    /// Purple over green to yellow: for positions.
    Viridis,
}

// Every tenth part of the maps of the same names by N. Smith and S. van der Walt (CC0).
const MAGMA: [Rgb; 11] = [
    [0, 0, 4],
    [20, 14, 54],
    [59, 15, 112],
    [100, 26, 128],
    [140, 41, 129],
    [183, 55, 121],
    [222, 73, 104],
    [247, 112, 92],
    [254, 159, 109],
    [254, 207, 146],
    [252, 253, 191],
];
const VIRIDIS: [Rgb; 11] = [
    [68, 1, 84],
    [72, 36, 117],
    [65, 68, 135],
    [53, 95, 141],
    [42, 120, 142],
    [33, 145, 140],
    [34, 168, 132],
    [68, 191, 112],
    [122, 209, 81],
    [189, 223, 38],
    [253, 231, 37],
];

impl ColourMap {
    /// The colour of a share: 0 the darkest, 1 the brightest.
    pub fn at(self, share: f64) -> Rgb {
        let stops = match self {
            Self::Magma => &MAGMA,
            Self::Viridis => &VIRIDIS,
        };
        let place = share.clamp(0.0, 1.0) * (stops.len() - 1) as f64;
        let left = (place as usize).min(stops.len() - 2);
        let t = place - left as f64;
        std::array::from_fn(|c| {
            let (a, b) = (f64::from(stops[left][c]), f64::from(stops[left + 1][c]));
            (a + t * (b - a)).round() as u8
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_within_the_axis() {
        let texts = |from, to| -> Vec<String> {
            Axis::linear("", from, to)
                .ticks
                .into_iter()
                .map(|t| t.1)
                .collect()
        };
        assert_eq!(texts(0.0, 18.0), ["0", "5", "10", "15"]);
        assert_eq!(texts(-0.13, 0.31), ["-0.1", "0.0", "0.1", "0.2", "0.3"]);
        assert_eq!(texts(5.0, 5.0), ["4.6", "4.8", "5.0", "5.2", "5.4"]);
    }

    #[test]
    fn logarithmic_axes_are_marked_at_round_ratios() {
        let texts = |from, to| -> Vec<String> {
            let axis = Axis::logarithmic("", from, to);
            axis.ticks.into_iter().map(|t| t.1).collect()
        };
        let hertz = [
            "20", "50", "100", "200", "500", "1k", "2k", "5k", "10k", "20k",
        ];
        assert_eq!(texts(20.0, 20_000.0), hertz);
        assert_eq!(texts(0.004, 0.03), ["0.005", "0.01", "0.02"]);
        assert_eq!(texts(1e-9, 1.0), ["1e-8", "1e-6", "1e-4", "0.01", "1"]);
        let axis = Axis::logarithmic("", 10.0, 1000.0);
        assert!((axis.share(100.0) - 0.5).abs() < 1e-12);
    }

    #[test]
    fn other_endings_are_refused() {
        let error = Figure::new(1.0, 1.0).write(Path::new("a.jpg")).unwrap_err();
        assert!(error.to_string().contains("a.jpg"));
        assert!(check_ending(Path::new("a.PNG")).is_ok());
        assert!(check_ending(Path::new("png")).is_err());
    }
}
