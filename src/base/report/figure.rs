//! Pictures as lists of simple shapes, drawn as PNG or SVG.
//!
//! Knows nothing of what is shown. Lengths are in figure units; a PNG has two pixels per unit.

use super::colour::{INK, PAPER, Rgb};

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
