//! `effigy completions`.

use super::Status;
use super::ui::Ui;
use clap_complete::Shell;
use serde::Serialize;

/// Print a script that lets a shell complete commands and options
///
/// Examples:
///   effigy completions bash > ~/.local/share/bash-completion/completions/effigy
///   effigy completions zsh > ~/.zfunc/_effigy
///   effigy completions fish > ~/.config/fish/completions/effigy.fish
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// The shell
    shell: Shell,
}

#[derive(Debug, Serialize)]
struct Script {
    shell: String,
    script: String,
}

/// Prints the script.
///
/// # Errors
/// stdout cannot be written.
pub fn run(args: &Args, mut definition: clap::Command, ui: &Ui) -> anyhow::Result<Status> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut definition, "effigy", &mut script);
    let script = Script {
        shell: args.shell.to_string(),
        script: String::from_utf8(script)?,
    };
    ui.report(&script, |s| s.script.clone())?;
    Ok(Status::Done)
}
