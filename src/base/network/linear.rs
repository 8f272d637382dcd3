//! A network that is nothing but a filter, as its impulse response.

use super::{Architecture, Conv1d, Layer, Network};

impl Network {
    /// The impulse response, its newest tap first, of a network that is linear: filters of one
    /// channel, one after another, without biases, and its tail. `None` for any other.
    pub fn impulse_response(&self) -> Option<Vec<f32>> {
        let Architecture::Sequential(net) = &self.architecture else {
            return None;
        };
        let mut response = vec![1.0];
        for layer in &net.layers {
            match layer {
                Layer::Conv1d(conv) => response = convolved(&response, &taps(conv)?),
                _ => return None,
            }
        }
        if !self.tail.is_empty() {
            let tail: Vec<f64> = self.tail.iter().map(|&tap| f64::from(tap)).collect();
            response = convolved(&response, &tail);
        }
        let is_plain = self.controls.is_empty() && self.delay_samples == 0;
        is_plain.then(|| response.iter().map(|&tap| tap as f32).collect())
    }
}

/// The impulse response of one filter without bias.
fn taps(conv: &Conv1d) -> Option<Vec<f64>> {
    let is_filter = conv.in_channels == 1 && conv.out_channels == 1;
    let is_biased = conv.bias.iter().any(|bias| *bias != 0.0);
    if !is_filter || is_biased {
        return None;
    }
    let mut taps = vec![0.0; conv.lookback()? + 1];
    for (at, weight) in conv.weight.iter().rev().enumerate() {
        taps[at * conv.dilation] = f64::from(*weight);
    }
    Some(taps)
}

fn convolved(a: &[f64], b: &[f64]) -> Vec<f64> {
    let (short, long) = if a.len() < b.len() { (a, b) } else { (b, a) };
    let mut sum = vec![0.0; a.len() + b.len() - 1];
    for (at, s) in short.iter().enumerate() {
        for (sum, l) in sum[at..].iter_mut().zip(long) {
            *sum += s * l;
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::{Activation, Sequential};

    fn filter(weight: &[f32], dilation: usize) -> Layer {
        Layer::Conv1d(Conv1d {
            kernel_size: weight.len(),
            dilation,
            ..Conv1d::dense(1, 1, weight.to_vec(), Vec::new())
        })
    }

    fn network(layers: Vec<Layer>) -> Network {
        let input_channels = 1;
        let net = Sequential {
            input_channels,
            layers,
        };
        Network::new(Architecture::Sequential(net), 8000)
    }

    #[test]
    fn filters_in_a_row_are_one() {
        // The oldest tap stands first: 1 + z⁻²/2, then 2 − z⁻¹, then 1 + z⁻¹.
        let mut filters = network(vec![filter(&[0.5, 1.0], 2), filter(&[-1.0, 2.0], 1)]);
        filters.tail = vec![1.0, 1.0];
        filters.validate().unwrap();
        let response = filters.impulse_response().unwrap();
        assert_eq!(response, [2.0, 1.0, 0.0, 0.5, -0.5]);
        assert_eq!(filters.receptive_field(), Some(5));
        assert_eq!(filters.without_tail().receptive_field(), Some(4));
        filters.delay_samples = 1;
        assert_eq!(filters.impulse_response(), None);
        let bent = network(vec![filter(&[1.0], 1), Layer::Activation(Activation::Tanh)]);
        assert_eq!(bent.impulse_response(), None);
    }

    #[test]
    fn a_tail_is_held_to_its_bounds() {
        let mut wild = network(vec![filter(&[1.0], 1)]);
        wild.tail = vec![1.0, f32::NAN];
        assert!(wild.validate().unwrap_err().to_string().contains("tail"));
        wild.tail = vec![0.0; crate::network::MAX_TAIL + 1];
        assert!(wild.validate().unwrap_err().to_string().contains("tail"));
    }
}
