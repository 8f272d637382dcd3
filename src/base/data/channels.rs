//! Which channels of two recordings belong together: each of one side with the same of the other,
//! and a mono side with all. Knows neither files nor what the channels hold.

use super::finding::{Fact, Finding};
use crate::audio::Audio;
use std::borrow::Cow;

/// The channel that stands at `channel` (from 0): itself, or the only one of a mono recording.
pub fn serving(audio: &Audio, channel: usize) -> Option<&[f32]> {
    let channels = audio.channels();
    let index = if channels.len() == 1 { 0 } else { channel };
    channels.get(index).map(Vec::as_slice)
}

/// The recording with these channels alone; a mono one as it is.
///
/// # Errors
/// Names the first channel that it has not, for people (from 1), and how many it has.
pub fn picked<'a>(audio: &'a Audio, channels: &[usize]) -> Result<Cow<'a, Audio>, String> {
    let count = audio.channels().len();
    if count == 1 || channels.iter().copied().eq(0..count) {
        return Ok(Cow::Borrowed(audio));
    }
    let one = |channel: &usize| {
        let found = audio.channels().get(*channel).cloned();
        found.ok_or_else(|| format!("channel {} of {count} is asked for", channel + 1))
    };
    let kept = channels.iter().map(one).collect::<Result<Vec<_>, _>>()?;
    let picked = Audio::new(audio.sample_rate(), kept);
    picked.map(Cow::Owned).map_err(|e| e.to_string())
}

/// What was found in the [`picked`] channels of `dry` and `wet`, told of the channels as recorded.
pub fn as_recorded(mut finding: Finding, channels: &[usize], dry: &Audio, wet: &Audio) -> Finding {
    let Some(place) = &mut finding.place else {
        return finding;
    };
    let side = if place.which == "dry" { dry } else { wet };
    let recorded = |channel: &mut usize| {
        if side.channels().len() > 1 {
            *channel = channels.get(*channel).copied().unwrap_or(*channel);
        }
    };
    place.channel.iter_mut().for_each(recorded);
    if let Fact::NotFinite { channel, .. } = &mut finding.fact {
        recorded(channel);
    }
    finding
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::SampleRate;
    use crate::data::check::{Expectations, check_recording};

    #[test]
    fn a_chosen_channel_keeps_its_number_and_mono_serves_all() {
        let rate = SampleRate::new(8000).unwrap();
        let sound: Vec<f32> = (0..100).map(|n| (n as f32).sin()).collect();
        let stereo = Audio::new(rate, vec![sound.clone(), vec![0.0; 100]]).unwrap();
        let mono = Audio::mono(rate, sound.clone());
        assert_eq!(serving(&mono, 5), Some(sound.as_slice()));
        assert_eq!(serving(&stereo, 2), None);
        assert_eq!(picked(&mono, &[3]).as_deref(), Ok(&mono));
        assert_eq!(
            picked(&stereo, &[2]).unwrap_err(),
            "channel 3 of 2 is asked for"
        );
        let second = picked(&stereo, &[1]).unwrap();
        let found = check_recording("dry", &second, Expectations::default());
        let found = as_recorded(found[0].clone(), &[1], &stereo, &stereo);
        assert!(
            found
                .to_string()
                .starts_with("error: dry channel 2 is silent"),
            "{found}"
        );
    }
}
