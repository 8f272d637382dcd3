//! Files that people give for models by mistake, known by their first bytes. Knows no model format.

use super::error::FormatError;

/// How a kind of file begins, what it is, what to do about it.
type Known = (&'static [u8], &'static str, &'static str);

const UNPACK: &str = "unpack it and give the model inside";
const SOUND: &str = "give the model (.nam, .json, .aidax or .safetensors), not a recording";
const EXPORT: &str = "export it with its own trainer as .nam or .json; weights alone do not say what network they are";

const KNOWN: [Known; 9] = [
    (
        b"PK\x03\x04",
        "a zip archive (or a PyTorch checkpoint, which is one)",
        UNPACK,
    ),
    (b"\x1f\x8b", "a gzip archive", UNPACK),
    (b"Rar!", "a RAR archive", UNPACK),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", UNPACK),
    (b"\x89HDF", "a Keras or HDF5 file", EXPORT),
    (b"RIFF", "a WAV file", SOUND),
    (b"FORM", "an AIFF file", SOUND),
    (b"fLaC", "a FLAC file", SOUND),
    (
        b"\0\x05\x16\x07",
        "the half of a file that macOS keeps beside it on foreign disks",
        "give the file without the leading ._ in its name",
    ),
];

/// What the bytes are instead of JSON, where that is known.
pub(super) fn than(bytes: &[u8]) -> Option<FormatError> {
    let say = |(_, what, hint): Known| FormatError::Other { what, hint };
    if let Some(known) = KNOWN
        .into_iter()
        .find(|(start, ..)| bytes.starts_with(start))
    {
        return Some(say(known));
    }
    let text = bytes.trim_ascii_start();
    let other = if text.is_empty() {
        ("an empty file", "download or export it again")
    } else if text.starts_with(b"<") {
        (
            "a web page",
            "the address led to a page about the file: download the file itself",
        )
    } else if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        ("text in UTF-16", "save it as UTF-8")
    } else if [&b"NaN"[..], b"Infinity"]
        .iter()
        .any(|word| holds_value(text, word))
    {
        (
            "JSON with numbers that are not finite (NaN or Infinity)",
            "its training failed: train and export it again",
        )
    } else {
        return None;
    };
    Some(say((b"", other.0, other.1)))
}

/// Whether a bare `word` stands where JSON has a value.
fn holds_value(text: &[u8], word: &[u8]) -> bool {
    let mut places = text.windows(word.len()).enumerate();
    places.any(|(at, here)| {
        let before = text[..at].trim_ascii_end();
        here == word && before.last().is_some_and(|c| b"[,:-".contains(c))
    })
}
