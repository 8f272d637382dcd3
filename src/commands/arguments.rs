//! Values of arguments that several verbs take, from text. Knows no verb.

use crate::audio::SampleFormat;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};

/// One of several values, each by its name, with what help says of it (nothing if empty).
pub fn one_of<T>(
    choices: &'static [(&'static str, &'static str, T)],
) -> impl TypedValueParser<Value = T>
where
    T: Copy + Send + Sync + 'static,
{
    let named = |(name, what, _): &(&'static str, &'static str, T)| {
        let value = PossibleValue::new(*name);
        if what.is_empty() {
            value
        } else {
            value.help(*what)
        }
    };
    let find = |typed: String| {
        let mut found = choices.iter().filter(|(name, ..)| *name == typed);
        let value = found.next().map(|(_, _, value)| *value);
        value.ok_or_else(|| format!("{typed} is unknown"))
    };
    PossibleValuesParser::new(choices.iter().map(named)).try_map(find)
}

/// How samples are stored.
pub fn sample_format() -> impl TypedValueParser<Value = SampleFormat> {
    one_of(&[
        ("f32", "32-bit float", SampleFormat::Float(32)),
        ("s24", "24-bit integer, dithered", SampleFormat::Int(24)),
        ("s16", "16-bit integer, dithered", SampleFormat::Int(16)),
    ])
}

/// `gain=0.5`
///
/// # Errors
/// Says the form.
pub fn control(text: &str) -> Result<(String, f32), String> {
    let wrong = || "the form is NAME=VALUE, such as gain=0.5".to_string();
    let (name, value) = text.split_once('=').ok_or_else(wrong)?;
    let value = value.trim().parse().map_err(|_| wrong())?;
    Ok((name.trim().to_string(), value))
}
