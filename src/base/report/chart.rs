//! Charts in the coordinates of what they show: axes, curves, dots, images, and how to read them.
//!
//! The one language of pictures. A page (`html`) draws it in the reader's colours and at the
//! window's width, `paper` for files. Knows nothing of what is shown.

use super::axis::Axis;
use super::colour::{ColourMap, Rgb, Tint};
use super::figure::Image;

/// One thing on a chart; later ones cover earlier ones.
#[derive(Clone, Debug, PartialEq)]
pub enum Mark {
    /// A curve; it is broken where a value is not finite.
    Curve {
        /// x and y.
        points: Vec<[f64; 2]>,
        /// What it stands for.
        tint: Tint,
        /// For what is only there for comparison.
        dashed: bool,
    },
    /// Dots.
    Dots {
        /// x and y.
        points: Vec<[f64; 2]>,
        /// What they stand for.
        tint: Tint,
    },
    /// Dots in colours of their own, which the chart's bar explains.
    Cloud {
        /// x, y and colour.
        points: Vec<([f64; 2], Rgb)>,
        /// Of each dot, in figure units.
        radius: f64,
    },
    /// Bars from the bottom up to each point.
    Stems {
        /// x and y.
        points: Vec<[f64; 2]>,
        /// What they stand for.
        tint: Tint,
    },
    /// An image over the whole plot area.
    Image(Image),
    /// A line from bottom to top.
    Upright {
        /// Where.
        x: f64,
        /// What it says.
        text: String,
    },
    /// A line from left to right.
    Across {
        /// Where.
        y: f64,
        /// What it says.
        text: String,
    },
}

/// A name in the legend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// The tint that is explained.
    pub tint: Tint,
    /// Whether its curves are dashed.
    pub dashed: bool,
    /// What it is.
    pub text: String,
}

impl Key {
    /// A name for full lines or dots.
    pub fn new(tint: Tint, text: impl Into<String>) -> Self {
        Self {
            tint,
            dashed: false,
            text: text.into(),
        }
    }

    /// A name for dashed lines.
    pub fn dashed(tint: Tint, text: impl Into<String>) -> Self {
        Self {
            dashed: true,
            ..Self::new(tint, text)
        }
    }
}

/// A chart.
#[derive(Clone, Debug, PartialEq)]
pub struct Chart {
    /// Short and unique on a page: the file's name, the place to link to.
    pub name: String,
    /// What it shows.
    pub title: String,
    /// One sentence: how to read it, and what it says where that can be told.
    pub reading: String,
    /// The horizontal axis.
    pub x: Axis,
    /// The vertical axis.
    pub y: Axis,
    /// What is shown, back to front.
    pub marks: Vec<Mark>,
    /// What the tints mean.
    pub keys: Vec<Key>,
    /// What the colours of an image mean.
    pub bar: Option<(ColourMap, Axis)>,
    /// Whether it takes a row of its own.
    pub wide: bool,
}

impl Chart {
    /// An empty chart.
    pub fn new(name: &str, title: &str, x: Axis, y: Axis) -> Self {
        Self {
            name: name.to_string(),
            title: title.to_string(),
            reading: String::new(),
            x,
            y,
            marks: Vec::new(),
            keys: Vec::new(),
            bar: None,
            wide: false,
        }
    }

    /// Adds a full curve and its name.
    pub fn curve(&mut self, tint: Tint, text: &str, points: Vec<[f64; 2]>) {
        self.keys.push(Key::new(tint, text));
        self.marks.push(Mark::Curve {
            points,
            tint,
            dashed: false,
        });
    }

    /// Adds a dashed curve and its name.
    pub fn dashed_curve(&mut self, tint: Tint, text: &str, points: Vec<[f64; 2]>) {
        self.keys.push(Key::dashed(tint, text));
        self.marks.push(Mark::Curve {
            points,
            tint,
            dashed: true,
        });
    }

    /// A point as shares of the plot area, from its left and its top, held inside it; `None`
    /// where it is not finite.
    pub fn place(&self, [x, y]: [f64; 2]) -> Option<[f64; 2]> {
        let place = [self.x.share(x), 1.0 - self.y.share(y)];
        let known = !place[0].is_nan() && !place[1].is_nan();
        known.then(|| place.map(|v| v.clamp(0.0, 1.0)))
    }

    /// A curve as unbroken stretches of [`Chart::place`]s.
    pub fn stretches(&self, points: &[[f64; 2]]) -> Vec<Vec<[f64; 2]>> {
        let placed: Vec<_> = points.iter().map(|p| self.place(*p)).collect();
        placed
            .split(Option::is_none)
            .filter(|part| !part.is_empty())
            .map(|part| part.iter().copied().flatten().collect())
            .collect()
    }

    /// Whether an image fills the plot area, which leaves no room for grid lines.
    pub fn has_image(&self) -> bool {
        self.marks.iter().any(|m| matches!(m, Mark::Image(_)))
    }
}
