//! The style sheet: the hand-written part, and the tints of the charts in light and dark.

use crate::report::colour::Rgb;
use crate::report::colour::{GRID, Tint};

/// The whole sheet.
pub(super) fn sheet() -> String {
    let tints: Vec<(String, (Rgb, Rgb))> = Tint::all()
        .map(|t| (t.name(), t.colours()))
        .chain([("grid".to_string(), GRID)])
        .collect();
    let variables = |dark: bool| -> String {
        let line = |(name, (light, night)): &(String, (Rgb, Rgb))| {
            let [r, g, b] = if dark { night } else { light };
            format!("--{name}:#{r:02x}{g:02x}{b:02x};")
        };
        tints.iter().map(line).collect()
    };
    let light = format!("color-scheme:light;{LIGHT}{}", variables(false));
    let dark = format!("color-scheme:dark;{DARK}{}", variables(true));
    format!(
        ":root{{{light}}}\n\
         @media(prefers-color-scheme:dark){{:root:not([data-theme=light]){{{dark}}}}}\n\
         :root[data-theme=dark]{{{dark}}}\n{}",
        include_str!("page.css")
    )
}

/// Colours of the page around the charts.
const LIGHT: &str = "--paper:#ffffff;--panel:#f6f7f9;--line:#dfe3e9;--soft:#566070;--link:#1d54c4;\
                     --great:#0b7a4b;--good:#3d7a0b;--fair:#a05a00;--poor:#b3261e;";
const DARK: &str = "--paper:#14171c;--panel:#1c2027;--line:#333a45;--soft:#a3adbb;--link:#82b1ff;\
                    --great:#5fd69c;--good:#a6d66b;--fair:#ffb95c;--poor:#ff8a80;";
