//! Where the knobs of a network stand.

use crate::config::{DataConfig, Knob};
use crate::network::Control;
use anyhow::{Result, bail};
use std::collections::BTreeMap;

/// The knobs of a run, by default in the middle of what was learned.
pub fn of_config(data: &DataConfig) -> Vec<Control> {
    let control = |knob: Knob| Control {
        default: 0.5 * (knob.min + knob.max),
        name: knob.name,
        min: knob.min,
        max: knob.max,
    };
    data.knobs().into_iter().map(control).collect()
}

/// Positions of the knobs in their order; those that are not `given` stand at their defaults.
///
/// # Errors
/// A name that is no knob of the network, a value that is no number.
pub fn positions(controls: &[Control], given: &BTreeMap<String, f32>) -> Result<Vec<f32>> {
    for (name, value) in given {
        if !controls.iter().any(|control| control.name == *name) {
            let names: Vec<&str> = controls.iter().map(|c| c.name.as_str()).collect();
            let there = if names.is_empty() {
                "it has none".to_string()
            } else {
                format!("there are {}", names.join(", "))
            };
            bail!("the network has no control '{name}'; {there}");
        }
        if !value.is_finite() {
            bail!("control {name} is {value}; a finite number is needed");
        }
    }
    let value = |control: &Control| given.get(&control.name).copied().unwrap_or(control.default);
    Ok(controls.iter().map(value).collect())
}
