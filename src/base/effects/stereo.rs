//! Effects that differ between left and right or act across them: one for each side, a ping-pong echo,
//! a change of width. Of one dry channel both sides hear the same.

use serde::{Deserialize, Serialize};

use super::delays::{DelayLine, check_repeats, whole_samples};
use super::{Effect, ParameterError, Unit, within};
use crate::audio::AudioChannels;

/// An effect for each side: two rooms, or two choruses whose oscillators stand apart.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sides {
    /// Of the first channel.
    pub left: Box<Effect>,
    /// Of the second; of a mono sound that, too.
    pub right: Box<Effect>,
}

impl Unit for Sides {
    fn check(&self, hz: f64) -> Result<(), ParameterError> {
        self.left.unit().check(hz)?;
        self.right.unit().check(hz)
    }

    fn run(&self, dry: &[f32], hz: f64) -> Vec<f32> {
        self.left.unit().run(dry, hz)
    }

    fn run_channels(&self, dry: &[Vec<f32>], hz: f64) -> Vec<Vec<f32>> {
        let [left, right] = both(dry);
        vec![
            self.left.unit().run(left, hz),
            self.right.unit().run(right, hz),
        ]
    }

    fn is_linear(&self) -> bool {
        self.left.is_linear() && self.right.is_linear()
    }

    fn is_time_varying(&self) -> bool {
        self.left.is_time_varying() || self.right.is_time_varying()
    }

    fn audio_channels(&self) -> AudioChannels {
        AudioChannels::stereo(1)
    }
}

/// Repeats that go from side to side: `left = (1 − mix)·l + mix·a`, `right = (1 − mix)·r + mix·b` with
/// `a[n] = l[n − d] + feedback·b[n − d]` and `b[n] = r[n − d] + feedback·a[n − d]`, `d` being the delay in
/// whole samples. Of a mono sound, which is dry on both sides, only `a` hears it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PingPong {
    /// 0 to 5000, rounded to whole samples, at least one: from side to side.
    pub delay_ms: f64,
    /// −0.99 to 0.99: each repeat's factor on the one before.
    pub feedback: f64,
    /// 0 (dry only) to 1 (repeats only).
    #[serde(default = "super::half")]
    pub mix: f64,
}

impl Unit for PingPong {
    fn check(&self, _: f64) -> Result<(), ParameterError> {
        check_repeats("ping-pong", self.delay_ms, self.feedback, self.mix)
    }

    fn run(&self, dry: &[f32], hz: f64) -> Vec<f32> {
        let mut sides = self.run_channels(&[dry.to_vec()], hz);
        sides.swap_remove(0)
    }

    fn run_channels(&self, dry: &[Vec<f32>], hz: f64) -> Vec<Vec<f32>> {
        let [left, right] = both(dry);
        // A line longer than the sound is never read.
        let len = whole_samples(self.delay_ms, hz).min(left.len() + 1);
        let mut lines = [DelayLine::new(len), DelayLine::new(len)];
        let mut wet = [Vec::new(), Vec::new()];
        for (l, r) in left.iter().zip(right) {
            let echoes = [lines[0].oldest(), lines[1].oldest()];
            let enters = if dry.len() == 1 { 0.0 } else { f64::from(*r) };
            lines[0].push(f64::from(*l) + self.feedback * echoes[1]);
            lines[1].push(enters + self.feedback * echoes[0]);
            for ((wet, x), echo) in wet.iter_mut().zip([l, r]).zip(echoes) {
                wet.push(((1.0 - self.mix) * f64::from(*x) + self.mix * echo) as f32);
            }
        }
        wet.to_vec()
    }

    fn is_linear(&self) -> bool {
        true
    }

    fn audio_channels(&self) -> AudioChannels {
        AudioChannels::stereo(1)
    }
}

/// The sides `(l + r)/2 ± width·(l − r)/2`: 0 makes them one, 1 leaves them, above 1 they are further
/// apart.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Width {
    /// 0 to 4.
    pub width: f64,
}

impl Unit for Width {
    fn check(&self, _: f64) -> Result<(), ParameterError> {
        within("width", "width", self.width, 0.0..=4.0)
    }

    /// Both sides are the same.
    fn run(&self, dry: &[f32], _: f64) -> Vec<f32> {
        dry.to_vec()
    }

    fn run_channels(&self, dry: &[Vec<f32>], _: f64) -> Vec<Vec<f32>> {
        let [left, right] = both(dry);
        let side = |sign: f64| {
            let mixed = left.iter().zip(right).map(|(l, r)| {
                let (l, r) = (f64::from(*l), f64::from(*r));
                (0.5 * (l + r) + sign * self.width * 0.5 * (l - r)) as f32
            });
            mixed.collect()
        };
        vec![side(1.0), side(-1.0)]
    }

    fn is_linear(&self) -> bool {
        true
    }

    fn audio_channels(&self) -> AudioChannels {
        AudioChannels::stereo(2)
    }
}

/// Left and right; a mono sound is both.
fn both(dry: &[Vec<f32>]) -> [&[f32]; 2] {
    let at = |channel: usize| {
        dry.get(channel)
            .or(dry.first())
            .map_or(&[][..], Vec::as_slice)
    };
    [at(0), at(1)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::SampleRate;

    fn played(effect: &Effect, dry: &[Vec<f32>]) -> Vec<Vec<f32>> {
        let rate = SampleRate::new(1000).unwrap();
        effect.process_channels(dry, rate).unwrap()
    }

    #[test]
    fn an_echo_goes_from_side_to_side() {
        let effect = Effect::PingPong(PingPong {
            delay_ms: 2.0,
            feedback: 0.5,
            mix: 0.5,
        });
        let mut click = vec![0.0; 7];
        click[0] = 1.0;
        let wet = played(&effect, std::slice::from_ref(&click));
        assert_eq!(wet[0], [0.5, 0.0, 0.5, 0.0, 0.0, 0.0, 0.125]);
        assert_eq!(wet[1], [0.5, 0.0, 0.0, 0.0, 0.25, 0.0, 0.0]);
        // The other side's own echo begins there.
        let wet = played(&effect, &[vec![0.0; 7], click]);
        assert_eq!(wet[0], [0.0, 0.0, 0.0, 0.0, 0.25, 0.0, 0.0]);
        assert_eq!(wet[1], [0.5, 0.0, 0.5, 0.0, 0.0, 0.0, 0.125]);
    }

    #[test]
    fn width_moves_the_sides_apart_and_each_side_has_its_own_effect() {
        let wide = Effect::Width(Width { width: 2.0 });
        let wet = played(&wide, &[vec![1.0], vec![0.5]]);
        assert_eq!(wet, [vec![1.25], vec![0.25]]);
        let gain = |db: f64| {
            let text = format!("kind = \"gain\"\ngain_db = {db:?}");
            Box::new(toml::from_str(&text).unwrap())
        };
        let sides = Effect::Sides(Sides {
            left: gain(0.0),
            right: gain(-20.0),
        });
        let wet = played(&sides, &[vec![1.0]]);
        assert!((wet[1][0] - 0.1).abs() < 1e-7 && wet[0][0] == 1.0);
        assert_eq!(sides.audio_channels(), AudioChannels::stereo(1));
        let chain: Effect = toml::from_str(
            "kind = \"chain\"\neffects = [{ kind = \"gain\", gain_db = 0.0 }, { kind = \"width\", width = 0.0 }]",
        )
        .unwrap();
        assert_eq!(chain.audio_channels(), AudioChannels::stereo(2));
        assert_eq!(played(&chain, &[vec![1.0], vec![0.0]]), [[0.5], [0.5]]);
    }
}
