//! A run, or several, as one HTML file that needs nothing else: no network, no other file.
//!
//! Knows values and charts ([`Run`], `pictures`) and how they become a document; not where they
//! came from.

mod chart;
mod pack;
mod player;
pub(super) mod shell;
mod style;
mod table;

use super::markup::escape;
use super::pictures::{self, Section};
use super::run::Run;
use super::verdict::Grade;
pub use pack::{JobLine, PackPage, pack_page};
use shell::Shell;

/// What marks a document as made here; such a one may be replaced by a newer one.
const GENERATOR: &str = "effigy report";

/// Nothing may be fetched from anywhere: the browser itself holds the page to it.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; \
                      img-src data:; media-src data:";

/// The script of the button that changes between light and dark.
pub const THEME: &str = include_str!("html/theme.js");

/// The style sheet of all pages: colours in light and dark, and the parts that pages are made of.
pub fn style_sheet() -> String {
    style::sheet()
}

/// Whether a document is a page made here.
pub fn is_page(document: &str) -> bool {
    shell::is_made_by(GENERATOR, document)
}

/// One run's page.
pub fn run_page(run: &Run) -> String {
    let sections = pictures::of_run(run);
    let mut parts = vec![
        ("figures", "Figures", table::run(run)),
        ("listen", "Listen", player::of_run(run)),
    ];
    parts.extend(sections.iter().map(|s| (s.id, s.title, section_body(s))));
    let searched = run.search.as_ref();
    parts.extend(searched.map(|race| ("search", "Search", table::search(race))));
    parts.push(("run", "Run", facts(run, true)));
    let kind = format!("{} network", run.model);
    document(&run.name, &kind, &headline(run), &parts)
}

/// Several runs on one page.
pub fn comparison_page(title: &str, runs: &[Run]) -> String {
    let sections = pictures::of_runs(runs);
    let mut parts = vec![
        ("figures", "Figures", table::runs(runs)),
        ("listen", "Listen", player::of_runs(runs)),
    ];
    parts.extend(sections.iter().map(|s| (s.id, s.title, section_body(s))));
    let all: String = runs.iter().map(|run| facts(run, false)).collect();
    parts.push(("run", "Runs", all));
    document(title, &format!("{} runs compared", runs.len()), "", &parts)
}

/// The document around `(id, heading, body)` parts.
fn document(title: &str, kind: &str, headline: &str, parts: &[(&str, &str, String)]) -> String {
    let links: String = parts
        .iter()
        .map(|(id, heading, _)| format!("<a href=\"#{id}\">{heading}</a>\n"))
        .collect();
    let sections: String = parts
        .iter()
        .map(|(id, heading, body)| {
            format!(
                "<section id=\"{id}\" aria-labelledby=\"h-{id}\">\n\
                 <h2 id=\"h-{id}\">{heading}</h2>\n{body}</section>\n"
            )
        })
        .collect();
    let heading = escape(title);
    let kind = escape(kind);
    let script = format!("{THEME}\n{}", include_str!("html/page.js"));
    let body = format!(
        "<a class=\"skip\" href=\"#figures\">Skip to the figures</a>\n\
         <header>\n<p class=\"kind\">effigy report: {kind}</p>\n<h1>{heading}</h1>\n\
         <button type=\"button\" class=\"theme\" data-theme-toggle hidden>Dark</button>\n\
         </header>\n<nav aria-label=\"Sections\">\n{links}</nav>\n<main>\n{headline}{sections}</main>\n\
         <footer><p>Made by effigy {version}. This file needs no network and fetches nothing.</p></footer>\n\
         <script>\n{script}</script>\n",
        version = env!("CARGO_PKG_VERSION"),
    );
    shell::page(&Shell {
        title: &format!("{title} - effigy"),
        generator: GENERATOR,
        policy: Some(POLICY),
        style: &style::sheet(),
        body: &body,
    })
}

/// The verdict in words, large.
fn headline(run: &Run) -> String {
    let missing = list("notes", &run.missing);
    let Some(verdict) = run.verdict() else {
        if run.finished {
            return format!(
                "<div class=\"verdict\"><p class=\"grade\">no test span</p>\n<p>{}</p></div>\n{missing}",
                table::untested(run)
            );
        }
        return format!(
            "<div class=\"verdict\"><p class=\"grade\">not tested yet</p>\n\
             <p>Continue it with <code>effigy train --run {} --resume</code>.</p></div>\n{missing}",
            escape(&run.name)
        );
    };
    let class = match verdict.grade {
        Grade::Great => "great",
        Grade::NotBad => "good",
        Grade::MightSoundOk => "fair",
        Grade::NotThereYet => "poor",
    };
    let db = match verdict.esr {
        esr if esr > 0.0 && esr.is_finite() => {
            format!(" ({:.1} dB)", 10.0 * esr.log10())
        }
        _ => String::new(),
    };
    let advice = if verdict.advice.is_empty() {
        String::new()
    } else {
        let lines = list("advice", &verdict.advice);
        format!("<h3>What to try next</h3>\n{lines}")
    };
    format!(
        "<div class=\"verdict {class}\">\n<p class=\"grade\">{}</p>\n\
         <p class=\"esr\">test ESR <strong>{}</strong>{db}</p>\n{}{advice}</div>\n{missing}",
        verdict.grade,
        table::number(Some(verdict.esr)),
        list("against", &run.comparisons()),
    ) + &left_alone(run)
}

/// How the network behaves when it is left alone.
fn left_alone(run: &Run) -> String {
    let Some(probe) = &run.behaviour else {
        return String::new();
    };
    let words = probe.to_string();
    let figures = words.lines().next().unwrap_or_default();
    let mut faults: Vec<String> = probe.faults().iter().map(|f| probe.explain(f)).collect();
    faults.extend(run.quiet.map(|quiet| {
        format!(
            "in the softest fifth of the test ({:.0} dBFS) its gain is {:+.1} dB, the recording's \
             {:+.1} dB",
            quiet.dry_dbfs, quiet.predicted_gain_db, quiet.recorded_gain_db
        )
    }));
    format!(
        "<div class=\"probe\"><h3>Left alone</h3>\n<p>{}</p>\n{}</div>\n",
        escape(figures),
        list("notes", &faults)
    )
}

/// A bullet list; nothing where there is nothing.
fn list(class: &str, lines: &[String]) -> String {
    if lines.is_empty() {
        return String::new();
    }
    let items: String = lines
        .iter()
        .map(|l| format!("<li>{}</li>\n", escape(l)))
        .collect();
    format!("<ul class=\"{class}\">\n{items}</ul>\n")
}

fn section_body(section: &Section) -> String {
    let charts: String = section.charts.iter().map(chart::html).collect();
    let text = escape(&section.text);
    // Four charts are two rows of two, not three and one.
    let grid = match section.charts.iter().filter(|c| !c.wide).count() {
        4 => "charts two",
        _ => "charts",
    };
    format!("<p class=\"lead\">{text}</p>\n<div class=\"{grid}\">\n{charts}</div>\n")
}

/// Machine, versions, times, config.
fn facts(run: &Run, alone: bool) -> String {
    let rows: String = run
        .facts
        .iter()
        .map(|(what, value)| format!("<dt>{}</dt><dd>{}</dd>\n", escape(what), escape(value)))
        .collect();
    let heading = if alone {
        String::new()
    } else {
        format!("<h3>{}</h3>\n", escape(&run.name))
    };
    format!(
        "{heading}<dl class=\"facts\">\n{rows}</dl>\n\
         <details><summary>Config, resolved</summary>\n\
         <pre tabindex=\"0\" aria-label=\"Config of {}\">{}</pre></details>\n",
        escape(&run.name),
        escape_lines(&run.config)
    )
}

/// Text of several lines: line ends stay.
fn escape_lines(text: &str) -> String {
    let lines: Vec<String> = text.lines().map(escape).collect();
    lines.join("\n")
}
