//! Opening a page in the browser that people have.

use std::process::{Command, Stdio};

/// Asks the system to open an address; whether it has something to open it with.
pub fn show(url: &str) -> bool {
    let (program, before): (&str, &[&str]) = if cfg!(target_os = "macos") {
        ("open", &[])
    } else if cfg!(windows) {
        ("rundll32", &["url.dll,FileProtocolHandler"])
    } else {
        ("xdg-open", &[])
    };
    let mut command = Command::new(program);
    command.args(before).arg(url);
    let quiet = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let Ok(mut child) = quiet.spawn() else {
        return false;
    };
    // It may stay as long as the browser does; its end is taken note of, so that nothing is left.
    std::thread::spawn(move || child.wait());
    true
}
