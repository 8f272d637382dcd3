//! A long linear tail of which every tap is its own: a room, or a loudspeaker, as noise that
//! fades (J. A. Moorer, "About This Reverberation Business", CMJ 3(2), 1979).

use serde::{Deserialize, Serialize};

use super::{ParameterError, Unit, within};
use crate::dsp::fft::{RealFft, quick_length};

/// Adds noise that fades: `wet = (1 − mix) · dry + mix · (h ∗ dry)`, where `h` is noise of `seed`
/// behind a low-pass of one pole, fades by 60 dB within `decay_seconds`, ends there, and has the
/// energy 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Room {
    /// 0.001 to 3: until it has faded by 60 dB and ends.
    pub decay_seconds: f64,
    /// 0 (dry only) to 1 (room only).
    #[serde(default = "super::half")]
    pub mix: f64,
    /// 20 to half the rate: above it the noise falls by 6 dB per octave.
    #[serde(default = "bright")]
    pub cutoff_hz: f64,
    /// Of the noise.
    #[serde(default)]
    pub seed: u32,
}

fn bright() -> f64 {
    3000.0
}

impl Room {
    /// The impulse response, without the dry sound.
    fn response(&self, hz: f64) -> Vec<f64> {
        let len = ((self.decay_seconds * hz).round() as usize).max(1);
        let pole = (-std::f64::consts::TAU * self.cutoff_hz / hz).exp();
        let (mut bits, mut state) = (self.seed, 0.0);
        let mut response: Vec<f64> = (0..len)
            .map(|i| {
                // The generator of Numerical Recipes.
                bits = bits.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let noise = f64::from(bits >> 8) / 8_388_608.0 - 1.0;
                state = pole * state + (1.0 - pole) * noise;
                state * 10f64.powf(-3.0 * i as f64 / len as f64)
            })
            .collect();
        let energy: f64 = response.iter().map(|tap| tap * tap).sum();
        if energy > 0.0 {
            response.iter_mut().for_each(|tap| *tap /= energy.sqrt());
        }
        response
    }
}

impl Unit for Room {
    fn check(&self, hz: f64) -> Result<(), ParameterError> {
        within("room", "decay_seconds", self.decay_seconds, 0.001..=3.0)?;
        within("room", "mix", self.mix, 0.0..=1.0)?;
        within("room", "cutoff_hz", self.cutoff_hz, 20.0..=hz / 2.0)
    }

    fn run(&self, dry: &[f32], hz: f64) -> Vec<f32> {
        let response = self.response(hz);
        let hop = response.len().max(1 << 15);
        let mut fft = RealFft::new(quick_length(hop + response.len()));
        let [mut heard, mut filter] = [fft.spectrum(), fft.spectrum()];
        fft.forward(response.iter().copied(), &mut filter);
        let mut wet: Vec<f64> = dry
            .iter()
            .map(|&x| (1.0 - self.mix) * f64::from(x))
            .collect();
        for (start, piece) in dry.chunks(hop).enumerate().map(|(at, x)| (at * hop, x)) {
            fft.forward(piece.iter().map(|&x| f64::from(x)), &mut heard);
            heard.iter_mut().zip(&filter).for_each(|(x, h)| *x *= h);
            let answer = fft.inverse(&mut heard);
            for (wet, room) in wet[start..].iter_mut().zip(answer) {
                *wet += self.mix * room;
            }
        }
        wet.iter().map(|&x| x as f32).collect()
    }

    fn is_linear(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_its_impulse_response_in_every_piece() {
        let room = Room {
            decay_seconds: 0.05,
            mix: 0.25,
            cutoff_hz: 2000.0,
            seed: 3,
        };
        let hz = 8000.0;
        let response = room.response(hz);
        assert_eq!(response.len(), 400);
        let energy: f64 = response.iter().map(|tap| tap * tap).sum();
        assert!((energy - 1.0).abs() < 1e-12);
        // Across the seam between two pieces.
        let at = (1 << 15) - 100;
        let mut dry = vec![0.0; 1 << 16];
        dry[at] = 1.0;
        let wet = room.run(&dry, hz);
        for (n, wet) in wet.iter().enumerate() {
            let room = n.checked_sub(at).and_then(|i| response.get(i));
            let direct = if n == at { 0.75 } else { 0.0 };
            let wanted = direct + 0.25 * room.copied().unwrap_or(0.0);
            assert!((f64::from(*wet) - wanted).abs() < 1e-7, "{n}");
        }
    }
}
