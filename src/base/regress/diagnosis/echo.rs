//! Reading an impulse response of a second: repeats of the sound, or a tail.
//!
//! Knows nothing of how the response was measured.

use crate::audio::SampleRate;
use serde::Serialize;

/// Sound that comes back within this time colours; after it, it is heard as a repeat or a room.
const HEARD_APART_MS: usize = 12;

/// Energy of a repeat relative to the direct sound's: below −40 dB nobody hears it.
const AUDIBLE: f64 = 1e-4;

/// How far a repeat stands above what comes right before it; a tail only fades.
const STANDS_OUT: f64 = 30.0;

/// What comes after the direct sound.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Echo {
    /// When the first clear repeat begins, after the direct sound; `None` for a tail without one.
    pub delay_ms: Option<f64>,
    /// Energy of all that comes later than 12 ms, relative to the rest.
    pub level_db: f64,
    /// When 99 % of the whole response's energy is over.
    pub length_ms: f64,
}

impl Echo {
    /// Reads a response; `None` when nothing audible comes after 12 ms.
    pub(super) fn read(taps: &[f64], rate: SampleRate) -> Option<Self> {
        let bin = (rate.hz() as usize / 1000).max(1);
        let energy: Vec<f64> = taps
            .chunks(bin)
            .map(|ms| ms.iter().map(|t| t * t).sum())
            .collect();
        let (direct, late) = energy.split_at_checked(HEARD_APART_MS)?;
        let (main, later) = (direct.iter().sum::<f64>(), late.iter().sum::<f64>());
        if later < AUDIBLE * main.max(later) {
            return None;
        }
        let strongest = late.iter().copied().fold(0.0, f64::max);
        let least = (AUDIBLE * main).max(0.1 * strongest);
        let clear = |n: &usize| energy[*n] > least.max(STANDS_OUT * before(&energy, *n));
        let first = (HEARD_APART_MS..energy.len()).find(clear);
        let whole = main + later;
        let mut sum = 0.0;
        let over = energy.iter().position(|e| {
            sum += e;
            sum >= 0.99 * whole
        });
        Some(Self {
            delay_ms: first.map(|n| exact_ms(taps, n * bin, bin, rate)),
            level_db: 10.0 * (later / main.max(f64::MIN_POSITIVE)).log10(),
            length_ms: over.unwrap_or(energy.len()) as f64 + 1.0,
        })
    }
}

/// Typical energy of the milliseconds before this one, its neighbour apart, into which a repeat
/// may reach.
fn before(energy: &[f64], n: usize) -> f64 {
    let mut near = energy[n.saturating_sub(10)..n.saturating_sub(1)].to_vec();
    near.sort_unstable_by(f64::total_cmp);
    near.get(near.len() / 2).copied().unwrap_or(0.0)
}

/// The largest tap of the millisecond that begins at `start`, after the largest of the direct
/// sound.
fn exact_ms(taps: &[f64], start: usize, bin: usize, rate: SampleRate) -> f64 {
    let largest = |from: usize, to: usize| {
        (from..to.min(taps.len()))
            .max_by(|&a, &b| taps[a].abs().total_cmp(&taps[b].abs()))
            .unwrap_or(from)
    };
    let direct = largest(0, HEARD_APART_MS * bin);
    let repeat = largest(start, start + 2 * bin);
    1000.0 * repeat.saturating_sub(direct) as f64 / f64::from(rate.hz())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate() -> SampleRate {
        SampleRate::new(8000).unwrap()
    }

    #[test]
    fn a_repeat_a_tail_and_nothing() {
        let mut taps = vec![1e-6; 4000];
        taps[2] = 1.0;
        taps[3] = 0.5;
        assert_eq!(Echo::read(&taps, rate()), None);
        taps[802] = 0.5;
        let echo = Echo::read(&taps, rate()).unwrap();
        assert_eq!(echo.delay_ms, Some(100.0));
        assert!((echo.level_db + 6.99).abs() < 0.01, "{echo:?}");
        assert_eq!(echo.length_ms, 101.0);
        for (n, tap) in taps.iter_mut().enumerate().skip(8) {
            let sign = if n * n % 3 == 0 { 1.0 } else { -1.0 };
            *tap = sign * 0.1 * (-0.002 * n as f64).exp();
        }
        let tail = Echo::read(&taps, rate()).unwrap();
        assert_eq!(tail.delay_ms, None);
        assert!(tail.length_ms > 100.0, "{tail:?}");
    }
}
