//! Figures as SVG: shapes as such, images embedded as PNG.
//!
//! Knows shapes, not what they mean.

use super::colour::Rgb;
use super::figure::{Anchor, Figure, Shape};
use super::markup::{base64, escape};
use super::png;
use std::io;

/// Writes the figure as one self-contained SVG document.
///
/// # Errors
/// The PNG encoder's, which writing to memory does not provoke.
pub fn draw(figure: &Figure) -> io::Result<String> {
    let (width, height) = (figure.width, figure.height);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" font-family=\"Helvetica, Arial, sans-serif\">\n"
    );
    for shape in &figure.shapes {
        out += &element(shape)?;
        out.push('\n');
    }
    out += "</svg>\n";
    Ok(out)
}

fn element(shape: &Shape) -> io::Result<String> {
    Ok(match shape {
        Shape::Rect { at, fill } => {
            let [x, y, w, h] = at.map(rounded);
            let fill = colour(*fill);
            format!("<rect x=\"{x}\" y=\"{y}\" width=\"{w}\" height=\"{h}\" fill=\"{fill}\"/>")
        }
        Shape::Line { at, width, ink } => {
            let [x0, y0, x1, y1] = at.map(rounded);
            let ink = colour(*ink);
            format!(
                "<line x1=\"{x0}\" y1=\"{y0}\" x2=\"{x1}\" y2=\"{y1}\" stroke=\"{ink}\" \
                 stroke-width=\"{width}\"/>"
            )
        }
        Shape::Path { points, width, ink } => {
            let ink = colour(*ink);
            let corners: Vec<String> = points
                .iter()
                .map(|p| p.map(rounded))
                .map(|[x, y]| format!("{x},{y}"))
                .collect();
            format!(
                "<polyline points=\"{}\" fill=\"none\" stroke=\"{ink}\" stroke-width=\"{width}\" \
                 stroke-linejoin=\"round\"/>",
                corners.join(" ")
            )
        }
        Shape::Disc { at, fill, opacity } => {
            let [x, y, r] = at.map(rounded);
            let fill = colour(*fill);
            format!(
                "<circle cx=\"{x}\" cy=\"{y}\" r=\"{r}\" fill=\"{fill}\" opacity=\"{opacity}\"/>"
            )
        }
        Shape::Text {
            at,
            text,
            size,
            anchor,
            upwards,
            ink,
        } => {
            let [x, y] = at.map(rounded);
            let anchor = match anchor {
                Anchor::Start => "start",
                Anchor::Middle => "middle",
                Anchor::End => "end",
            };
            let turn = if *upwards {
                format!(" transform=\"rotate(-90 {x} {y})\"")
            } else {
                String::new()
            };
            let (ink, text) = (colour(*ink), escape(text));
            format!(
                "<text x=\"{x}\" y=\"{y}\" font-size=\"{size}\" text-anchor=\"{anchor}\" \
                 fill=\"{ink}\"{turn}>{text}</text>"
            )
        }
        Shape::Raster { at, image } => {
            let [x, y, w, h] = at.map(rounded);
            let data = base64(&png::encode_small(image)?);
            format!(
                "<image x=\"{x}\" y=\"{y}\" width=\"{w}\" height=\"{h}\" \
                 preserveAspectRatio=\"none\" style=\"image-rendering:pixelated\" \
                 href=\"data:image/png;base64,{data}\"/>"
            )
        }
    })
}

/// A hundredth of a unit is less than anyone sees, and keeps the file small.
fn rounded(x: f64) -> f64 {
    (x * 100.0).round() / 100.0
}

fn colour([r, g, b]: Rgb) -> String {
    format!("#{r:02x}{g:02x}{b:02x}")
}
