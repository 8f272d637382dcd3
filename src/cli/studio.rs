//! `effigy studio`.

use super::Status;
use super::ui::Ui;
use crate::commands::studio::{self, Request};
use crate::progress::{Event, Observer};

/// Says where the page is, and serves it until the process ends.
///
/// # Errors
/// Another studio has the folder; the address is taken.
pub fn run(request: &Request, program: &clap::Command, ui: &Ui) -> anyhow::Result<Status> {
    let opened = studio::studio(request, program)?;
    let folder = opened.folder().display().to_string();
    let url = opened.url();
    let told = serde_json::json!({ "url": url, "folder": folder });
    ui.report(&told, |_| format!("effigy studio: {url}\nfolder: {folder}"))?;
    if let Some(warning) = opened.warning() {
        ui.event(Event::Warning(&warning));
    }
    ui.say("Ctrl-C ends the studio; a training under way goes on, and is there when it is started again");
    if !request.no_open && !effigy_studio::show(&opened.ticket_url()) {
        ui.say("no browser was found; open the address above");
    }
    opened.serve()?;
    Ok(Status::Done)
}
