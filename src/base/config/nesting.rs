//! How deep the brackets of a TOML text can stand open. The parser bounds the depth of values, but
//! looks for the end of broken ones by calling itself, until the stack ends. Knows of TOML only
//! where strings and comments begin and end.

/// The most brackets open at once: far more than any config nests, few enough for any stack.
pub(super) const MAX_OPEN: usize = 256;

/// The line, from 1, where more than [`MAX_OPEN`] brackets may be open. In doubt a bracket counts
/// as open: an opening one in a string or comment is one, a closing one there is none.
pub(super) fn too_deep(text: &str) -> Option<usize> {
    // Where strings span lines, lines cannot be judged one by one: nothing closes.
    let closes = !text.contains("\"\"\"") && !text.contains("'''");
    let mut open = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let mut place = Place::Code;
        let mut bytes = line.bytes();
        while let Some(c) = bytes.next() {
            match (c, place) {
                (b'[' | b'{', _) => open.push(c),
                (b']' | b'}', Place::Code) if closes && open.last() == Some(&opening(c)) => {
                    open.pop();
                }
                (b'#', Place::Code) => place = Place::Comment,
                (b'"' | b'\'', Place::Code) => place = Place::Text(c),
                (b'\\', Place::Text(b'"')) => drop(bytes.next()),
                (c, Place::Text(quote)) if c == quote => place = Place::Code,
                _ => {}
            }
        }
        if open.len() > MAX_OPEN {
            return Some(number + 1);
        }
    }
    None
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Code,
    Comment,
    /// Up to this quote.
    Text(u8),
}

fn opening(closing: u8) -> u8 {
    match closing {
        b']' => b'[',
        _ => b'{',
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_brackets_are_counted_and_closed_ones_are_not() {
        let pair = "[[data.train]]\nsignal = { kind = \"a}b\", x = [1, 2] } # see 1]\n";
        assert_eq!(too_deep(&pair.repeat(10_000)), None);
        let broken = [
            "x = { a = 1\n",
            "x = { a = 1 # }\n",
            "x = { a = \"}\"\n",
            "x = { a = '\\}' ]\n",
            "x = { a = \"\\\"}\"\n",
            "x = { a = \"\"\"\n}\n\"\"\"\n",
            "[",
        ];
        for text in broken {
            assert_eq!(too_deep(&text.repeat(250)), None, "{text}");
            assert!(too_deep(&text.repeat(300)).is_some(), "{text}");
        }
    }
}
