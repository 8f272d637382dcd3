//! What several commands report, as text: result rows in a table, a sound that was written.

use crate::commands::recording::Written;
use crate::data::load::LatencyReport;
use crate::playing::cost::Cost;
use crate::playing::scoring::ModelRow;
use crate::report::metrics::{Metrics, PairRows, Row};
use crate::report::table::{Table, figure};
use std::fmt::Write;
use std::path::Path;

/// Name and figures, one line per row.
pub fn table(rows: &[Row]) -> Table {
    let mut table = Table::new([
        "test",
        "RMSE",
        "MSE",
        "STD",
        "ESR",
        "gain-fitted",
        "ESR pre .85",
        "MAE",
        "MR-STFT",
        "gain env. dB",
    ]);
    for row in rows {
        let m = &row.metrics;
        table.row([
            row.name.clone(),
            figure(m.rmse),
            figure(m.mse),
            figure(m.std),
            figure(m.esr),
            figure(m.gain_fitted_esr),
            optional(m.pre_emphasised_esr),
            figure(m.mae),
            optional(m.multi_resolution_stft),
            optional(m.gain_envelope_error_db),
        ]);
    }
    table
}

/// The delays that were taken away before scoring, one line each: the recordings' and the models'
/// own.
pub fn delays<'a>(latencies: &[LatencyReport], rows: impl IntoIterator<Item = &'a Row>) -> String {
    let mut text = String::new();
    for latency in latencies {
        let _ = writeln!(text, "removed: {latency}");
    }
    for row in rows {
        let (way, samples) = match row.own_delay_samples {
            0 => continue,
            n if n > 0 => ("late", n),
            n => ("early", -n),
        };
        let name = &row.name;
        let _ = writeln!(
            text,
            "removed: {name} is {way} by {samples} samples of its own"
        );
    }
    text
}

/// A file without its folder.
fn short(label: &str) -> String {
    let name = Path::new(label).file_name();
    name.map_or_else(|| label.to_string(), |n| n.to_string_lossy().into_owned())
}

fn optional(value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_string(), figure)
}

/// What all rows of a table were taken over, and how long that took.
pub fn tested(rows: &[ModelRow], samples: usize, seconds: f64) -> String {
    let reference = rows.first().map_or(0.0, |r| r.row.metrics.reference_std);
    format!(
        "{samples} test samples, the same in every row, reference STD {}, {seconds:.1} s\n",
        figure(reference)
    )
}

/// The figures that decide between models, and what each model takes.
pub fn models(rows: &[ModelRow]) -> Table {
    let mut table = Table::new([
        "test",
        "ESR",
        "ESR pre .85",
        "gain-fitted",
        "RMSE",
        "MAE",
        "MR-STFT",
        "gain env. dB",
        "parameters",
        "MAC/sample",
        "training s",
        "× real time",
    ]);
    for ModelRow { row, cost, .. } in rows {
        let m = &row.metrics;
        let cost = |of: &dyn Fn(&Cost) -> Option<String>| {
            let known = cost.as_ref().and_then(of);
            known.unwrap_or_else(|| "–".to_string())
        };
        table.row([
            row.name.clone(),
            figure(m.esr),
            optional(m.pre_emphasised_esr),
            figure(m.gain_fitted_esr),
            figure(m.rmse),
            figure(m.mae),
            optional(m.multi_resolution_stft),
            optional(m.gain_envelope_error_db),
            cost(&|c| Some(c.parameters.to_string())),
            cost(&|c| Some(c.macs_per_sample.to_string())),
            cost(&|c| c.training_seconds.map(figure)),
            cost(&|c| Some(figure(c.real_time_factor))),
        ]);
    }
    table
}

/// The first row's figures on each of several pairs beside those of the best constant gain on
/// the dry sound: whether a compressor's movement was learned. Empty for a single pair.
pub fn beside_constant_gain(pairs: &[PairRows]) -> String {
    if pairs.is_empty() {
        return String::new();
    }
    let headings = ["by pair", "ESR", "gain-fitted", "gain env. dB"];
    let constant = ["constant gain ESR", "gain env. dB"];
    let mut table = Table::new([&headings[..], &constant].concat());
    for PairRows { label, rows } in pairs {
        let envelope = |m: &Metrics| optional(m.gain_envelope_error_db);
        let mut line = vec![short(label)];
        if let Some(m) = rows.first().map(|row| &row.metrics) {
            line.extend([figure(m.esr), figure(m.gain_fitted_esr), envelope(m)]);
        }
        if let Some(identity) = rows.iter().find(|row| row.is_identity()) {
            let m = &identity.metrics;
            line.extend([figure(m.gain_fitted_esr), envelope(m)]);
        }
        table.row(line);
    }
    format!("\n{table}\n")
}

/// ESR of every model on each of several pairs. Empty for a single pair.
pub fn esr_by_pair(pairs: &[PairRows]) -> String {
    let Some(first) = pairs.first() else {
        return String::new();
    };
    let names = first.rows.iter().map(|row| row.name.clone());
    let mut table = Table::new(std::iter::once("ESR by pair".to_string()).chain(names));
    for PairRows { label, rows } in pairs {
        let figures = rows.iter().map(|row| figure(row.metrics.esr));
        table.row(std::iter::once(short(label)).chain(figures));
    }
    format!("\n{table}\n")
}

/// A written sound in words.
pub fn sound(sound: &Written) -> String {
    let channels = match sound.channels {
        1 => "mono".to_string(),
        2 => "stereo".to_string(),
        n => format!("{n} channels"),
    };
    let turned = if sound.gain_db < 0.0 {
        format!(", turned down by {:.1} dB", -sound.gain_db)
    } else {
        String::new()
    };
    format!(
        "{} s, {channels}, peak {:.3}{turned}",
        figure(sound.seconds),
        sound.peak
    )
}
