//! A pack and its plan, opened to work on or to look at.

use crate::pack::place::Place;
use crate::pack::{Pack, Plan};
use crate::progress::{Event, Observer};
use crate::training::provenance::BURN;
use anyhow::Result;
use std::path::Path;

/// What trains the jobs: another version may train something else from the same.
fn version() -> String {
    format!("effigy {}, burn {BURN}", env!("CARGO_PKG_VERSION"))
}

/// A pack with its plan as things stand.
pub(super) struct Opened {
    pub(super) pack: Pack,
    pub(super) plan: Plan,
    pub(super) place: Place,
}

/// Opens a pack to work on it: its plan is kept, so that recordings are hashed once.
///
/// # Errors
/// No pack, a wrong config, a recording that is not there.
pub(super) fn open(folder: &Path, observer: &dyn Observer) -> Result<Opened> {
    let opened = look(folder, observer)?;
    opened.place.prepare()?;
    Ok(opened)
}

/// Opens a pack to look at it: only its plan is written, where that can be done.
pub(super) fn look(folder: &Path, observer: &dyn Observer) -> Result<Opened> {
    let pack = Pack::open(folder)?;
    let (plan, changed) = Plan::current(&pack, &version())?;
    if changed {
        for (first, twin) in plan.twins() {
            observer.event(Event::Warning(&format!(
                "{twin} is the same training as {first}, sound for sound: it is trained once"
            )));
        }
        if let Err(error) = plan.keep(pack.folder()) {
            // Whoever can write it will.
            let text = format!("the plan was not kept: {error:#}");
            observer.event(Event::Note(&text));
        }
    }
    Ok(Opened {
        place: Place::new(pack.folder()),
        pack,
        plan,
    })
}
