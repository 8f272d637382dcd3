//! A pack as one page: a table that can be sorted, with the sounds of every job. The sounds are
//! files beside the page, not in it: a pack has hundreds.

use super::shell::{self, Shell};
use super::{GENERATOR, style, table};
use crate::report::markup::escape;
use crate::report::verdict::Grade;
use std::fmt::Write;

/// Sounds may be fetched from beside the page, and nothing else from anywhere.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; \
                      media-src 'self' file:";

/// A pack's page to be.
#[derive(Clone, Debug, Default)]
pub struct PackPage {
    /// What people call it.
    pub name: String,
    /// How it stands: "28 done, 2 failed".
    pub standing: String,
    /// What else is to be said, a line each.
    pub facts: Vec<String>,
    /// Names of the values that jobs have.
    pub values: Vec<String>,
    /// A line per job.
    pub jobs: Vec<JobLine>,
    /// Of a sweep: what is varied, how many runs, then median, best and worst ESR.
    pub groups: Vec<(String, usize, [f64; 3])>,
}

/// One job on it.
#[derive(Clone, Debug, Default)]
pub struct JobLine {
    /// What people call it.
    pub name: String,
    /// One for each of the page's.
    pub values: Vec<String>,
    /// "done", "waiting", …
    pub state: String,
    /// Why it failed, or what is worth knowing.
    pub remark: String,
    /// Of the test.
    pub esr: Option<f64>,
    /// Of the best constant gain: what an ESR has to beat.
    pub gain_esr: Option<f64>,
    /// Of the best classical row, and its name.
    pub classical: Option<(String, f64)>,
    /// Completed and asked for.
    pub epochs: (usize, usize),
    /// Of training.
    pub seconds: Option<f64>,
    /// On which machine.
    pub host: String,
    /// Sounds by what they are, with their addresses seen from the page.
    pub sounds: Vec<(String, String)>,
}

/// The page.
pub fn pack_page(page: &PackPage) -> String {
    let facts: String = page
        .facts
        .iter()
        .map(|fact| format!("<p class=\"lead\">{}</p>\n", escape(fact)))
        .collect();
    let body = format!(
        "<header>\n<p class=\"kind\">effigy report: a pack</p>\n<h1>{}</h1>\n\
         <button type=\"button\" class=\"theme\" data-theme-toggle hidden>Dark</button>\n</header>\n\
         <main>\n<section id=\"jobs\">\n<h2>{}</h2>\n{facts}{}{}</section>\n{}</main>\n\
         <footer><p>Made by effigy {}. The sounds lie beside this file, in the pack's folder.</p></footer>\n\
         <script>\n{}{}</script>\n",
        escape(&page.name),
        escape(&page.standing),
        player(),
        jobs(page),
        groups(page),
        env!("CARGO_PKG_VERSION"),
        include_str!("theme.js"),
        include_str!("pack.js"),
    );
    let style = format!("{}{}", style::sheet(), include_str!("pack.css"));
    shell::page(&Shell {
        title: &format!("{} - effigy", page.name),
        generator: GENERATOR,
        policy: Some(POLICY),
        style: &style,
        body: &body,
    })
}

/// One player for all rows: the same place is heard in another sound of a row.
fn player() -> &'static str {
    "<div class=\"heard\"><audio data-heard controls preload=\"none\"></audio>\n\
     <p class=\"hint\" data-hearing>Press dry, wet or predicted in a row; the three of a row go on \
     where the other was.</p></div>\n"
}

fn jobs(page: &PackPage) -> String {
    let mut text = String::from("<div class=\"scroll\"><table data-sorted>\n<thead><tr>");
    let fixed = [
        "state",
        "ESR",
        "by a gain",
        "by regression",
        "epochs",
        "s",
        "where",
    ];
    let headings = std::iter::once("job").chain(page.values.iter().map(String::as_str));
    for heading in headings.chain(fixed) {
        let _ = write!(
            text,
            "<th aria-sort=\"none\"><button type=\"button\">{}</button></th>",
            escape(heading)
        );
    }
    text += "<th>listen</th></tr></thead>\n<tbody>\n";
    for job in &page.jobs {
        text += &line(job);
    }
    text + "</tbody>\n</table></div>\n"
}

fn line(job: &JobLine) -> String {
    let number = |value: Option<f64>| {
        let key = value.map_or_else(|| "1e99".to_string(), |value| format!("{value:e}"));
        (key, table::number(value))
    };
    let cell =
        |(key, text): (String, String)| format!("<td data-key=\"{}\">{text}</td>", escape(&key));
    let words = |text: &str| cell((text.to_string(), escape(text)));
    let mut row = format!(
        "<tr class=\"{}\"><th>{}</th>",
        escape(&job.state),
        escape(&job.name)
    );
    for value in &job.values {
        row += &words(value);
    }
    let state = match job.remark.is_empty() {
        true => escape(&job.state),
        false => format!(
            "{} <small>{}</small>",
            escape(&job.state),
            escape(&job.remark)
        ),
    };
    row += &format!(
        "<td class=\"state\" data-key=\"{}\">{state}</td>",
        escape(&job.state)
    );
    let (key, text) = number(job.esr);
    let class = job.esr.map_or("", grade);
    row += &format!("<td class=\"grade-cell {class}\" data-key=\"{key}\">{text}</td>");
    row += &cell(number(job.gain_esr));
    let classical = number(job.classical.as_ref().map(|(_, esr)| *esr));
    let by = job.classical.as_ref().map_or("", |(name, _)| name);
    row += &cell((
        classical.0,
        format!("{} <small>{}</small>", classical.1, escape(by)),
    ));
    let (done, wanted) = job.epochs;
    row += &cell((done.to_string(), format!("{done}/{wanted}")));
    let seconds = job
        .seconds
        .map(|seconds| (seconds.to_string(), format!("{seconds:.0}")));
    row += &cell(seconds.unwrap_or(("1e99".to_string(), "–".to_string())));
    row += &words(&job.host);
    let buttons = job.sounds.iter().map(|(what, address)| {
        format!(
            "<button type=\"button\" data-sound=\"{}\" aria-label=\"{} of {}\">{}</button>",
            escape(address),
            escape(what),
            escape(&job.name),
            escape(what)
        )
    });
    let buttons: String = buttons.collect();
    row + &format!("<td><div class=\"sounds\">{buttons}</div></td></tr>\n")
}

fn grade(esr: f64) -> &'static str {
    match Grade::of(esr) {
        Grade::Great => "great",
        Grade::NotBad => "good",
        Grade::MightSoundOk => "fair",
        Grade::NotThereYet => "poor",
    }
}

fn groups(page: &PackPage) -> String {
    if page.groups.is_empty() {
        return String::new();
    }
    let rows = page.groups.iter().map(|(of, runs, figures)| {
        let cells: String = figures
            .iter()
            .map(|figure| format!("<td>{}</td>", table::number(Some(*figure))))
            .collect();
        format!("<tr><th>{}</th><td>{runs}</td>{cells}</tr>\n", escape(of))
    });
    let rows: String = rows.collect();
    format!(
        "<section id=\"sweep\">\n<h2>Sweep</h2>\n<p class=\"lead\">What differs in its seed alone \
         stands in one line, best median first.</p>\n<div class=\"scroll\"><table>\n<thead><tr><th>varied</th>\
         <th>runs</th><th>median ESR</th><th>best</th><th>worst</th></tr></thead>\n\
         <tbody>\n{rows}</tbody>\n</table></div></section>\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_holds_every_job_and_runs_nothing_of_theirs() {
        let evil = "<script>alert(1)</script>";
        let job = |name: &str, esr| JobLine {
            name: name.to_string(),
            values: vec![evil.to_string()],
            state: "done".to_string(),
            esr,
            epochs: (3, 3),
            sounds: vec![("wet".to_string(), "runs/a b/test/0-wet.wav\"".to_string())],
            ..JobLine::default()
        };
        let page = PackPage {
            name: evil.to_string(),
            values: vec!["gain".to_string()],
            jobs: vec![job("a", Some(0.005)), job(evil, None)],
            groups: vec![(evil.to_string(), 3, [0.1, 0.05, 0.2])],
            ..PackPage::default()
        };
        let text = pack_page(&page);
        assert!(!text.contains(evil) && text.contains("&lt;script&gt;alert(1)"));
        assert!(text.contains("grade-cell great\" data-key=\"5e-3\""));
        assert!(text.contains("data-sound=\"runs/a b/test/0-wet.wav&quot;\""));
        assert!(super::super::is_page(&text));
    }
}
