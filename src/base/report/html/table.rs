//! Result tables: every figure that the rows have.

use crate::report::markup::escape;
use crate::report::metrics::{Row, SIDES};
use crate::report::race::Race;
use crate::report::run::Run;
use serde_json::Value;

/// Figures in the order they are shown, with what they are called and what they mean. Figures
/// that rows have beyond these follow under their own names.
const KNOWN: &[(&str, &str, &str)] = &[
    (
        "esr",
        "ESR",
        "error-to-signal ratio: power of the error over power of wet",
    ),
    (
        "gain_fitted_esr",
        "gain-fitted ESR",
        "ESR after the best single gain: what is wrong beside the level",
    ),
    (
        "pre_emphasised_esr",
        "pre-emphasised ESR",
        "ESR after a filter that raises high frequencies, as the ear weighs them",
    ),
    (
        "multi_resolution_stft",
        "MR-STFT",
        "multi-resolution STFT distance: how different the spectrograms are",
    ),
    (
        "gain_envelope_error_db",
        "gain envelope (dB)",
        "how far the gain over time is off: whether a compressor's movement was learned",
    ),
    ("rmse", "RMSE", "root of the mean squared error"),
    ("mse", "MSE", "mean squared error"),
    ("mae", "MAE", "mean absolute error"),
    ("std", "STD", "standard deviation of the error"),
    ("dc", "DC", "constant offset against power"),
    ("r2", "R\u{b2}", "coefficient of determination"),
];

/// Of the recording, not of a prediction: told once, under the table.
const OF_THE_RECORDING: [&str; 2] = ["samples", "reference_std"];

/// The table of one run.
pub(super) fn run(run: &Run) -> String {
    if run.rows.is_empty() {
        return format!("<p class=\"lead\">{}</p>\n", escape(untested(run)));
    }
    let rows = run
        .rows
        .iter()
        .map(|row| (escape(&row.name), row))
        .collect::<Vec<_>>();
    let m = run.rows[0].metrics;
    let rate = run.sound.as_ref().map(|s| s.rate);
    let seconds = rate.map_or(String::new(), |r| {
        format!(" ({:.1} s)", m.samples as f64 / f64::from(r.hz()))
    });
    format!(
        "<p class=\"lead\">On {} test samples{seconds} that were not trained on; the wet \
         recording's standard deviation is {}. Lower is better, but for R\u{b2}.</p>\n{}",
        m.samples,
        number(Some(m.reference_std)),
        table("row", &rows)
    ) + &by_pair(run)
}

/// What a search tried, the winner first.
pub(super) fn search(race: &Race) -> String {
    let cells = |tag: &str, cells: &[String]| -> String {
        let each = cells.iter().enumerate().map(|(at, cell)| match at {
            0 => format!(
                "<th scope=\"{}\">{}</th>",
                if tag == "th" { "col" } else { "row" },
                escape(cell)
            ),
            _ if tag == "th" => format!("<th scope=\"col\">{}</th>", escape(cell)),
            _ => format!("<td>{}</td>", escape(cell)),
        });
        format!("<tr>{}</tr>\n", each.collect::<String>())
    };
    let rows: String = race.rows().iter().map(|row| cells("td", row)).collect();
    format!(
        "<p class=\"lead\">Within {}, {} networks were tried on the validation spans, and the first of \
         this table was trained to the end. The score is the geometric mean of three error-to-signal \
         ratios (over everything, over the levels from soft to loud, of the worst recording), and what \
         sounds on after a sound has stopped. Playing costs as many multiply-adds (MACs) as the table \
         says.</p>\n<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Table of what was tried\">\n<table>\n<thead>{}</thead>\n<tbody>\n{rows}</tbody>\n\
         </table>\n</div>\n",
        escape(&race.budget),
        race.entrants.len(),
        cells("th", &Race::HEADINGS.map(String::from)),
    )
}

/// Why a run has no test figures.
pub(super) fn untested(run: &Run) -> &'static str {
    if run.finished {
        "The run has no test span: its config names training and validation alone."
    } else {
        "The run has not been tested: training was not finished."
    }
}

/// Every pair's rows, folded away.
fn by_pair(run: &Run) -> String {
    if run.by_pair.is_empty() {
        return String::new();
    }
    let tables: String = run
        .by_pair
        .iter()
        .map(|pair| {
            let rows = pair.rows.iter().map(|row| (escape(&row.name), row));
            let rows: Vec<(String, &Row)> = rows.collect();
            format!("<h3>{}</h3>\n{}", escape(&pair.label), table("row", &rows))
        })
        .collect();
    let count = run.by_pair.len();
    let what = match count {
        // Of one pair both sides of a stereo effect are told.
        2 if run.by_pair.iter().map(|rows| rows.label.as_str()).eq(SIDES) => {
            "Each side".to_string()
        }
        _ => format!("Each of the {count} test pairs and sides"),
    };
    format!("<details><summary>{what}</summary>\n{tables}</details>\n")
}

/// One row per run, then the rows that all of them share.
pub(super) fn runs(runs: &[Run]) -> String {
    let mut rows: Vec<(String, &Row)> = Vec::new();
    for run in runs {
        if let Some(row) = run.rows.first() {
            let name = format!("{} <small>{}</small>", escape(&run.name), escape(&row.name));
            rows.push((name, row));
        }
    }
    let mut classical: Vec<&Row> = Vec::new();
    for row in runs.iter().flat_map(|r| r.rows.iter().skip(1)) {
        if !classical.contains(&row) {
            classical.push(row);
        }
    }
    rows.extend(classical.into_iter().map(|row| (escape(&row.name), row)));
    let untested: Vec<&str> = runs
        .iter()
        .filter(|r| r.rows.is_empty())
        .map(|r| r.name.as_str())
        .collect();
    let note = match untested.as_slice() {
        [] => String::new(),
        names => format!("<p>Not tested yet: {}.</p>\n", escape(&names.join(", "))),
    };
    if rows.is_empty() {
        return note;
    }
    format!(
        "<p class=\"lead\">Test figures of every run's network, then of what needs no network. \
         Classical rows appear once per test set. Lower is better, but for R\u{b2}.</p>\n{}{note}",
        table("run", &rows)
    )
}

/// Names and values; no value where it is not finite or was not computed.
type Figures = Vec<(String, Option<f64>)>;

/// Every number of a row, nested ones under joined names.
fn figures(row: &Row) -> Figures {
    let mut found = Vec::new();
    let value = serde_json::to_value(row).unwrap_or_default();
    collect("", &value, &mut found);
    found
}

fn collect(name: &str, value: &Value, found: &mut Figures) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                let joined = if name.is_empty() {
                    key.clone()
                } else {
                    format!("{name}.{key}")
                };
                collect(&joined, value, found);
            }
        }
        // Not finite, or not computed.
        Value::Null => found.push((name.to_string(), None)),
        Value::Number(number) => found.push((name.to_string(), number.as_f64())),
        _ => {}
    }
}

fn table(first: &str, rows: &[(String, &Row)]) -> String {
    let figures: Vec<(&String, Figures)> = rows
        .iter()
        .map(|(name, row)| (name, figures(row)))
        .collect();
    let of = |row: &[(String, Option<f64>)], key: &str| {
        row.iter().find(|(k, _)| k == key).and_then(|(_, v)| *v)
    };
    let mut columns: Vec<(&str, &str, &str)> = KNOWN.to_vec();
    for (key, _) in figures.iter().flat_map(|(_, row)| row) {
        if !columns.iter().any(|(k, ..)| k == key) && !OF_THE_RECORDING.contains(&key.as_str()) {
            columns.push((key, key, ""));
        }
    }
    columns.retain(|(key, ..)| figures.iter().any(|(_, row)| of(row, key).is_some()));
    let least = |key: &str| {
        let values = figures.iter().filter_map(|(_, row)| of(row, key));
        values.fold(f64::INFINITY, f64::min)
    };
    let headings: String = columns
        .iter()
        .map(|(_, name, meaning)| {
            let name = escape(&name.replace(['_', '.'], " "));
            format!(
                "<th scope=\"col\" title=\"{}\">{name}</th>",
                escape(meaning)
            )
        })
        .collect();
    let body: String = figures
        .iter()
        .map(|(name, row)| {
            let cell = |(key, ..): &(&str, &str, &str)| {
                let value = of(row, key);
                let best = *key != "r2" && value.is_some_and(|v| v <= least(key));
                let class = if best { " class=\"best\"" } else { "" };
                format!("<td{class}>{}</td>", number(value))
            };
            let cells: String = columns.iter().map(cell).collect();
            let bar = bar(of(row, "esr"));
            format!("<tr><th scope=\"row\">{name}</th>{bar}{cells}</tr>\n")
        })
        .collect();
    format!(
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Table of figures\">\n\
         <table>\n<thead><tr><th scope=\"col\">{first}</th>\
         <th scope=\"col\" class=\"wide-cell\" title=\"ESR in decibels: 0 dB is as bad as silence\">ESR (dB)</th>{headings}</tr></thead>\n\
         <tbody>\n{body}</tbody>\n</table>\n</div>\n"
    )
}

/// ESR in decibels as a bar: the longer, the nearer; 60 dB fill it.
fn bar(esr: Option<f64>) -> String {
    let db = esr.filter(|e| *e > 0.0).map(|e| 10.0 * e.log10());
    match db.filter(|db| db.is_finite()) {
        Some(db) => {
            let width = (-db / 60.0 * 100.0).clamp(0.0, 100.0);
            format!(
                "<td class=\"wide-cell\"><span class=\"nearness\" style=\"--w:{width:.1}%\">{db:.1}</span></td>"
            )
        }
        None => "<td class=\"wide-cell\">\u{2013}</td>".to_string(),
    }
}

/// A figure, or a dash where there is none.
pub(super) fn number(value: Option<f64>) -> String {
    match value.filter(|v| v.is_finite()) {
        Some(value) => crate::report::table::figure(value),
        None => "\u{2013}".to_string(),
    }
}
