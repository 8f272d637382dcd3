//! Figures as PNG: an anti-aliased raster of two pixels per figure unit.
//!
//! Everything with an outline is drawn by one rule: a pixel is covered as far as its centre is
//! inside the shape, up to half a pixel either side of the outline. Knows shapes, not what they
//! mean.

use super::colour::Rgb;
use super::figure::{Anchor, Figure, Image, Shape};
use super::font::{self, CAP_HEIGHT};
use std::collections::BTreeMap;
use std::io;

/// Pixels per figure unit.
const SCALE: f64 = 2.0;

/// Text strokes' width as a share of the text's size.
const STROKE: f64 = 0.1;

/// Draws the figure and encodes it.
///
/// # Errors
/// The encoder's, which writing to memory does not provoke.
pub fn draw(figure: &Figure) -> io::Result<Vec<u8>> {
    let mut canvas = Canvas::new(
        (figure.width * SCALE).round() as usize,
        (figure.height * SCALE).round() as usize,
    );
    for shape in &figure.shapes {
        canvas.shape(shape);
    }
    encode(&canvas.image)
}

/// Encodes pixels as PNG, 8 bits per colour.
///
/// # Errors
/// The encoder's: an image without pixels has no PNG.
pub fn encode(image: &Image) -> io::Result<Vec<u8>> {
    let height = image.pixels.len() / image.width.max(1);
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, image.width as u32, height as u32);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(image.pixels[..image.width * height].as_flattened())?;
    writer.finish()?;
    Ok(bytes)
}

/// As [`encode`], with a palette where there are at most 256 colours: a third of the size.
///
/// # Errors
/// As [`encode`].
pub fn encode_small(image: &Image) -> io::Result<Vec<u8>> {
    let mut places: BTreeMap<Rgb, u8> = BTreeMap::new();
    let mut palette: Vec<Rgb> = Vec::new();
    let height = image.pixels.len() / image.width.max(1);
    let mut indices = Vec::with_capacity(image.width * height);
    for pixel in &image.pixels[..image.width * height] {
        let place = match places.get(pixel) {
            Some(place) => *place,
            None => {
                let Ok(place) = u8::try_from(palette.len()) else {
                    return encode(image);
                };
                palette.push(*pixel);
                places.insert(*pixel, place);
                place
            }
        };
        indices.push(place);
    }
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, image.width as u32, height as u32);
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_palette(palette.into_flattened());
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&indices)?;
    writer.finish()?;
    Ok(bytes)
}

struct Canvas {
    image: Image,
    height: usize,
}

impl Canvas {
    fn new(width: usize, height: usize) -> Self {
        let pixels = vec![[255; 3]; width * height];
        Self {
            image: Image { width, pixels },
            height,
        }
    }

    fn shape(&mut self, shape: &Shape) {
        match shape {
            Shape::Rect { at, fill } => self.fill(at.map(|x| x * SCALE), |_, _| *fill),
            Shape::Line { at, width, ink } => {
                let [x0, y0, x1, y1] = at.map(|x| x * SCALE);
                self.stroke([x0, y0], [x1, y1], width * SCALE, *ink, 1.0);
            }
            Shape::Path { points, width, ink } => {
                for pair in points.windows(2) {
                    let [a, b] = [pair[0], pair[1]].map(|p| p.map(|x| x * SCALE));
                    self.stroke(a, b, width * SCALE, *ink, 1.0);
                }
            }
            Shape::Disc { at, fill, opacity } => {
                let [x, y, radius] = at.map(|x| x * SCALE);
                self.stroke([x, y], [x, y], 2.0 * radius, *fill, *opacity);
            }
            Shape::Text { .. } => self.text(shape),
            Shape::Raster { at, image } => {
                let rows = image.pixels.len() / image.width.max(1);
                // Nearest pixel: a spectrogram's cells are to be seen as they are.
                self.fill(at.map(|x| x * SCALE), |x, y| {
                    let column = ((x * image.width as f64) as usize).min(image.width - 1);
                    let row = ((y * rows as f64) as usize).min(rows - 1);
                    image.pixels[row * image.width + column]
                });
            }
        }
    }

    /// Fills the pixels whose centres are in a rectangle; `colour` gets the place in it, 0 to 1
    /// from the left and from the top.
    fn fill(&mut self, [left, top, width, height]: [f64; 4], colour: impl Fn(f64, f64) -> Rgb) {
        for y in pixels(top, top + height, self.height) {
            for x in pixels(left, left + width, self.image.width) {
                let share = |at: usize, from: f64, size: f64| (at as f64 + 0.5 - from) / size;
                self.image.pixels[y * self.image.width + x] =
                    colour(share(x, left, width), share(y, top, height));
            }
        }
    }

    /// A line with round ends; from a point to itself, a disc.
    fn stroke(&mut self, a: [f64; 2], b: [f64; 2], width: f64, ink: Rgb, opacity: f64) {
        let reach = width / 2.0 + 1.0;
        let span = |i: usize| (a[i].min(b[i]) - reach, a[i].max(b[i]) + reach);
        let (xs, ys) = (span(0), span(1));
        for y in pixels(ys.0, ys.1, self.height) {
            for x in pixels(xs.0, xs.1, self.image.width) {
                let centre = [x as f64 + 0.5, y as f64 + 0.5];
                let inside = width / 2.0 + 0.5 - distance(centre, a, b);
                let cover = inside.clamp(0.0, 1.0) * opacity;
                let pixel = &mut self.image.pixels[y * self.image.width + x];
                for (old, new) in pixel.iter_mut().zip(ink) {
                    let mixed = f64::from(*old) + cover * (f64::from(new) - f64::from(*old));
                    *old = mixed.round() as u8;
                }
            }
        }
    }

    fn text(&mut self, shape: &Shape) {
        let Shape::Text {
            at,
            text,
            size,
            anchor,
            upwards,
            ink,
        } = shape
        else {
            return;
        };
        let unit = size * SCALE * 0.7 / CAP_HEIGHT;
        let length: f64 = text.chars().map(font::advance).sum();
        let mut along = match anchor {
            Anchor::Start => 0.0,
            Anchor::Middle => -length / 2.0,
            Anchor::End => -length,
        };
        let origin = at.map(|x| x * SCALE);
        for letter in text.chars() {
            let place = |[x, y]: [f64; 2]| {
                let (right, up) = ((along + x) * unit, (CAP_HEIGHT - y) * unit);
                if *upwards {
                    [origin[0] - up, origin[1] - right]
                } else {
                    [origin[0] + right, origin[1] - up]
                }
            };
            for stroke in font::strokes(letter) {
                for pair in stroke.windows(2) {
                    let width = size * SCALE * STROKE;
                    self.stroke(place(pair[0]), place(pair[1]), width, *ink, 1.0);
                }
            }
            along += font::advance(letter);
        }
    }
}

/// The pixels whose centres lie between two places, on a canvas of `size` pixels.
fn pixels(from: f64, to: f64, size: usize) -> std::ops::Range<usize> {
    let clamp = |x: f64| (x - 0.5).ceil().clamp(0.0, size as f64) as usize;
    clamp(from)..clamp(to)
}

/// The distance from a point to a line that ends at `a` and `b`.
fn distance(point: [f64; 2], a: [f64; 2], b: [f64; 2]) -> f64 {
    let (along, to) = (
        [b[0] - a[0], b[1] - a[1]],
        [point[0] - a[0], point[1] - a[1]],
    );
    let length = along[0] * along[0] + along[1] * along[1];
    let share = if length > 0.0 {
        ((to[0] * along[0] + to[1] * along[1]) / length).clamp(0.0, 1.0)
    } else {
        0.0
    };
    (to[0] - share * along[0]).hypot(to[1] - share * along[1])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(bytes: &[u8]) -> (u32, u32, Vec<u8>) {
        let mut reader = png::Decoder::new(io::Cursor::new(bytes))
            .read_info()
            .unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        (info.width, info.height, pixels)
    }

    #[test]
    fn a_figure_becomes_the_pixels_it_describes() {
        let mut figure = Figure::new(4.0, 3.0);
        figure.shapes.push(Shape::Rect {
            at: [1.0, 1.0, 2.0, 1.0],
            fill: [10, 20, 30],
        });
        let (width, height, pixels) = decode(&draw(&figure).unwrap());
        assert_eq!((width, height), (8, 6));
        for y in 0..6 {
            for x in 0..8 {
                let inside = (2..6).contains(&x) && (2..4).contains(&y);
                let expected = if inside { [10, 20, 30] } else { [255; 3] };
                assert_eq!(pixels[(y * 8 + x) * 3..][..3], expected, "{x} {y}");
            }
        }
    }

    #[test]
    fn a_palette_changes_no_pixel() {
        let colour = |i: usize| [i as u8, (i / 3) as u8, (i / 256) as u8];
        for (colours, expected) in [(200, png::ColorType::Indexed), (300, png::ColorType::Rgb)] {
            let image = Image {
                width: 30,
                pixels: (0..600).map(|i| colour(i % colours)).collect(),
            };
            let bytes = encode_small(&image).unwrap();
            let mut decoder = png::Decoder::new(io::Cursor::new(&bytes));
            decoder.set_transformations(png::Transformations::EXPAND);
            let mut reader = decoder.read_info().unwrap();
            assert_eq!(reader.info().color_type, expected);
            let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
            reader.next_frame(&mut pixels).unwrap();
            assert_eq!(pixels, image.pixels.as_flattened());
        }
    }

    #[test]
    fn a_disc_covers_its_area() {
        let mut figure = Figure::new(20.0, 20.0);
        figure.shapes.push(Shape::Disc {
            at: [10.0, 10.0, 6.0],
            fill: [0; 3],
            opacity: 1.0,
        });
        let (_, _, pixels) = decode(&draw(&figure).unwrap());
        let ink: f64 = pixels
            .iter()
            .step_by(3)
            .map(|&p| 1.0 - f64::from(p) / 255.0)
            .sum();
        let area = std::f64::consts::PI * 12.0 * 12.0;
        assert!((ink / area - 1.0).abs() < 0.01, "{ink} {area}");
    }

    #[test]
    fn text_stays_on_its_side_of_the_anchor() {
        for (anchor, left, right) in [(Anchor::Start, 0, 1), (Anchor::End, 1, 0)] {
            let mut figure = Figure::new(100.0, 20.0);
            figure.text([50.0, 15.0], 10.0, anchor, "Hz");
            let (width, _, pixels) = decode(&draw(&figure).unwrap());
            let dark = |from: u32, to: u32| {
                let xs = |i: usize| (i as u32 / 3 % width) >= from && (i as u32 / 3 % width) < to;
                pixels
                    .iter()
                    .enumerate()
                    .filter(|(i, p)| xs(*i) && **p < 128)
                    .count()
                    > 0
            };
            assert_eq!([dark(0, 96), dark(104, 200)], [left == 1, right == 1]);
        }
    }
}
