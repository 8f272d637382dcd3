//! A sweep: a grid, or a random list, over config keys. Knows keys and values as text alone.

use super::error::PackError;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// The most points of a grid.
const MOST: usize = 1_000_000;

/// One key and what it is to be: `model.hidden_size=16,24,40`, `seed=1..3`.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    /// Dotted path.
    pub key: String,
    values: Values,
}

#[derive(Clone, Debug, PartialEq)]
enum Values {
    Listed(Vec<String>),
    /// Drawn at random: evenly in the logarithm where both ends are positive.
    Between(f64, f64),
}

/// A point: keys and their values.
pub type Point = Vec<(String, String)>;

impl Axis {
    /// Reads `key=a,b,c`, `key=1..3` (whole numbers, both ends) or `key=1e-4..1e-2` (anything
    /// between, of a random list).
    ///
    /// # Errors
    /// Says the form.
    pub fn parse(given: &str) -> Result<Self, PackError> {
        let wrong = |reason: String| PackError::wrong(format!("--vary {given}"), reason);
        let form = || wrong("the form is key=a,b,c or key=1..3".to_string());
        let (key, text) = given.split_once('=').ok_or_else(form)?;
        let (key, text) = (key.trim(), text.trim());
        if key.is_empty() || text.is_empty() {
            return Err(form());
        }
        let values = match text.split_once("..") {
            Some((low, high)) => between(low.trim(), high.trim()).map_err(wrong)?,
            None => Values::Listed(split(text)),
        };
        Ok(Self {
            key: key.to_string(),
            values,
        })
    }
}

fn between(low: &str, high: &str) -> Result<Values, String> {
    if let (Ok(low), Ok(high)) = (low.parse::<i64>(), high.parse::<i64>()) {
        let count = high
            .checked_sub(low)
            .filter(|n| (0..MOST as i64).contains(n));
        count.ok_or_else(|| format!("from {low} to {high} are no values, or too many"))?;
        return Ok(Values::Listed(
            (low..=high).map(|n| n.to_string()).collect(),
        ));
    }
    match (low.parse::<f64>(), high.parse::<f64>()) {
        (Ok(a), Ok(b)) if a < b && a.is_finite() && b.is_finite() => Ok(Values::Between(a, b)),
        _ => Err(format!("{low}..{high} is no range of numbers")),
    }
}

/// At commas that stand in no bracket and no quote.
fn split(text: &str) -> Vec<String> {
    let (mut parts, mut depth, mut quoted) = (vec![String::new()], 0, false);
    for c in text.chars() {
        match c {
            '"' => quoted = !quoted,
            '[' | '{' if !quoted => depth += 1,
            ']' | '}' if !quoted => depth -= 1,
            _ => {}
        }
        match c == ',' && depth == 0 && !quoted {
            true => parts.push(String::new()),
            false => parts.last_mut().into_iter().for_each(|part| part.push(c)),
        }
    }
    parts.iter().map(|part| part.trim().to_string()).collect()
}

/// Every point of the grid, or `sample` of them at random (the same for the same seed, none twice
/// as long as there are enough). One point without keys where there is no axis.
///
/// # Errors
/// A range in a grid; a grid beyond a million points.
pub fn points(axes: &[Axis], sample: Option<usize>, seed: u64) -> Result<Vec<Point>, PackError> {
    let mut generator = ChaCha8Rng::seed_from_u64(seed);
    let drawn = axes
        .iter()
        .any(|axis| matches!(axis.values, Values::Between(..)));
    match sample {
        Some(count) if drawn => Ok((0..count).map(|_| draw(axes, &mut generator)).collect()),
        Some(count) => {
            let mut all = grid(axes)?;
            all.shuffle(&mut generator);
            all.truncate(count);
            Ok(all)
        }
        None => grid(axes),
    }
}

fn grid(axes: &[Axis]) -> Result<Vec<Point>, PackError> {
    let mut all = vec![Point::new()];
    for axis in axes {
        let Values::Listed(values) = &axis.values else {
            let reason = "a range of any numbers has no end of points; add --sample N";
            return Err(PackError::wrong(format!("--vary {}", axis.key), reason));
        };
        if all.len() * values.len() > MOST {
            let reason = format!("the grid has more than {MOST} points; add --sample N");
            return Err(PackError::wrong("--vary", reason));
        }
        let with = |point: &Point| {
            let point = point.clone();
            let add = |value: &String| [&point[..], &[(axis.key.clone(), value.clone())]].concat();
            values.iter().map(add).collect::<Vec<_>>()
        };
        all = all.iter().flat_map(with).collect();
    }
    Ok(all)
}

fn draw(axes: &[Axis], generator: &mut ChaCha8Rng) -> Point {
    let mut value = |values: &Values| match values {
        Values::Listed(values) => values[generator.random_range(0..values.len())].clone(),
        Values::Between(low, high) if *low > 0.0 => {
            let exponent = generator.random_range(low.ln()..high.ln());
            format!("{:e}", rounded(exponent.exp()))
        }
        Values::Between(low, high) => format!("{:?}", rounded(generator.random_range(*low..*high))),
    };
    axes.iter()
        .map(|axis| (axis.key.clone(), value(&axis.values)))
        .collect()
}

/// To four figures: what people read is what is trained.
fn rounded(x: f64) -> f64 {
    format!("{x:.3e}").parse().unwrap_or(x)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axes(given: &[&str]) -> Vec<Axis> {
        given
            .iter()
            .map(|text| Axis::parse(text).unwrap())
            .collect()
    }

    #[test]
    fn a_grid_has_every_point_once() {
        let all = points(&axes(&["model.hidden_size=16,24", "seed=1..3"]), None, 0).unwrap();
        assert_eq!(all.len(), 6);
        let of = |key: &str, value: &str| (key.to_string(), value.to_string());
        assert_eq!(all[4], [of("model.hidden_size", "24"), of("seed", "2")]);
        assert_eq!(points(&[], None, 0).unwrap(), [Point::new()]);
        let lists = axes(&["model.dilations=[1, 2],[1, 2, 4]"]);
        assert_eq!(points(&lists, None, 0).unwrap()[1][0].1, "[1, 2, 4]");
    }

    #[test]
    fn a_random_list_is_the_same_again_and_of_the_grid() {
        let given = axes(&["a=1..50", "b=x,y"]);
        let some = points(&given, Some(20), 7).unwrap();
        assert_eq!(some, points(&given, Some(20), 7).unwrap());
        assert_ne!(some, points(&given, Some(20), 8).unwrap());
        let mut once: Vec<_> = some.iter().map(|point| format!("{point:?}")).collect();
        once.sort();
        once.dedup();
        assert_eq!(once.len(), 20);
        assert_eq!(points(&given, Some(1000), 7).unwrap().len(), 100);
        let rates = points(&axes(&["rate=1e-4..1e-2"]), Some(200), 1).unwrap();
        let rates: Vec<f64> = rates
            .iter()
            .map(|point| point[0].1.parse().unwrap())
            .collect();
        assert!(rates.iter().all(|rate| (1e-4..=1e-2).contains(rate)));
        let below = rates.iter().filter(|rate| **rate < 1e-3).count();
        assert!(
            (70..130).contains(&below),
            "{below} of 200 in the lower decade"
        );
    }

    #[test]
    fn what_is_no_axis_is_refused() {
        for bad in [
            "seed",
            "=1",
            "seed=",
            "seed=3..1",
            "seed=a..b",
            "seed=1..99999999",
        ] {
            assert!(Axis::parse(bad).is_err(), "{bad}");
        }
        assert!(points(&axes(&["rate=1e-4..1e-2"]), None, 0).is_err());
        assert!(points(&axes(&["a=1..2000", "b=1..2000"]), None, 0).is_err());
    }
}
