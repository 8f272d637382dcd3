//! One capture in several sizes.

use super::bounds::{MAX_WEIGHTS, bounded};
use super::error::DescriptionError;
use super::part::{Cost, Part, total};
use super::{Architecture, Network};
use serde::{Deserialize, Serialize};

/// One capture in several sizes, smallest first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Slimmable {
    /// The sizes; the last one is the full network.
    pub submodels: Vec<Submodel>,
}

/// One size of a [`Slimmable`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Submodel {
    /// This size is used while the size knob is below this value (0..1).
    pub max_value: f64,
    /// The network of this size.
    pub network: Box<Network>,
}

impl Slimmable {
    /// The network for a size knob at `size` (0: smallest, 1: full); `None` without submodels.
    pub fn select(&self, size: f64) -> Option<&Network> {
        let chosen = self.submodels.iter().find(|s| size < s.max_value);
        chosen.or(self.submodels.last()).map(|s| s.network.as_ref())
    }

    /// Checks the sizes, of a container `outer` that stands `depth` networks deep.
    ///
    /// # Errors
    /// As [`Network::validate`].
    pub(super) fn check_sizes(
        &self,
        outer: &Network,
        depth: usize,
    ) -> Result<(), DescriptionError> {
        let Some(last) = self.submodels.last() else {
            return Err(DescriptionError::invalid(
                "submodels",
                "is empty; give at least one size",
            ));
        };
        let ascending = self
            .submodels
            .windows(2)
            .all(|w| w[0].max_value < w[1].max_value);
        let last_covers = last.max_value >= 1.0;
        if !ascending || !last_covers {
            let why = "max_value must ascend and end at 1 or above";
            return Err(DescriptionError::invalid("submodels", why));
        }
        let mut weights = 0usize;
        for (i, submodel) in self.submodels.iter().enumerate() {
            let place = format!("submodel {i}");
            let network = &submodel.network;
            if let Architecture::Slimmable(_) = network.architecture {
                let why = "is a container itself; give networks";
                return Err(DescriptionError::invalid(place, why));
            }
            network
                .validate_at(depth + 1)
                .map_err(|e| e.within(&place))?;
            if network.sample_rate != outer.sample_rate {
                let why = format!(
                    "runs at {} Hz, the container at {} Hz",
                    network.sample_rate, outer.sample_rate
                );
                return Err(DescriptionError::invalid(place, why));
            }
            if network.audio_channels != outer.audio_channels {
                let why = format!(
                    "is {}, the container {}",
                    network.audio_channels, outer.audio_channels
                );
                return Err(DescriptionError::invalid(place, why));
            }
            weights = weights.saturating_add(network.weight_count());
        }
        bounded("weight count", Some(weights), MAX_WEIGHTS)
    }
}

impl Part for Slimmable {
    fn check(&self, _: usize, _: usize) -> Result<usize, DescriptionError> {
        let why = "a slimmable container can only stand at the top, not inside a network";
        Err(DescriptionError::invalid("architecture", why))
    }

    fn cost(&self) -> Option<Cost> {
        let sizes = self.submodels.iter();
        total(sizes.map(|s| s.network.architecture.part().cost()))
    }

    fn context(&self) -> Option<usize> {
        let full = self.submodels.last()?;
        full.network.architecture.part().context()
    }

    fn shape(&self) -> String {
        let sizes = self.submodels.iter();
        let sizes: Vec<String> = sizes.map(|s| s.network.architecture.shape()).collect();
        format!("{} sizes: {}", sizes.len(), sizes.join(" | "))
    }
}
