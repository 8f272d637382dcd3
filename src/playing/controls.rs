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
        range: knob.range,
    };
    data.knobs().into_iter().map(control).collect()
}

/// Of each knob that shows more or less than was learned from, what to say of that.
pub fn beyond(controls: &[Control], given: &BTreeMap<String, f32>) -> Vec<String> {
    let said = |control: &Control| {
        let number = *given.get(&control.name)?;
        let heard = control.heard(number);
        let shown = control.shown();
        // What the way there and back rounds off.
        let slack = 1e-4 * (control.max - control.min).max(1e-3);
        let is_within = (control.min - slack..=control.max + slack).contains(&heard);
        (!is_within).then(|| {
            format!(
                "control {} is {number}, the network learned from {} to {}: what is beyond is guessed",
                control.name, shown.min, shown.max
            )
        })
    };
    controls.iter().filter_map(said).collect()
}

/// What the network hears of its knobs, in their order, where they show what is `given`; the others stand at
/// their defaults.
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
    let heard = |control: &Control| match given.get(&control.name) {
        Some(&number) => control.heard(number),
        None => control.default,
    };
    Ok(controls.iter().map(heard).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::KnobRange;

    #[test]
    fn what_lies_beyond_is_said_in_the_knobs_numbers() {
        let knob = |name: &str, range| Control {
            name: name.to_string(),
            min: 0.0,
            max: 1.0,
            default: 0.5,
            range,
        };
        let knobs = [knob("ratio", KnobRange::new(2.0, 8.0)), knob("tone", None)];
        let at = |ratio: f32, tone: f32| {
            let given = [("ratio".to_string(), ratio), ("tone".to_string(), tone)];
            BTreeMap::from(given)
        };
        assert_eq!(positions(&knobs, &at(5.0, 0.25)).unwrap(), [0.5, 0.25]);
        assert_eq!(positions(&knobs, &BTreeMap::new()).unwrap(), [0.5, 0.5]);
        for within in [at(2.0, 0.0), at(8.0, 1.0), at(3.3, 0.7)] {
            assert!(beyond(&knobs, &within).is_empty(), "{within:?}");
        }
        let said = beyond(&knobs, &at(9.0, -0.1));
        assert_eq!(
            said,
            [
                "control ratio is 9, the network learned from 2 to 8: what is beyond is guessed",
                "control tone is -0.1, the network learned from 0 to 1: what is beyond is guessed",
            ]
        );
    }
}
