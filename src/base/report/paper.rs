//! Charts on white paper: a whole figure for a file, or a part of one.
//!
//! Knows nothing of what is shown, nor of pages.

use super::axis::Axis;
use super::chart::{Chart, Mark};
use super::colour::{ColourMap, FAINT, INK, Rgb};
use super::figure::{Anchor, Figure, Image, Shape};

impl Chart {
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
        figure.text([LEFT, 26.0], 17.0, Anchor::Start, self.title.clone());
        self.draw_keys(&mut figure, &keys);
        let at = [LEFT, top, width - LEFT - right, height - top - 52.0];
        self.draw_plot(&mut figure, at, "");
        figure
    }

    /// Draws the chart without its legend as a part of a figure: the plot area is `at` (left, top,
    /// width, height); labels need some 70 units on the left, a bar 80 on the right.
    pub fn draw(&self, figure: &mut Figure, at: [f64; 4]) {
        self.draw_plot(figure, at, &self.title);
    }

    fn draw_plot(&self, figure: &mut Figure, at: [f64; 4], title: &str) {
        if !self.has_image() {
            self.draw_grid(figure, at);
        }
        for mark in &self.marks {
            self.draw_mark(figure, at, mark);
        }
        self.draw_frame(figure, at, title);
        if let Some((map, axis)) = &self.bar {
            draw_colour_bar(figure, at, *map, axis);
        }
    }

    /// Draws grid lines across the plot area, to go under what is shown.
    fn draw_grid(&self, figure: &mut Figure, [left, top, width, height]: [f64; 4]) {
        for (value, _) in &self.x.ticks {
            let x = left + width * self.x.share(*value);
            figure.line([x, top, x, top + height], 0.8, FAINT);
        }
        for (value, _) in &self.y.ticks {
            let y = top + height * (1.0 - self.y.share(*value));
            figure.line([left, y, left + width, y], 0.8, FAINT);
        }
    }

    /// Draws the frame, ticks, labels and title, to go over what is shown.
    fn draw_frame(&self, figure: &mut Figure, at: [f64; 4], title: &str) {
        let [left, top, width, height] = at;
        let (right, bottom) = (left + width, top + height);
        for side in [
            [left, top, right, top],
            [right, top, right, bottom],
            [right, bottom, left, bottom],
            [left, bottom, left, top],
        ] {
            figure.line(side, 1.0, INK);
        }
        figure.text([left, top - 9.0], 15.0, Anchor::Start, title);
        for (value, text) in &self.x.ticks {
            let x = left + width * self.x.share(*value);
            figure.line([x, bottom, x, bottom + 4.0], 1.0, INK);
            figure.text([x, bottom + 17.0], LABEL, Anchor::Middle, text.clone());
        }
        for (value, text) in &self.y.ticks {
            let y = top + height * (1.0 - self.y.share(*value));
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
            Mark::Cloud { points, radius } => {
                for (point, fill) in points {
                    if let Some([x, y]) = self.place(*point).map(on_paper) {
                        figure.shapes.push(Shape::Disc {
                            at: [x, y, *radius],
                            fill: *fill,
                            opacity: 0.8,
                        });
                    }
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

/// Draws a bar to the right of the plot area that says what the colours mean.
fn draw_colour_bar(figure: &mut Figure, at: [f64; 4], map: ColourMap, axis: &Axis) {
    let [left, top, width, height] = at;
    let steps = 128;
    let pixels = (0..steps).map(|i| map.at(1.0 - i as f64 / (steps - 1) as f64));
    let (from, bar_width) = (left + width + 16.0, 14.0);
    figure.shapes.push(Shape::Raster {
        at: [from, top, bar_width, height],
        image: Image {
            width: 1,
            pixels: pixels.collect(),
        },
    });
    let right = from + bar_width;
    for (value, text) in &axis.ticks {
        let y = top + height * (1.0 - axis.share(*value));
        figure.line([right, y, right + 4.0, y], 1.0, INK);
        let at = [right + 8.0, y + 0.35 * LABEL];
        figure.text(at, LABEL, Anchor::Start, text.clone());
    }
    figure.text([from, top - 9.0], LABEL, Anchor::Start, axis.label.clone());
}

/// Text size of labels.
const LABEL: f64 = 13.0;

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::axis::{fitting_axis, fitting_log_axis};
    use crate::report::colour::Tint;
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
