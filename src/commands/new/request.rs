//! What `effigy new` is asked for.

use crate::config::{Budget, Player};
use std::path::PathBuf;

/// Write a config that suits your recordings
///
/// Looks at them as `effigy check` does, and writes NAME.toml: latencies, a split into training,
/// validation and test that reaches over all recordings, and a search among networks for the kind of
/// effect, with the reasons as comments.
///
/// Examples:
///   effigy new my-pedal --dry my-dry.wav --wet my-wet.wav
///   effigy new my-amp --pairs takes/ --knobs "amp-g{gain}"
///   effigy train my-pedal.toml
#[derive(Clone, Debug, Default, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Request {
    /// Names the config and the run: letters, digits, '-', '_' and '.'; a folder may precede it
    pub name: PathBuf,
    /// Recording without the effect (WAV, AIFF, FLAC, MP3 or OGG); may be repeated, or serve every --wet
    #[arg(long)]
    pub dry: Vec<PathBuf>,
    /// The same passage through the effect; may be repeated
    #[arg(long)]
    pub wet: Vec<PathBuf>,
    /// A folder of recordings: those whose names differ by "dry" and "wet" alone, or one dry and many
    /// wets
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["dry", "wet", "table"])]
    pub pairs: Option<PathBuf>,
    /// A table of recordings (CSV): columns dry and wet, and one for each knob
    #[arg(long, value_name = "FILE", conflicts_with_all = ["dry", "wet"])]
    pub table: Option<PathBuf>,
    /// Where the knobs stood, read off the wet files' names, such as "amp-g{gain}-t{tone}"
    #[arg(long, value_name = "PATTERN", conflicts_with = "table")]
    pub knobs: Option<String>,
    /// Samples by which wet lags, if you know it [default: measured]
    #[arg(long = "latency", value_name = "SAMPLES", allow_hyphen_values = true)]
    pub latency_samples: Option<i64>,
    /// Learn from this channel of both files alone, from 1; a mono file serves every channel of the
    /// other [default: all]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    pub channel: Option<u16>,
    /// How long `effigy train` may search and train altogether, or "none" for no search [default: 5m]
    #[arg(long, value_name = "TIME")]
    pub budget: Option<Budget>,
    /// What will play the model
    #[arg(long = "for", value_name = "any|nam|aidax", default_value_t)]
    pub player: Player,
    /// Write over an existing config
    #[arg(long)]
    pub force: bool,
}
