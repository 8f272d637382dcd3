//! Text that may come from files or names, made harmless for a terminal: metadata, paths and
//! messages can hold escape sequences that clear the screen, rename the window or paste text.

use std::fmt::Write;

/// One line: every control character shown as an escape.
pub fn line(text: &str) -> String {
    shown(text, |_| 0)
}

/// Lines of output: line breaks, tabs and colours stay.
pub fn lines(text: &str) -> String {
    shown(text, |rest| match rest.as_bytes() {
        [b'\n' | b'\t', ..] => 1,
        [0x1b, b'[', code @ ..] => colour_len(code),
        _ => 0,
    })
}

/// `text` with control characters as escapes, but for as many bytes at each as `kept` says.
fn shown(text: &str, kept: impl Fn(&str) -> usize) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let (mut len, wrong) = (c.len_utf8(), moves(c));
        let keep = if wrong { kept(rest) } else { len };
        if keep > 0 {
            len = keep;
            out.push_str(&rest[..keep]);
        } else {
            // Writing to a String cannot fail.
            let _ = write!(out, "{}", c.escape_unicode());
        }
        rest = &rest[len..];
    }
    out
}

/// Whether a character does something else than to appear: controls, and what turns the
/// direction of writing around.
fn moves(c: char) -> bool {
    let turns = [
        '\u{200e}'..='\u{200f}',
        '\u{2028}'..='\u{202e}',
        '\u{2066}'..='\u{2069}',
    ];
    c.is_control() || turns.iter().any(|range| range.contains(&c))
}

/// The length of a colour (`ESC [ 1 ; 32 m`), given what follows its bracket; 0 for anything else.
fn colour_len(code: &[u8]) -> usize {
    let digits = code
        .iter()
        .take_while(|c| c.is_ascii_digit() || **c == b';');
    let digits = digits.count();
    match code.get(digits) {
        Some(b'm') => 2 + digits + 1,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_shown_not_obeyed() {
        assert_eq!(line("Größe 3 µ"), "Größe 3 µ");
        assert_eq!(line("a\nb\t\u{1b}[2J"), "a\\u{a}b\\u{9}\\u{1b}[2J");
        assert_eq!(
            line("\u{9b}31m\u{7f}\u{202e}x"),
            "\\u{9b}31m\\u{7f}\\u{202e}x"
        );
    }

    #[test]
    fn output_keeps_its_lines_and_colours() {
        let coloured = "a\tb\n\u{1b}[1;32mgreat\u{1b}[0m\n";
        assert_eq!(lines(coloured), coloured);
        assert_eq!(lines("\u{1b}]0;title\u{7}"), "\\u{1b}]0;title\\u{7}");
        assert_eq!(lines("\u{1b}[2J\r"), "\\u{1b}[2J\\u{d}");
        assert_eq!(lines("\u{1b}["), "\\u{1b}[");
    }
}
