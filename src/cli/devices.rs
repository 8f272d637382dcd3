//! `effigy devices`.

use super::Status;
use super::ui::Ui;
use crate::commands::devices::{self, Request};
use crate::report::table::Table;

/// Prints the table of devices.
pub fn run(_: &Request, ui: &Ui) -> anyhow::Result<Status> {
    ui.report(&devices::devices(), |outcome| {
        let mut table = Table::new(["--device", "name", "kind", "auto"]);
        for device in &outcome.devices {
            let kind = match (device.software, device.id.as_str()) {
                (true, _) => "software",
                (false, "flex" | "ndarray") => "processor",
                (false, _) => "GPU",
            };
            let auto = if device.auto { "considered" } else { "" };
            table.row([device.id.as_str(), device.name.as_str(), kind, auto]);
        }
        table.to_string()
    })?;
    Ok(Status::Done)
}
