//! A page to listen and compare: sounds with players, pictures and figures side by side.
//!
//! Knows nothing of how the sounds were made. The page needs no network; sounds and pictures lie
//! beside it.

use super::html::shell::{self, Shell};
use super::markup::escape;

/// One sound on the page.
#[derive(Clone, Debug, PartialEq)]
pub struct Sound {
    /// What it is.
    pub title: String,
    /// Its file, relative to the page.
    pub file: String,
    /// Its picture, relative to the page.
    pub picture: Option<String>,
    /// Names and values to compare; missing ones are left empty in the table.
    pub figures: Vec<(String, String)>,
}

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:70rem;\
padding:0 1rem;color:#282c34;background:#fff}\
table{border-collapse:collapse;margin:1.5rem 0}\
th,td{padding:.3rem .8rem;text-align:right;border-bottom:1px solid #e1e4e9}\
th:first-child,td:first-child{text-align:left}\
section{border-top:1px solid #e1e4e9;padding:1rem 0}\
audio{width:100%}img{max-width:100%}\
@media(prefers-color-scheme:dark){body{color:#dde;background:#16181d}img{filter:brightness(.9)}}";

/// What marks a page as made here.
const GENERATOR: &str = "effigy";

/// Whether a document is such a page, which may be replaced by a newer one.
pub fn is_page(document: &str) -> bool {
    shell::is_made_by(GENERATOR, document)
}

/// The page as one HTML document: a table of all figures, then every sound with its player.
pub fn page(title: &str, sounds: &[Sound]) -> String {
    let mut columns: Vec<&str> = Vec::new();
    for (name, _) in sounds.iter().flat_map(|s| &s.figures) {
        if !columns.contains(&name.as_str()) {
            columns.push(name);
        }
    }
    let heading = escape(title);
    let table = table(&columns, sounds);
    let sections: String = sounds.iter().enumerate().map(section).collect();
    shell::page(&Shell {
        title,
        generator: GENERATOR,
        // Sounds and pictures are files of their own, which no policy names in one way.
        policy: None,
        style: STYLE,
        body: &format!("<h1>{heading}</h1>\n{table}{sections}"),
    })
}

fn table(columns: &[&str], sounds: &[Sound]) -> String {
    let headings: String = columns
        .iter()
        .map(|c| format!("<th>{}</th>", escape(c)))
        .collect();
    let row = |(i, sound): (usize, &Sound)| {
        let value = |column: &&str| {
            let figure = sound.figures.iter().find(|(name, _)| name == column);
            format!("<td>{}</td>", escape(figure.map_or("", |(_, value)| value)))
        };
        let cells: String = columns.iter().map(value).collect();
        format!(
            "<tr><td><a href=\"#s{i}\">{}</a></td>{cells}</tr>\n",
            escape(&sound.title)
        )
    };
    let rows: String = sounds.iter().enumerate().map(row).collect();
    format!("<table>\n<tr><th>sound</th>{headings}</tr>\n{rows}</table>\n")
}

fn section((i, sound): (usize, &Sound)) -> String {
    let picture = sound.picture.as_deref().map_or(String::new(), |file| {
        format!(
            "<img loading=\"lazy\" alt=\"{}\" src=\"{}\">\n",
            escape(&sound.title),
            link(file)
        )
    });
    format!(
        "<section id=\"s{i}\">\n<h2>{}</h2>\n<audio controls preload=\"none\" src=\"{}\"></audio>\n{picture}</section>\n",
        escape(&sound.title),
        link(&sound.file)
    )
}

/// A file name as a link: what has a meaning in addresses is written by its code.
fn link(file: &str) -> String {
    let mut out = String::new();
    for byte in file.bytes() {
        let plain = byte.is_ascii_alphanumeric() || b"-_./~".contains(&byte);
        if plain {
            out.push(char::from(byte));
        } else {
            out += &format!("%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sound_has_a_player_and_its_figures() {
        let sound = |title: &str, file: &str, figures: &[(&str, &str)]| Sound {
            title: title.to_string(),
            file: file.to_string(),
            picture: None,
            figures: figures
                .iter()
                .map(|(n, v)| (n.to_string(), v.to_string()))
                .collect(),
        };
        let page = page(
            "a & b",
            &[
                sound("<pca>", "in #1.wav", &[("step", "71.2")]),
                sound("path", "path.wav", &[("step", "5.0"), ("kl", "0.5")]),
            ],
        );
        assert!(is_page(&page) && !is_page("<html><h1>my own page</h1></html>"));
        assert!(page.contains("<h1>a &amp; b</h1>") && page.contains("&lt;pca&gt;"));
        assert!(page.contains("src=\"in%20%231.wav\"") && page.contains("src=\"path.wav\""));
        assert_eq!(page.matches("<audio").count(), 2);
        assert!(
            page.contains("<td>71.2</td><td></td>") && page.contains("<td>5.0</td><td>0.5</td>")
        );
    }
}
