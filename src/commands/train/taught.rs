//! What a run learns beside its recordings (`training.downward`), made once and kept in the run's
//! folder, so that a resumed run learns the same.

use crate::audio::{Audio, SampleFormat, decode, encode};
use crate::config::Config;
use crate::data::load::{self, Recordings};
use crate::data::pair::Span;
use crate::progress::{Event, Observer};
use crate::training::downward;
use crate::training::run_dir::RunDir;
use anyhow::{Context, Result};
use burn::tensor::Device;

const FILE: &str = "downward.wav";

/// Spans beside those of the recordings.
#[derive(Default)]
pub struct Taught {
    spans: Vec<Span>,
    /// Made now, not read.
    fresh: Option<Audio>,
}

impl Taught {
    /// Read from the folder of a run that is resumed, made otherwise; nothing where the config asks for
    /// nothing.
    pub(super) fn new(
        resumed: Option<&RunDir>,
        config: &Config,
        recordings: &Recordings,
        device: &Device,
        observer: &dyn Observer,
    ) -> Result<Self> {
        if !config.training.downward {
            return Ok(Self::default());
        }
        let spans = load::spans(&recordings.train);
        if let Some(kept) = resumed
            .map(|run| run.file(FILE))
            .filter(|kept| kept.exists())
        {
            let read = decode::read(&kept)?.audio;
            let spans = downward::lessons_of(&spans, &read.channels()[0]);
            let spans = spans.with_context(|| {
                format!(
                    "{}: not of these recordings; train anew without --resume",
                    kept.display()
                )
            })?;
            return Ok(Self { spans, fresh: None });
        }
        let Some(taught) = downward::teach(&spans, config.seed, device, observer)? else {
            return Ok(Self::default());
        };
        let spans = downward::lessons_of(&spans, &taught.wet).unwrap_or_default();
        let seconds = recordings.sample_rate.seconds(taught.wet.len());
        let note = match spans.len() {
            0 => format!(
                "below the recorded levels nothing is taught: a chain of filters and clippers leaves ESR \
                 {:.2} of them",
                taught.esr
            ),
            _ => format!(
                "below the recorded levels: {seconds:.0} s by a chain of filters and clippers (ESR {:.4} \
                 where it heard the recordings)",
                taught.esr
            ),
        };
        observer.event(Event::Note(&note));
        Ok(Self {
            fresh: (!spans.is_empty()).then(|| Audio::mono(recordings.sample_rate, taught.wet)),
            spans,
        })
    }

    pub(super) fn spans(&self) -> &[Span] {
        &self.spans
    }

    /// Leaves in `run` what a resumed run reads.
    pub(super) fn keep(&self, run: &RunDir) -> Result<()> {
        if let Some(wet) = &self.fresh {
            encode::write(&run.file(FILE), wet, SampleFormat::Float(32))?;
        }
        Ok(())
    }
}
