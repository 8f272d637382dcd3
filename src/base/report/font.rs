//! A small stroke font for pictures: letters as lines, so that they can be drawn at any size
//! without a font file.
//!
//! Knows only printable ASCII; other characters are drawn as an empty box.

/// Units from the base line up to the top of a capital.
pub const CAP_HEIGHT: f64 = 7.0;

/// Units between letters.
const GAP: f64 = 2.0;

/// Units from one letter's left edge to the next one's.
pub fn advance(letter: char) -> f64 {
    match letter {
        ' ' => 4.0,
        _ => GAP + points(letter).map(|p| p[0]).fold(0.0, f64::max),
    }
}

/// The letter's strokes: lists of points `[x, y]` with y downwards from the top of a capital
/// ([`CAP_HEIGHT`] is the base line). A stroke from a point to itself is a dot.
pub fn strokes(letter: char) -> Vec<Vec<[f64; 2]>> {
    let parse = |stroke: &str| -> Vec<[f64; 2]> {
        let point = |pair: &str| {
            let mut digits = pair.bytes().map(|b| f64::from(b - b'0'));
            [digits.next().unwrap_or(0.0), digits.next().unwrap_or(0.0)]
        };
        stroke.split(' ').map(point).collect()
    };
    glyph(letter)
        .split('|')
        .filter(|s| !s.is_empty())
        .map(parse)
        .collect()
}

fn points(letter: char) -> impl Iterator<Item = [f64; 2]> {
    strokes(letter).into_iter().flatten()
}

/// Strokes separated by `|`, points by spaces; a point is its x and its y digit.
fn glyph(letter: char) -> &'static str {
    match letter {
        ' ' => "",
        '!' => "00 05|07 07",
        '"' => "00 02|20 22",
        '#' => "11 07|41 37|03 43|05 45",
        '$' => "41 30 10 01 02 13 33 44 46 37 17 06|20 27",
        '%' => "40 07|00 10 11 01 00|36 46 47 37 36",
        '&' => "47 02 01 10 21 22 04 06 17 27 44",
        '\'' => "00 02",
        '(' => "20 02 05 27",
        ')' => "00 22 25 07",
        '*' => "21 25|02 44|42 04",
        '+' => "04 44|22 26",
        ',' => "17 09",
        '-' => "04 34",
        '.' => "07 07",
        '/' => "40 07",
        '0' => "10 30 41 46 37 17 06 01 10",
        '1' => "02 20 27|07 47",
        '2' => "01 10 30 41 42 07 47",
        '3' => "01 10 30 41 42 33 13|33 44 46 37 17 06",
        '4' => "37 30 05 45",
        '5' => "40 00 03 33 44 46 37 17 06",
        '6' => "41 30 10 01 06 17 37 46 44 33 13 04",
        '7' => "00 40 17",
        '8' => "13 33 42 41 30 10 01 02 13 04 06 17 37 46 44 33",
        '9' => "43 34 14 03 01 10 30 41 46 37 17 06",
        ':' => "03 03|07 07",
        ';' => "13 13|17 09",
        '<' => "32 04 36",
        '=' => "03 43|05 45",
        '>' => "02 34 06",
        '?' => "01 10 30 41 42 24 25|27 27",
        '@' => "45 35 25 14 23 33 34 35|45 42 31 11 02 06 17 47",
        'A' => "07 20 47|15 35",
        'B' => "07 00 30 41 42 33 03|33 44 46 37 07",
        'C' => "41 30 10 01 06 17 37 46",
        'D' => "00 20 42 45 27 07 00",
        'E' => "40 00 07 47|03 33",
        'F' => "40 00 07|03 33",
        'G' => "41 30 10 01 06 17 37 46 44 24",
        'H' => "00 07|40 47|03 43",
        'I' => "00 20|10 17|07 27",
        'J' => "30 36 27 17 06",
        'K' => "00 07|40 04|13 47",
        'L' => "00 07 47",
        'M' => "07 00 34 60 67",
        'N' => "07 00 47 40",
        'O' => "10 30 41 46 37 17 06 01 10",
        'P' => "07 00 30 41 43 34 04",
        'Q' => "10 30 41 46 37 17 06 01 10|25 48",
        'R' => "07 00 30 41 43 34 04|24 47",
        'S' => "41 30 10 01 02 13 33 44 46 37 17 06",
        'T' => "00 40|20 27",
        'U' => "00 06 17 37 46 40",
        'V' => "00 27 40",
        'W' => "00 17 32 57 60",
        'X' => "00 47|40 07",
        'Y' => "00 23 40|23 27",
        'Z' => "00 40 07 47",
        '[' => "20 00 07 27",
        '\\' => "00 47",
        ']' => "00 20 27 07",
        '^' => "03 20 43",
        '_' => "08 48",
        '`' => "00 11",
        'a' => "03 12 32 43 47|44 14 05 06 17 27 45",
        'b' => "00 07|04 12 32 43 46 37 17 05",
        'c' => "43 32 12 03 06 17 37 46",
        'd' => "40 47|44 32 12 03 06 17 37 45",
        'e' => "05 45 43 32 12 03 06 17 37 46",
        'f' => "30 20 11 17|03 33",
        'g' => "42 48 39 19 08|44 32 12 03 05 16 36 44",
        'h' => "00 07|04 12 32 43 47",
        'i' => "02 07|00 00",
        'j' => "12 18 09|10 10",
        'k' => "00 07|32 05|14 37",
        'l' => "00 06 17",
        'm' => "02 07|03 12 22 33 37|33 42 52 63 67",
        'n' => "02 07|04 12 32 43 47",
        'o' => "12 32 43 46 37 17 06 03 12",
        'p' => "02 09|04 12 32 43 46 37 17 05",
        'q' => "42 49|44 32 12 03 06 17 37 45",
        'r' => "02 07|04 12 32",
        's' => "43 32 12 03 14 35 46 37 17 06",
        't' => "10 16 27 37|02 32",
        'u' => "02 06 17 27 45|42 47",
        'v' => "02 27 42",
        'w' => "02 17 33 57 62",
        'x' => "02 47|42 07",
        'y' => "02 27|42 19 09",
        'z' => "02 42 07 47",
        '{' => "20 11 12 04 15 16 27",
        '|' => "00 09",
        '}' => "00 11 12 24 15 16 07",
        '~' => "05 14 35 44",
        _ => "00 40 47 07 00",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_printable_character_has_its_own_strokes() {
        let unknown = glyph('\u{fffd}');
        for letter in '!'..='~' {
            assert_ne!(glyph(letter), unknown, "{letter}");
            for point in points(letter) {
                assert!(point[0] <= 6.0 && point[1] <= 9.0, "{letter}");
            }
        }
        assert!(advance('i') < advance('n') && advance('n') < advance('m'));
    }
}
