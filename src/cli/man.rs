//! `effigy man`.

use super::Status;
use super::ui::Ui;
use crate::files;
use anyhow::Context;
use clap::Command;
use clap_mangen::Man;
use serde::Serialize;
use std::path::PathBuf;

/// Print the manual page, or write the pages of all commands
///
/// Examples:
///   effigy man | man -l -
///   effigy man -o ~/.local/share/man/man1
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// Folder for effigy.1, effigy-train.1, … [default: the main page goes to stdout]
    #[arg(long, short, value_name = "DIR")]
    output: Option<PathBuf>,
}

#[derive(Debug, Serialize)]
struct Pages {
    #[serde(serialize_with = "crate::files::paths_text")]
    files: Vec<PathBuf>,
    page: Option<String>,
}

/// Prints or writes the pages.
///
/// # Errors
/// The folder cannot be written.
pub fn run(args: &Args, definition: Command, ui: &Ui) -> anyhow::Result<Status> {
    let mut definition = definition.disable_help_subcommand(true);
    definition.build();
    let mut pages = Pages {
        files: Vec::new(),
        page: None,
    };
    match &args.output {
        None => pages.page = Some(String::from_utf8(render(&definition)?)?),
        Some(folder) => {
            for command in with_subcommands(&definition) {
                let name = command.get_display_name().unwrap_or(command.get_name());
                let path = folder.join(format!("{name}.1"));
                files::write(&path, &render(command)?)
                    .with_context(|| path.display().to_string())?;
                pages.files.push(path);
            }
        }
    }
    ui.report(&pages, |pages| match &pages.page {
        Some(page) => page.clone(),
        None => {
            let folder = args.output.as_deref().unwrap_or_else(|| ".".as_ref());
            format!("{} pages in {}", pages.files.len(), folder.display())
        }
    })?;
    Ok(Status::Done)
}

fn render(command: &Command) -> std::io::Result<Vec<u8>> {
    let mut page = Vec::new();
    Man::new(command.clone()).render(&mut page)?;
    Ok(page)
}

/// A command and all below it.
fn with_subcommands(command: &Command) -> Vec<&Command> {
    let below = command.get_subcommands().flat_map(with_subcommands);
    std::iter::once(command).chain(below).collect()
}
