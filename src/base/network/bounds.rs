//! How large a network may be, and the checks of sizes and numbers that every part makes.

use super::error::DescriptionError;

/// The most weights a network may hold: 268 MB of `f32`, six times the widest of the seeds'.
pub const MAX_WEIGHTS: usize = 1 << 26;
/// The most samples of history a network may hold over all channels: 134 MB of `f32`. The engine
/// allocates a small multiple of it.
pub const MAX_HISTORY: usize = 1 << 25;
/// The longest tail: 2.7 s at 192 kHz.
pub const MAX_TAIL: usize = 1 << 19;
/// The widest layer.
pub const MAX_CHANNELS: usize = 1 << 16;
/// The most layers, branches included: far above any network in use, low enough that the
/// bookkeeping per layer cannot add up to much.
pub const MAX_LAYERS: usize = 1 << 14;
/// The deepest nesting of networks in networks.
pub const MAX_DEPTH: usize = 16;

pub(crate) fn too_large(what: &str, got: usize, allowed: usize) -> DescriptionError {
    DescriptionError::TooLarge {
        what: what.into(),
        got: got.to_string(),
        allowed,
    }
}

/// An error when `got` overflowed or is above `allowed`.
pub(crate) fn bounded(
    what: &str,
    got: Option<usize>,
    allowed: usize,
) -> Result<(), DescriptionError> {
    match got {
        Some(got) if got <= allowed => Ok(()),
        Some(got) => Err(too_large(what, got, allowed)),
        None => {
            let got = "more than a 64-bit number holds".into();
            Err(DescriptionError::TooLarge {
                what: what.into(),
                got,
                allowed,
            })
        }
    }
}

/// An error when a size is 0 or above `allowed`.
pub(crate) fn size(what: &str, got: usize, allowed: usize) -> Result<(), DescriptionError> {
    if got == 0 {
        return Err(DescriptionError::invalid(
            what,
            "is 0; it must be at least 1",
        ));
    }
    bounded(what, Some(got), allowed)
}

/// An error unless `numbers` holds `expected` finite numbers.
pub(crate) fn numbers(
    what: &str,
    numbers: &[f32],
    expected: Option<usize>,
) -> Result<(), DescriptionError> {
    bounded(what, expected, MAX_WEIGHTS)?;
    let expected = expected.unwrap_or_default();
    if numbers.len() != expected {
        let (what, got) = (what.into(), numbers.len());
        return Err(DescriptionError::Length {
            what,
            got,
            expected,
        });
    }
    match numbers.iter().position(|n| !n.is_finite()) {
        Some(at) => {
            let why = format!("number {at} is {}; weights must be finite", numbers[at]);
            Err(DescriptionError::invalid(what, why))
        }
        None => Ok(()),
    }
}

/// An error unless `got` channels are the `expected` ones.
pub(crate) fn channels(what: &str, got: usize, expected: usize) -> Result<(), DescriptionError> {
    if got == expected {
        return Ok(());
    }
    Err(DescriptionError::Channels {
        what: what.into(),
        got,
        expected,
    })
}
