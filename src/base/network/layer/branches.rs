//! Paths side by side.

use super::Layer;
use crate::network::bounds::{MAX_CHANNELS, bounded, channels, size};
use crate::network::error::DescriptionError;
use crate::network::part::{Cost, Part, total};
use serde::{Deserialize, Serialize};

/// Several paths side by side.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Branches {
    /// What each path receives.
    pub split: Split,
    /// The paths.
    pub branches: Vec<Vec<Layer>>,
    /// How their outputs become one.
    pub join: Join,
}

/// What each of several paths receives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Split {
    /// All of the input.
    Copy,
    /// Its own slice of the channels: this many each, in order.
    Slice(Vec<usize>),
}

/// How the outputs of several paths become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Join {
    /// One path's channels after another's.
    Concat,
    /// The sum.
    Sum,
    /// The product, channel by channel.
    Product,
}

impl Branches {
    /// Channels each path receives.
    pub(crate) fn input_widths(&self, inputs: usize) -> Result<Vec<usize>, DescriptionError> {
        let Split::Slice(widths) = &self.split else {
            return Ok(vec![inputs; self.branches.len()]);
        };
        if widths.len() != self.branches.len() {
            let (what, got) = ("branch slices".into(), widths.len());
            return Err(DescriptionError::Length {
                what,
                got,
                expected: self.branches.len(),
            });
        }
        for width in widths {
            size("branch slice", *width, MAX_CHANNELS)?;
        }
        let sum = widths.iter().fold(0usize, |sum, n| sum.saturating_add(*n));
        channels("branch slices together", sum, inputs)?;
        Ok(widths.clone())
    }
}

impl Part for Branches {
    fn check(&self, inputs: usize, controls: usize) -> Result<usize, DescriptionError> {
        if self.branches.is_empty() {
            return Err(DescriptionError::invalid(
                "branches",
                "is empty; give at least one path",
            ));
        }
        let widths = self.input_widths(inputs)?;
        let mut outputs = Vec::with_capacity(self.branches.len());
        for (i, (branch, width)) in self.branches.iter().zip(widths).enumerate() {
            let place = format!("branch {i}");
            let checked = branch.check(width, controls);
            outputs.push(checked.map_err(|e| e.within(&place))?);
        }
        match self.join {
            Join::Concat => {
                let sum = outputs
                    .iter()
                    .try_fold(0usize, |sum, n| sum.checked_add(*n));
                bounded("channels of all branches", sum, MAX_CHANNELS)?;
                Ok(sum.unwrap_or_default())
            }
            Join::Sum | Join::Product => {
                for got in &outputs {
                    channels("branch output", *got, outputs[0])?;
                }
                Ok(outputs[0])
            }
        }
    }

    fn cost(&self) -> Option<Cost> {
        total(self.branches.iter().map(|b| b.cost()))
    }

    fn context(&self) -> Option<usize> {
        let mut contexts = self.branches.iter().map(|b| b.context());
        contexts.try_fold(0, |most, context| Some(most.max(context?)))
    }

    fn shape(&self) -> String {
        let paths: Vec<String> = self.branches.iter().map(|b| b.shape()).collect();
        format!("({})", paths.join(" | "))
    }

    fn depth(&self, limit: usize) -> usize {
        let depths = self.branches.iter().map(|b| b.depth(limit - 1));
        1 + depths.max().unwrap_or(0)
    }
}
