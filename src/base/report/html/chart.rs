//! A chart as HTML: curves in an SVG that stretches with the window, labels as text beside it
//! that does not.

use crate::report::axis::Axis;
use crate::report::chart::{Chart, Key, Mark};
use crate::report::colour::{ColourMap, Rgb};
use crate::report::figure::Image;
use crate::report::markup::{base64, escape};
use crate::report::png;
use std::fmt::Write;

/// Units of the drawing from side to side.
const UNITS: f64 = 1000.0;

/// The chart with its title, its legend and how to read it.
pub(super) fn html(chart: &Chart) -> String {
    let wide = if chart.wide { " wide" } else { "" };
    let (name, title) = (escape(&chart.name), escape(&chart.title));
    let reading = escape(&chart.reading);
    let keys = keys(&chart.keys);
    let bar = chart
        .bar
        .as_ref()
        .map_or(String::new(), |(map, axis)| colour_bar(*map, axis));
    let with_bar = if chart.bar.is_some() { " with-bar" } else { "" };
    format!(
        "<figure class=\"chart{wide}\" id=\"chart-{name}\">\n<figcaption><h3>{title}</h3>\
         <p>{reading}</p></figcaption>\n{keys}\
         <div class=\"plot{with_bar}\" role=\"img\" aria-label=\"{title}. {reading}\">\n\
         <span class=\"label-y\">{}</span>\n{}{bar}<span class=\"label-x\">{}</span>\n</div>\n</figure>\n",
        escape(&chart.y.label),
        area(chart),
        escape(&chart.x.label),
    )
}

fn keys(keys: &[Key]) -> String {
    // An empty list keeps the plots of a row on one line.
    let items: String = keys
        .iter()
        .map(|key| {
            let dashed = if key.dashed { " class=\"dashed\"" } else { "" };
            let (tint, text) = (key.tint.name(), escape(&key.text));
            format!("<li{dashed} style=\"--c:var(--{tint})\">{text}</li>")
        })
        .collect();
    format!("<ul class=\"keys\">{items}</ul>\n")
}

/// The plot area with its ticks.
fn area(chart: &Chart) -> String {
    let grid = if chart.has_image() {
        String::new()
    } else {
        grid(chart)
    };
    let (mut drawing, mut around) = (String::new(), String::new());
    for mark in &chart.marks {
        match mark {
            Mark::Image(image) => around += &raster(image),
            other => drawing += &drawn(chart, other),
        }
        around += &note(chart, mark);
    }
    let svg = format!(
        "<svg viewBox=\"0 0 {UNITS} {UNITS}\" preserveAspectRatio=\"none\" aria-hidden=\"true\">\
         {grid}{drawing}</svg>"
    );
    format!(
        "<div class=\"area\" data-x=\"{}\" data-y=\"{}\">{around}{svg}{}{}</div>\n",
        range(&chart.x),
        range(&chart.y),
        ticks(&chart.x, "tx", "left", |share| share),
        ticks(&chart.y, "ty", "top", |share| 1.0 - share),
    )
}

/// `from to`, and whether logarithmic, for the read-out under the pointer.
fn range(axis: &Axis) -> String {
    let kind = if axis.logarithmic { "log" } else { "linear" };
    // Mel bands are not the numbers on their axis: there is nothing to read out.
    let named = |(value, text): &(f64, String)| {
        let shown = text.trim_end_matches('k').parse::<f64>();
        let factor = if text.ends_with('k') { 1e3 } else { 1.0 };
        shown.is_ok_and(|shown| (shown * factor - value).abs() <= 0.01 * value.abs().max(1e-12))
    };
    if axis.ticks.iter().all(named) {
        format!("{} {} {kind}", axis.from, axis.to)
    } else {
        String::new()
    }
}

fn ticks(axis: &Axis, class: &str, side: &str, place: impl Fn(f64) -> f64) -> String {
    let tick = |(value, text): &(f64, String)| {
        let at = percent(place(axis.share(*value)));
        format!(
            "<i class=\"{class}\" style=\"{side}:{at}%\">{}</i>",
            escape(text)
        )
    };
    axis.ticks.iter().map(tick).collect()
}

fn grid(chart: &Chart) -> String {
    let mut d = String::new();
    for (value, _) in &chart.x.ticks {
        let _ = write!(d, "M{} 0V{UNITS}", units(chart.x.share(*value)));
    }
    for (value, _) in &chart.y.ticks {
        let _ = write!(d, "M0 {}H{UNITS}", units(1.0 - chart.y.share(*value)));
    }
    format!("<path class=\"grid\" d=\"{d}\"/>")
}

fn drawn(chart: &Chart, mark: &Mark) -> String {
    match mark {
        Mark::Curve {
            points,
            tint,
            dashed,
        } => {
            let mut d = String::new();
            for part in chart.stretches(points) {
                for (i, [x, y]) in part.iter().enumerate() {
                    let letter = if i == 0 { 'M' } else { 'L' };
                    let _ = write!(d, "{letter}{} {}", units(*x), units(*y));
                }
                // A lone point has no length; its round end is seen.
                if part.len() == 1 {
                    d += "h0";
                }
            }
            let class = if *dashed { "curve dashed" } else { "curve" };
            format!(
                "<path class=\"{class}\" style=\"--c:var(--{})\" d=\"{d}\"/>",
                tint.name()
            )
        }
        Mark::Dots { points, tint } => {
            let mut d = String::new();
            for [x, y] in points.iter().filter_map(|p| chart.place(*p)) {
                let _ = write!(d, "M{} {}h0", units(x), units(y));
            }
            format!(
                "<path class=\"dots\" style=\"--c:var(--{})\" d=\"{d}\"/>",
                tint.name()
            )
        }
        Mark::Cloud { points, .. } => {
            let dot = |(point, [r, g, b]): &([f64; 2], Rgb)| {
                let [x, y] = chart.place(*point)?.map(units);
                Some(format!(
                    "<path class=\"dots\" style=\"--c:#{r:02x}{g:02x}{b:02x}\" d=\"M{x} {y}h0\"/>"
                ))
            };
            points.iter().filter_map(dot).collect()
        }
        Mark::Stems { points, tint } => {
            let mut d = String::new();
            for [x, y] in points.iter().filter_map(|p| chart.place(*p)) {
                let _ = write!(d, "M{} {UNITS}V{}", units(x), units(y));
            }
            format!(
                "<path class=\"stems\" style=\"--c:var(--{})\" d=\"{d}\"/>",
                tint.name()
            )
        }
        Mark::Upright { x, .. } => {
            let x = units(chart.x.share(*x).clamp(0.0, 1.0));
            format!("<path class=\"rule\" d=\"M{x} 0V{UNITS}\"/>")
        }
        Mark::Across { y, .. } => {
            let y = units((1.0 - chart.y.share(*y)).clamp(0.0, 1.0));
            format!("<path class=\"rule\" d=\"M0 {y}H{UNITS}\"/>")
        }
        Mark::Image(_) => String::new(),
    }
}

/// What stands beside a rule.
fn note(chart: &Chart, mark: &Mark) -> String {
    match mark {
        Mark::Upright { x, text } => {
            let share = chart.x.share(*x).clamp(0.0, 1.0);
            let (side, at) = if share > 0.75 {
                ("right", 1.0 - share)
            } else {
                ("left", share)
            };
            let (at, text) = (percent(at), escape(text));
            format!("<i class=\"note\" style=\"{side}:{at}%;top:0\">{text}</i>")
        }
        Mark::Across { y, text } => {
            let at = percent(chart.y.share(*y).clamp(0.0, 0.9));
            format!(
                "<i class=\"note\" style=\"right:0;bottom:{at}%\">{}</i>",
                escape(text)
            )
        }
        _ => String::new(),
    }
}

fn raster(image: &Image) -> String {
    // An image without pixels shows nothing, and has no PNG.
    png::encode_small(image).map_or(String::new(), |bytes| {
        format!(
            "<img alt=\"\" src=\"data:image/png;base64,{}\">",
            base64(&bytes)
        )
    })
}

fn colour_bar(map: ColourMap, axis: &Axis) -> String {
    let stops: Vec<String> = (0..=10)
        .map(|i| map.at(f64::from(i) / 10.0))
        .map(|[r, g, b]| format!("#{r:02x}{g:02x}{b:02x}"))
        .collect();
    format!(
        "<div class=\"bar\"><span class=\"label-bar\">{}</span>\
         <div style=\"background:linear-gradient(to top,{})\">{}</div></div>\n",
        escape(&axis.label),
        stops.join(","),
        ticks(axis, "tb", "top", |share| 1.0 - share),
    )
}

/// A share of the drawing in its units; a tenth of a unit is less than a pixel.
fn units(share: f64) -> f64 {
    (share * UNITS * 10.0).round() / 10.0
}

fn percent(share: f64) -> f64 {
    (share * 10_000.0).round() / 100.0
}
