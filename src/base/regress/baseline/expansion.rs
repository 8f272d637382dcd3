//! The derived signals that a baseline filters: one dry signal in, several out, each a fixed
//! (unfitted) function of the dry signal. Knows nothing of filters or fitting.

/// How one dry signal becomes several.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Expansion {
    /// `x`.
    Linear,
    /// `x, tanh(g₁·x), tanh(g₂·x), …`: saturation at several drives.
    Tanh(Vec<f64>),
    /// Products of delayed samples: `x`, then `x·x[−d]`, then `x·x[−d]·x[−e]`, … up to
    /// `order` factors with delays `0 ≤ d ≤ e ≤ … < memory`. Each is one diagonal of a Volterra
    /// kernel, so an FIR on each gives the whole (symmetric) kernel.
    Volterra {
        /// Largest number of factors.
        order: usize,
        /// Delays between factors stay below this.
        memory: usize,
    },
}

impl Expansion {
    /// How many dry samples before `t` the derived signals at `t` look at.
    pub(crate) fn reach(&self) -> usize {
        match self {
            Self::Linear | Self::Tanh(_) => 0,
            Self::Volterra { order, memory } if *order > 1 => memory - 1,
            Self::Volterra { .. } => 0,
        }
    }

    /// How many derived signals there are.
    pub(crate) fn count(&self) -> usize {
        match self {
            Self::Linear => 1,
            Self::Tanh(gains) => 1 + gains.len(),
            Self::Volterra { order, memory } => delays(*order, *memory).len(),
        }
    }

    /// The derived signals of `dry`, whose first [`Expansion::reach`] samples are history:
    /// each result is that much shorter.
    pub(crate) fn apply(&self, dry: &[f64]) -> Vec<Vec<f64>> {
        match self {
            Self::Linear => vec![dry.to_vec()],
            Self::Tanh(gains) => std::iter::once(dry.to_vec())
                .chain(
                    gains
                        .iter()
                        .map(|gain| dry.iter().map(|x| (gain * x).tanh()).collect()),
                )
                .collect(),
            Self::Volterra { order, memory } => {
                let reach = self.reach();
                delays(*order, *memory)
                    .iter()
                    .map(|delays| product(dry, reach, delays))
                    .collect()
            }
        }
    }
}

/// `x[t]·Π x[t − d]` for `t` from `reach` on.
fn product(dry: &[f64], reach: usize, delays: &[usize]) -> Vec<f64> {
    (reach..dry.len())
        .map(|t| delays.iter().fold(dry[t], |p, &d| p * dry[t - d]))
        .collect()
}

/// All non-decreasing delay lists of length 0 to `order − 1` with entries below `memory`.
fn delays(order: usize, memory: usize) -> Vec<Vec<usize>> {
    let mut all = vec![vec![]];
    let mut longest = vec![vec![]];
    for _ in 1..order {
        longest = longest
            .iter()
            .flat_map(|list: &Vec<usize>| {
                let least = list.last().copied().unwrap_or(0);
                (least..memory).map(move |d| [list.as_slice(), &[d]].concat())
            })
            .collect();
        all.extend(longest.iter().cloned());
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn volterra_delays_are_the_distinct_products() {
        assert_eq!(delays(1, 4), [Vec::<usize>::new()]);
        assert_eq!(
            delays(3, 2),
            [vec![], vec![0], vec![1], vec![0, 0], vec![0, 1], vec![1, 1]]
        );
        let cubic = Expansion::Volterra {
            order: 3,
            memory: 2,
        };
        let signals = cubic.apply(&[2.0, 3.0, 5.0]);
        assert_eq!(signals[0], [3.0, 5.0]);
        assert_eq!(signals[2], [6.0, 15.0]);
        assert_eq!(signals[5], [12.0, 45.0]);
        assert_eq!((cubic.count(), cubic.reach()), (6, 1));
    }
}
