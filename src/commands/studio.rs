//! The whole job in a browser page: the arguments; the work is the package `src/studio`.

use anyhow::{Context, Result};
use effigy_studio::{Limits, Opened, Settings, StudioError, Verbs};
use std::net::IpAddr;
use std::path::PathBuf;

/// Do the whole job in a browser page, on this machine
///
/// Opens a page: drop a dry and a wet recording, read what `check` says of them, train, watch the
/// curve, listen to the model while it learns, export it. No network is needed, and nothing leaves
/// this machine.
///
/// The folder on disk is all there is: runs that the command line made appear, runs made in the page
/// go on with `effigy train --resume`. A training outlives the studio; started again, it finds it.
///
/// The page talks to this machine alone, and only to who holds the token in the printed address.
/// --listen lets others in your network who hold it do all that you can do in the page, and what is
/// sent can be read by whoever hears the line: for a network that you trust.
///
/// Examples:
///   effigy studio
///   effigy studio --dir captures --port 9000 --no-open
#[derive(Clone, Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Request {
    /// Folder of the recordings, runs, models and sounds; it must be there.
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    pub dir: PathBuf,
    /// Port to listen at [default: 8117, or another where that is taken].
    #[arg(long)]
    pub port: Option<u16>,
    /// Do not open a browser.
    #[arg(long)]
    pub no_open: bool,
    /// Also let other machines in, at this address of this machine (0.0.0.0: at all of them).
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<IpAddr>,
}

/// Takes the folder and the address; what is opened serves until the process ends.
///
/// # Errors
/// Another studio has the folder; the address is taken.
pub fn studio(request: &Request, program: &clap::Command) -> Result<Opened> {
    let settings = Settings {
        dir: request.dir.clone(),
        port: request.port,
        listen: request.listen,
        program: std::env::current_exe()
            .map_err(StudioError::Program)
            .context("studio")?,
        limits: Limits::default(),
    };
    Ok(effigy_studio::open(&settings, Verbs::of(program))?)
}
