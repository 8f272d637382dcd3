//! The `[model]` table of a run that starts from a model file: the file says what the network
//! is, the config may leave it out or agree.

use super::networks::former;
use super::{ConfigError, ModelConfig, WaveNetArray, WaveNetConfig, WaveNetPreset};
use toml::{Table, Value};

/// Keys that a file decides; the others say how to train and are the config's alone.
const HELD: [&str; 5] = ["front", "gain", "hidden_size", "layers", "skip"];

/// Completes `root.model` from `imported`, the network of the file.
///
/// # Errors
/// Names the first key that says something else than the file.
pub(super) fn complete(root: &mut Table, imported: &ModelConfig) -> Result<(), ConfigError> {
    let model = root
        .entry("model")
        .or_insert_with(|| Value::Table(Table::new()));
    let Some(given) = model.as_table_mut() else {
        return Err(conflict("model", "no table", "left out"));
    };
    former::renew(given);
    let imported = match imported {
        ModelConfig::Tailed(tailed) => {
            let taps = Table::from_iter([("taps".into(), Value::from(tailed.tail.taps as i64))]);
            let tail = Table::from_iter([("tail".into(), Value::Table(taps))]);
            agree("model", given, tail)?;
            &tailed.network
        }
        network => network,
    };
    let kind = imported.kind();
    match given.get("kind").and_then(Value::as_str) {
        Some(other) if other != kind => return Err(conflict("model.kind", other, kind)),
        Some(_) => {}
        None => drop(given.insert("kind".into(), kind.into())),
    }
    if let ModelConfig::WaveNet(wavenet) = imported {
        return complete_wavenet(given, wavenet);
    }
    let mut file = Table::try_from(imported).map_err(|e| conflict("model", e, "none"))?;
    file.retain(|key, _| HELD.contains(&key));
    if file.contains_key("hidden_size") && file.contains_key("skip") {
        // Left out of a table where it is false, and yet what the file says.
        file.entry("gain").or_insert(Value::Boolean(false));
    }
    if given.contains_key("front") && !file.contains_key("front") {
        return Err(conflict("model.front", "given", "left out"));
    }
    agree("model", given, file)
}

/// Adds to `given`, the table at `place`, what it leaves out of `file`.
fn agree(place: &str, given: &mut Table, file: Table) -> Result<(), ConfigError> {
    for (key, value) in file {
        let place = format!("{place}.{key}");
        match (given.get_mut(&key), value) {
            (None, value) => drop(given.insert(key, value)),
            (Some(Value::Table(given)), Value::Table(file)) => agree(&place, given, file)?,
            (Some(other), value) if !same(other, &value) => {
                return Err(conflict(&place, other, value));
            }
            _ => {}
        }
    }
    Ok(())
}

fn conflict(key: &str, got: impl ToString, file: impl ToString) -> ConfigError {
    let allowed = format!("{}, as in the file to start from", file.to_string());
    ConfigError::value(key, got, allowed)
}

fn same(a: &Value, b: &Value) -> bool {
    let number = |v: &Value| v.as_float().or(v.as_integer().map(|i| i as f64));
    match (number(a), number(b)) {
        (Some(a), Some(b)) => a as f32 == b as f32,
        _ => a == b,
    }
}

/// A preset or arrays that are those of the file; the file's head scale.
fn complete_wavenet(given: &mut Table, file: &WaveNetConfig) -> Result<(), ConfigError> {
    let spelled_out = given.contains_key("preset") || given.contains_key("arrays");
    let said: WaveNetConfig = if spelled_out {
        let mut table = given.clone();
        table.remove("kind");
        let wrong =
            |e: toml::de::Error| conflict("model", e.message().replace('\n', " "), "wavenet");
        table.try_into().map_err(wrong)?
    } else {
        WaveNetConfig {
            head_scale: None,
            ..file.clone()
        }
    };
    if said.is_slimmable() != file.is_slimmable() {
        let name = |config: &WaveNetConfig| config.preset.map_or("left out", WaveNetPreset::name);
        return Err(conflict("model.preset", name(&said), name(file)));
    }
    let (arrays, _) = said.resolve();
    let (wanted, head_scale) = file.resolve();
    let place = match said.preset {
        Some(preset) => format!("model.preset ({}): arrays", preset.name()),
        None => "model.arrays".to_string(),
    };
    if arrays.len() != wanted.len() {
        return Err(conflict(&place, arrays.len(), wanted.len()));
    }
    for (index, (array, wanted)) in arrays.iter().zip(&wanted).enumerate() {
        same_array(&format!("{place}.{index}"), array, wanted)?;
    }
    match said.head_scale {
        Some(scale) if scale != head_scale => {
            return Err(conflict("model.head_scale", scale, head_scale));
        }
        _ => {}
    }
    let completed = WaveNetConfig {
        // Spelled out even where it is the usual one: the weights belong to it, whatever level
        // the new recordings have.
        head_scale: Some(head_scale),
        preset: said.preset,
        arrays: if said.preset.is_some() {
            Vec::new()
        } else {
            wanted
        },
        drive: said.drive,
    };
    let completed = Table::try_from(completed).map_err(|e| conflict("model", e, "wavenet"))?;
    for key in ["preset", "head_scale", "drive", "arrays"] {
        given.remove(key);
    }
    given.extend(completed);
    Ok(())
}

fn same_array(place: &str, given: &WaveNetArray, file: &WaveNetArray) -> Result<(), ConfigError> {
    let table = |array: &WaveNetArray| {
        // One taps list, whichever way it was written.
        let plain = WaveNetArray {
            kernel_size: 0,
            kernel_sizes: array.layer_kernel_sizes(),
            ..array.clone()
        };
        Table::try_from(plain).map_err(|e| conflict(place, e, "an array"))
    };
    let given = table(given)?;
    for (key, value) in table(file)? {
        let other = given.get(&key);
        if !other.is_some_and(|other| same(other, &value)) {
            let other = other.map_or("absent".to_string(), Value::to_string);
            return Err(conflict(&format!("{place}.{key}"), other, value));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::{FrontConfig, RecurrentConfig};
    use super::*;

    fn completed(model: &str, imported: &ModelConfig) -> Result<ModelConfig, String> {
        let mut root: Table = toml::from_str(model).unwrap();
        complete(&mut root, imported).map_err(|e| e.to_string())?;
        let model = root.remove("model").unwrap();
        model.try_into().map_err(|e: toml::de::Error| e.to_string())
    }

    fn lstm() -> ModelConfig {
        ModelConfig::Lstm(RecurrentConfig {
            hidden_size: 24,
            skip: false,
            ..RecurrentConfig::default()
        })
    }

    #[test]
    fn what_the_config_leaves_out_comes_from_the_file() {
        assert_eq!(completed("", &lstm()).unwrap(), lstm());
        let own = completed("[model]\nkind = \"lstm\"\nwarm_up = 5", &lstm()).unwrap();
        let ModelConfig::Lstm(own) = own else {
            panic!("{own:?}")
        };
        assert_eq!((own.hidden_size, own.skip, own.warm_up), (24, false, 5));
    }

    #[test]
    fn what_contradicts_the_file_is_named() {
        let error = completed("[model]\nkind = \"lstm\"\nhidden_size = 16", &lstm()).unwrap_err();
        assert_eq!(
            error,
            "config key model.hidden_size is 16; allowed: 24, as in the file to start from"
        );
        let error = completed("[model]\nkind = \"gru\"", &lstm()).unwrap_err();
        assert!(
            error.contains("model.kind is gru; allowed: lstm"),
            "{error}"
        );
    }

    /// Weights do not tell whether they make a sound or a gain.
    #[test]
    fn a_gain_is_what_the_file_says() {
        let gain = ModelConfig::Lstm(RecurrentConfig {
            gain: true,
            ..RecurrentConfig::default()
        });
        assert_eq!(completed("", &gain).unwrap(), gain);
        let error = completed("[model]\ngain = false", &gain).unwrap_err();
        assert!(
            error.contains("model.gain is false; allowed: true"),
            "{error}"
        );
        let error = completed("[model]\ngain = true", &lstm()).unwrap_err();
        assert!(
            error.contains("model.gain is true; allowed: false"),
            "{error}"
        );
    }

    #[test]
    fn a_front_agrees_key_by_key() {
        let front = FrontConfig {
            channels: 4,
            ..FrontConfig::default()
        };
        let file = ModelConfig::Lstm(RecurrentConfig {
            front: Some(front),
            ..RecurrentConfig::default()
        });
        for model in [
            "",
            "[model.front]\nchannels = 4",
            "[model]\nkind = \"conv-lstm\"",
        ] {
            assert_eq!(completed(model, &file).unwrap(), file, "{model}");
        }
        let former = "[model]\nkind = \"conv-lstm\"\nchannels = 5";
        let error = completed(former, &file).unwrap_err();
        assert!(
            error.contains("model.front.channels is 5; allowed: 4"),
            "{error}"
        );
        let error = completed("[model.front]", &lstm()).unwrap_err();
        assert!(
            error.contains("model.front is given; allowed: left out"),
            "{error}"
        );
    }

    #[test]
    fn a_preset_agrees_by_its_arrays_and_yields_its_head_scale() {
        let (arrays, head_scale) = WaveNetPreset::A1Nano.expand();
        let file = |head_scale| {
            ModelConfig::WaveNet(WaveNetConfig {
                preset: None,
                head_scale: Some(head_scale),
                arrays: arrays.clone(),
                ..WaveNetConfig::default()
            })
        };
        let nano = "[model]\nkind = \"wavenet\"\npreset = \"a1-nano\"";
        let ModelConfig::WaveNet(kept) = completed(nano, &file(head_scale)).unwrap() else {
            panic!()
        };
        let preset = Some(WaveNetPreset::A1Nano);
        assert_eq!((kept.preset, kept.head_scale), (preset, Some(head_scale)));
        let ModelConfig::WaveNet(scaled) = completed(nano, &file(0.5)).unwrap() else {
            panic!()
        };
        assert_eq!((scaled.preset, scaled.head_scale), (preset, Some(0.5)));
        assert_eq!(completed("", &file(0.5)).unwrap(), file(0.5));
        let lite = nano.replace("nano", "lite");
        let error = completed(&lite, &file(0.5)).unwrap_err();
        assert_eq!(
            error,
            "config key model.preset (a1-lite): arrays.0.channels is 12; allowed: 4, as in the file \
             to start from"
        );
        let a2 = nano.replace("a1-nano", "a2");
        let error = completed(&a2, &file(0.5)).unwrap_err();
        assert!(
            error.contains("model.preset is a2; allowed: left out"),
            "{error}"
        );
    }
}
