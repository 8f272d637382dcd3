//! Result rows as a text table, the same in every command that reports them.

use crate::audio::SampleFormat;
use crate::report::metrics::Row;
use crate::report::table::{Table, figure};

/// Name, RMSE, MSE, STD, ESR, gain-fitted ESR and MAE, one line per row.
pub fn table(rows: &[Row]) -> Table {
    let mut table = Table::new(["test", "RMSE", "MSE", "STD", "ESR", "gain-fitted", "MAE"]);
    for Row { name, metrics: m } in rows {
        table.row([
            name.clone(),
            figure(m.rmse),
            figure(m.mse),
            figure(m.std),
            figure(m.esr),
            figure(m.gain_fitted_esr),
            figure(m.mae),
        ]);
    }
    table
}

/// `--format` as sound formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// 32-bit float.
    F32,
    /// 24-bit integer, dithered.
    S24,
    /// 16-bit integer, dithered.
    S16,
}

impl From<Format> for SampleFormat {
    fn from(format: Format) -> Self {
        match format {
            Format::F32 => Self::Float(32),
            Format::S24 => Self::Int(24),
            Format::S16 => Self::Int(16),
        }
    }
}
