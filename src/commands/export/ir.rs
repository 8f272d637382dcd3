//! A filter as the WAV of its impulse response, which any loader of impulse responses plays.

use crate::audio::{Audio, SampleFormat, SampleRate, decode, encode};
use crate::network::Network;
use anyhow::{Context, Result, ensure};
use std::path::{Path, PathBuf};

/// Where the tail of a network stands that is written to `output`.
pub(super) fn beside(output: &Path) -> PathBuf {
    let stem = output.file_stem().unwrap_or_default().to_string_lossy();
    output.with_file_name(format!("{stem}-ir.wav"))
}

/// Writes the taps, and reads them again.
pub(super) fn write(path: &Path, sample_rate: u32, taps: &[f32]) -> Result<()> {
    let rate = SampleRate::new(sample_rate).context("the network runs at 0 Hz")?;
    encode::write(
        path,
        &Audio::mono(rate, taps.to_vec()),
        SampleFormat::Float(32),
    )?;
    let read = decode::read(path)?.audio;
    ensure!(
        read.channels()[0] == taps && read.sample_rate() == rate,
        "{}: the file holds something else than was written",
        path.display()
    );
    Ok(())
}

/// The network of a file of another program, `reread`, with the tail that stands beside it.
pub(super) fn joined(reread: &Network, path: &Path) -> Result<Network> {
    let tail = decode::read(path)?.audio.into_channels().swap_remove(0);
    Ok(Network {
        tail,
        ..reread.clone()
    })
}
