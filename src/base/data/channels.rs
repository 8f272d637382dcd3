//! Which channels of two recordings belong together: each of one side with the same of the other,
//! and a mono side with all. Knows neither files nor what the channels hold.

use super::finding::{Fact, Finding};
use crate::audio::{Track, Tracks};

/// The channel that stands at `channel` (from 0): itself, or the only one of a mono recording.
pub fn serving<'a>(sound: &Tracks<'a>, channel: usize) -> Option<Track<'a>> {
    let channels = sound.channels();
    let index = if channels.len() == 1 { 0 } else { channel };
    channels.get(index).copied()
}

/// The recording with these channels alone; a mono one as it is.
///
/// # Errors
/// Names the first channel that it has not, for people (from 1), and how many it has.
pub fn picked<'a>(sound: &Tracks<'a>, channels: &[usize]) -> Result<Tracks<'a>, String> {
    let count = sound.channels().len();
    if count == 1 {
        return Ok(sound.clone());
    }
    let missing = channels.iter().find(|channel| **channel >= count);
    sound.picked(channels).ok_or_else(|| match missing {
        Some(channel) => format!("channel {} of {count} is asked for", channel + 1),
        None => format!("none of {count} channels is asked for"),
    })
}

/// What was found in the [`picked`] channels of `dry` and `wet`, told of the channels as recorded.
pub fn as_recorded(
    mut finding: Finding,
    channels: &[usize],
    dry: &Tracks<'_>,
    wet: &Tracks<'_>,
) -> Finding {
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
    use crate::audio::{Audio, SampleRate};
    use crate::data::check::{Expectations, check_recording};

    #[test]
    fn a_chosen_channel_keeps_its_number_and_mono_serves_all() {
        let rate = SampleRate::new(8000).unwrap();
        let sound: Vec<f32> = (0..100).map(|n| (n as f32).sin()).collect();
        let stereo = Audio::new(rate, vec![sound.clone(), vec![0.0; 100]]).unwrap();
        let mono = Audio::mono(rate, sound.clone());
        let (stereo, mono) = (stereo.tracks(), mono.tracks());
        assert_eq!(*serving(&mono, 5).unwrap().whole(), sound[..]);
        assert!(serving(&stereo, 2).is_none());
        assert_eq!(
            *picked(&mono, &[3]).unwrap().channels()[0].whole(),
            sound[..]
        );
        assert_eq!(
            picked(&stereo, &[2]).err().unwrap(),
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
