//! What `check` says of effects that move by themselves, and of those that do not.

use crate::support::shared;
use effigy::audio::{Audio, SampleRate, decode};
use effigy::effects::signals::{self, Signal};
use effigy::effects::{Chain, Chorus, Effect, Fuzz, Overdrive, Phaser};
use effigy::progress::Silent;
use effigy::regress::diagnosis::Kind;
use effigy::regress::modulation::Part;
use effigy::survey::{Survey, survey};

fn surveyed(dry: Vec<f32>, wet: Vec<f32>, rate: SampleRate) -> Survey {
    let [dry, wet] = [dry, wet].map(|side| Audio::mono(rate, side));
    survey(&dry.tracks(), &wet.tracks(), None, Some(0), &Silent).unwrap()
}

fn through(effect: &Effect) -> Survey {
    let rate = SampleRate::new(11_025).unwrap();
    let signal: Signal = toml::from_str("kind = \"plucked-string\"\nlevel_dbfs = -6.0").unwrap();
    let dry = signals::render(&signal, rate, 5.0, 3).unwrap();
    let wet = effect.process(&dry, rate).unwrap();
    surveyed(dry, wet, rate)
}

fn overdrive() -> Effect {
    Effect::Overdrive(toml::from_str::<Overdrive>("gain = 0.6\ntone = 0.5").unwrap())
}

#[test]
fn a_chorus_and_a_phaser_are_named_with_their_rate() {
    let chorus = Effect::Chorus(Chorus {
        rate_hz: 0.8,
        depth_ms: 1.5,
        delay_ms: 8.0,
        mix: 0.5,
        feedback: 0.0,
        phase: 0.0,
    });
    let phaser = Effect::Phaser(Phaser {
        rate_hz: 1.1,
        low_hz: 300.0,
        high_hz: 2000.0,
        stages: 4,
        mix: 0.5,
        phase: 0.0,
    });
    for (effect, part, rate) in [
        (chorus, Part::Delay, 0.8),
        (phaser, Part::AllPass { stages: 4 }, 1.1),
    ] {
        let found = through(&effect);
        let moving = found.moving.clone().unwrap();
        assert!(moving.detected() && moving.part == part, "{moving:?}");
        assert!((moving.rate_hz / rate - 1.0).abs() < 0.01, "{moving:?}");
        assert_eq!(found.kind, Some(Kind::TimeVarying));
        let words = found.motion_words().unwrap();
        assert!(
            found.cautions.iter().any(|c| c.contains(&words)),
            "{:?}",
            found.cautions
        );
        assert!(found.fit, "{:?}", found.problems);
    }
}

#[test]
fn static_effects_do_not_move() {
    let fuzz = Effect::Fuzz(toml::from_str::<Fuzz>("gain = 0.7").unwrap());
    let preamp = Effect::Chain(Chain {
        effects: vec![overdrive(), overdrive()],
    });
    for effect in [fuzz, preamp] {
        let found = through(&effect);
        assert!(
            found.motion_words().is_none(),
            "{effect:?}: {:?}",
            found.moving
        );
        assert_ne!(found.kind, Some(Kind::TimeVarying), "{effect:?}");
    }
}

/// A flanger, a chorus and a phaser of the field.
#[test]
fn real_effects_that_move_are_named() {
    let Some(folder) = shared("data/modulation") else {
        return;
    };
    let read = |name: &str| decode::read(&folder.join(name)).unwrap().audio;
    for (name, rate) in [
        ("BF-2-A-wet0.wav", 0.344),
        ("SV-1-A-wet2.wav", 0.22),
        ("SS-B-wet1.wav", 0.629),
    ] {
        let place = name.find("wet").unwrap() + 3;
        let dry = read(&format!("dry{}", &name[place..]));
        let wet = read(name);
        let hz = dry.sample_rate();
        let found = surveyed(
            dry.into_channels().swap_remove(0),
            wet.into_channels().swap_remove(0),
            hz,
        );
        let moving = found.moving.clone().unwrap();
        assert!(moving.detected(), "{name}: {moving:?}");
        assert!(
            (moving.rate_hz / rate - 1.0).abs() < 0.05,
            "{name}: {moving:?}"
        );
    }
}
