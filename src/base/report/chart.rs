//! Charts in the coordinates of what they show: axes, curves, dots, images, and how to read them.
//!
//! One description serves the page (`html`), which draws it in the reader's colours and at the
//! window's width, and files for papers ([`Chart::figure`]). Knows nothing of what is shown.

use super::figure::{Anchor, Axis, ColourMap, FAINT, Figure, Image, Panel, Rgb, Shape};

/// What a mark stands for; the same everywhere on a page, in light and in dark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tint {
    /// Text, rules.
    Ink,
    /// The sound without the effect.
    Dry,
    /// The recording through the effect.
    Wet,
    /// What the network makes of the dry sound.
    Predicted,
    /// Wet minus predicted.
    Error,
    /// The effect itself, where it is known.
    Truth,
    /// A level, 0 the quietest of [`LEVELS`].
    Level(usize),
    /// One of several runs.
    Run(usize),
}

/// Levels that have a tint of their own.
pub const LEVELS: usize = 5;

/// Runs that have a tint of their own; later ones repeat them.
pub const RUNS: usize = 8;

impl Tint {
    /// Every tint.
    pub fn all() -> impl Iterator<Item = Self> {
        let named = [
            Self::Ink,
            Self::Dry,
            Self::Wet,
            Self::Predicted,
            Self::Error,
            Self::Truth,
        ];
        let levels = (0..LEVELS).map(Self::Level);
        named
            .into_iter()
            .chain(levels)
            .chain((0..RUNS).map(Self::Run))
    }

    /// Its name in style sheets.
    pub fn name(self) -> String {
        match self {
            Self::Ink => "ink".to_string(),
            Self::Dry => "dry".to_string(),
            Self::Wet => "wet".to_string(),
            Self::Predicted => "predicted".to_string(),
            Self::Error => "error".to_string(),
            Self::Truth => "truth".to_string(),
            Self::Level(n) => format!("level-{}", n.min(LEVELS - 1)),
            Self::Run(n) => format!("run-{}", n % RUNS),
        }
    }

    /// The colour on light paper and on dark. Pairs that meet in one chart (wet and predicted,
    /// neighbouring runs) differ for colour-blind readers too: they differ in lightness or lie
    /// on the blue to orange axis.
    pub fn colours(self) -> (Rgb, Rgb) {
        match self {
            Self::Ink => ([29, 33, 41], [230, 232, 238]),
            Self::Dry => ([107, 114, 128], [150, 160, 178]),
            Self::Wet => ([29, 84, 196], [130, 177, 255]),
            Self::Predicted => ([214, 84, 8], [255, 165, 92]),
            Self::Error => ([176, 24, 140], [244, 140, 224]),
            Self::Truth => ([12, 122, 104], [94, 220, 196]),
            Self::Level(n) => [
                ([168, 186, 222], [72, 92, 140]),
                ([126, 154, 212], [94, 122, 186]),
                ([82, 120, 198], [124, 158, 228]),
                ([44, 82, 172], [166, 194, 250]),
                ([14, 44, 120], [214, 228, 255]),
            ][n.min(LEVELS - 1)],
            // After M. Okabe and K. Ito, "Color Universal Design", 2008.
            Self::Run(n) => [
                ([0, 94, 162], [102, 178, 240]),
                ([200, 84, 0], [255, 158, 84]),
                ([0, 132, 98], [84, 212, 170]),
                ([172, 74, 132], [236, 160, 206]),
                ([140, 104, 0], [232, 194, 72]),
                ([84, 84, 96], [186, 186, 200]),
                ([96, 60, 180], [180, 156, 250]),
                ([160, 32, 48], [248, 130, 140]),
            ][n % RUNS],
        }
    }
}

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

    /// The chart on white paper, for a file.
    pub fn figure(&self) -> Figure {
        let (width, height) = if self.wide {
            (1000.0, 380.0)
        } else {
            (640.0, 420.0)
        };
        let right = if self.bar.is_some() { 90.0 } else { 24.0 };
        let keys = self.key_places(width);
        let top = keys.last().map_or(44.0, |[_, y]| y + KEY_ROW);
        let mut figure = Figure::new(width, height);
        let panel = Panel {
            at: [LEFT, top, width - LEFT - right, height - top - 52.0],
            title: String::new(),
            x: self.x.clone(),
            y: self.y.clone(),
        };
        figure.text([panel.at[0], 26.0], 17.0, Anchor::Start, self.title.clone());
        self.draw_keys(&mut figure, &keys);
        if !self.marks.iter().any(|m| matches!(m, Mark::Image(_))) {
            panel.draw_grid(&mut figure);
        }
        for mark in &self.marks {
            self.draw_mark(&mut figure, panel.at, mark);
        }
        panel.draw_frame(&mut figure);
        if let Some((map, axis)) = &self.bar {
            panel.draw_colour_bar(&mut figure, *map, axis);
        }
        figure
    }

    /// Where the legend's entries begin on paper of this width, row under row.
    fn key_places(&self, width: f64) -> Vec<[f64; 2]> {
        let mut places = Vec::new();
        let [mut x, mut y] = [LEFT, 48.0];
        for key in &self.keys {
            // Wide enough for the stroke font and for common ones.
            let room = 44.0 + 7.6 * key.text.chars().count() as f64;
            if x > LEFT && x + room > width {
                [x, y] = [LEFT, y + KEY_ROW];
            }
            places.push([x, y]);
            x += room;
        }
        places
    }

    fn draw_keys(&self, figure: &mut Figure, places: &[[f64; 2]]) {
        for (key, [x, y]) in self.keys.iter().zip(places) {
            let line = [[*x, y - 5.0], [x + 22.0, y - 5.0]];
            draw_curve(figure, &line, key.tint.colours().0, key.dashed);
            figure.text([x + 28.0, *y], 13.0, Anchor::Start, key.text.clone());
        }
    }

    fn draw_mark(&self, figure: &mut Figure, [left, top, width, height]: [f64; 4], mark: &Mark) {
        let on_paper = |[x, y]: [f64; 2]| [left + width * x, top + height * y];
        match mark {
            Mark::Curve {
                points,
                tint,
                dashed,
            } => {
                for part in self.stretches(points) {
                    let part: Vec<_> = part.into_iter().map(on_paper).collect();
                    draw_curve(figure, &part, tint.colours().0, *dashed);
                }
            }
            Mark::Dots { points, tint } => {
                for [x, y] in points.iter().filter_map(|p| self.place(*p)).map(on_paper) {
                    figure.shapes.push(Shape::Disc {
                        at: [x, y, 3.2],
                        fill: tint.colours().0,
                        opacity: 1.0,
                    });
                }
            }
            Mark::Stems { points, tint } => {
                for [x, y] in points.iter().filter_map(|p| self.place(*p)).map(on_paper) {
                    figure.shapes.push(Shape::Rect {
                        at: [x - 0.5 * STEM_WIDTH, y, STEM_WIDTH, top + height - y],
                        fill: tint.colours().0,
                    });
                }
            }
            Mark::Image(image) => figure.shapes.push(Shape::Raster {
                at: [left, top, width, height],
                image: image.clone(),
            }),
            Mark::Upright { x, text } => {
                let x = left + width * self.x.share(*x).clamp(0.0, 1.0);
                figure.line([x, top, x, top + height], 1.0, RULE);
                let at_right = x > left + 0.75 * width;
                let (gap, anchor) = if at_right {
                    (-5.0, Anchor::End)
                } else {
                    (5.0, Anchor::Start)
                };
                figure.text([x + gap, top + 14.0], 12.0, anchor, text.clone());
            }
            Mark::Across { y, text } => {
                let y = top + height * (1.0 - self.y.share(*y)).clamp(0.0, 1.0);
                figure.line([left, y, left + width, y], 1.0, RULE);
                let at = [left + width - 5.0, y - 5.0];
                figure.text(at, 12.0, Anchor::End, text.clone());
            }
        }
    }
}

const RULE: Rgb = [130, 136, 148];

const CURVE_WIDTH: f64 = 1.6;

const STEM_WIDTH: f64 = 5.0;

/// Room for the vertical axis and its label.
const LEFT: f64 = 78.0;

/// From one row of the legend to the next.
const KEY_ROW: f64 = 18.0;

/// Length of a dash and of the gap after it.
const DASH: [f64; 2] = [6.0, 4.0];

fn draw_curve(figure: &mut Figure, points: &[[f64; 2]], ink: Rgb, dashed: bool) {
    let pieces = if dashed {
        dashes(points)
    } else {
        vec![points.to_vec()]
    };
    for points in pieces {
        figure.shapes.push(Shape::Path {
            points,
            width: CURVE_WIDTH,
            ink,
        });
    }
}

/// A path cut into dashes.
fn dashes(points: &[[f64; 2]]) -> Vec<Vec<[f64; 2]>> {
    let mut pieces = Vec::new();
    let mut current = points.first().map_or(Vec::new(), |p| vec![*p]);
    let (mut phase, mut left) = (0, DASH[0]);
    for pair in points.windows(2) {
        let [mut from, to] = [pair[0], pair[1]];
        let mut rest = (to[0] - from[0]).hypot(to[1] - from[1]);
        while rest > left {
            let t = left / rest;
            from = [
                from[0] + t * (to[0] - from[0]),
                from[1] + t * (to[1] - from[1]),
            ];
            rest -= left;
            if phase == 0 {
                current.push(from);
                pieces.push(std::mem::take(&mut current));
            } else {
                current = vec![from];
            }
            phase = 1 - phase;
            left = DASH[phase];
        }
        left -= rest;
        if phase == 0 {
            current.push(to);
        }
    }
    if current.len() > 1 {
        pieces.push(current);
    }
    pieces
}

/// A linear axis through all finite values, with a little room at both ends.
pub fn fitting_axis(label: &str, values: impl Iterator<Item = f64>) -> Axis {
    match extent(values) {
        Some((low, high)) => {
            let room = 0.04 * (high - low);
            Axis::linear(label, low - room, high + room)
        }
        None => Axis::linear(label, 0.0, 1.0),
    }
}

/// A logarithmic axis through all finite values above zero.
pub fn fitting_log_axis(label: &str, values: impl Iterator<Item = f64>) -> Axis {
    match extent(values.filter(|v| *v > 0.0)) {
        Some((low, high)) => Axis::logarithmic(label, low / 1.15, high * 1.15),
        None => Axis::logarithmic(label, 0.1, 1.0),
    }
}

/// The smallest and the largest finite value.
pub fn extent(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    values.filter(|v| v.is_finite()).fold(None, |found, v| {
        let (low, high) = found.unwrap_or((v, v));
        Some((v.min(low), v.max(high)))
    })
}

/// The colour of grid lines on the page, light and dark.
pub const GRID: (Rgb, Rgb) = (FAINT, [50, 55, 66]);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{png, svg};

    #[test]
    fn dashes_cover_their_share_of_a_path() {
        let length = |p: &[[f64; 2]]| -> f64 {
            p.windows(2)
                .map(|w| (w[1][0] - w[0][0]).hypot(w[1][1] - w[0][1]))
                .sum()
        };
        let path: Vec<[f64; 2]> = (0..=100)
            .map(|i| [f64::from(i), f64::from(i * i) * 0.01])
            .collect();
        let drawn: f64 = dashes(&path).iter().map(|d| length(d)).sum();
        let whole = length(&path);
        // All but one dash or gap at the end.
        let expected = 0.6 * whole;
        assert!((drawn - expected).abs() <= 4.0, "{drawn} of {whole}");
        assert!(dashes(&[]).is_empty());
    }

    #[test]
    fn a_chart_with_gaps_and_infinities_is_drawn() {
        let mut chart = Chart::new(
            "c",
            "t",
            fitting_axis("x", [0.0, 3.0].into_iter()),
            fitting_log_axis("y", [f64::NAN, 0.0, -1.0].into_iter()),
        );
        let points = vec![
            [0.0, 0.5],
            [1.0, f64::NAN],
            [2.0, f64::INFINITY],
            [3.0, 0.2],
            [3.0, 0.0],
        ];
        assert_eq!(chart.stretches(&points).len(), 2);
        chart.curve(Tint::Wet, "wet", points.clone());
        chart.dashed_curve(Tint::Truth, "effect", points.clone());
        chart.marks.push(Mark::Stems {
            points: points.clone(),
            tint: Tint::Level(1),
        });
        chart.marks.push(Mark::Dots {
            points,
            tint: Tint::Run(9),
        });
        chart.marks.push(Mark::Upright {
            x: 2.9,
            text: "here".to_string(),
        });
        chart.marks.push(Mark::Across {
            y: 0.3,
            text: "there".to_string(),
        });
        let drawn = svg::draw(&chart.figure()).unwrap();
        assert!(!drawn.contains("NaN") && !drawn.contains("inf"));
        assert!(png::draw(&chart.figure()).is_ok());
    }
}
