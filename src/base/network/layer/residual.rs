//! Layers with a shortcut around them.

use super::{Conv1d, Layer};
use crate::network::bounds::channels;
use crate::network::error::DescriptionError;
use crate::network::part::{Cost, Part, total};
use serde::{Deserialize, Serialize};

/// y = body(x) + shortcut(x).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Residual {
    /// The layers on the main path.
    pub body: Vec<Layer>,
    /// The layer on the other path; without one the first channels of the input are added (for a
    /// network with knobs as further inputs that is the audio).
    pub shortcut: Option<Conv1d>,
}

impl Part for Residual {
    fn check(&self, inputs: usize, controls: usize) -> Result<usize, DescriptionError> {
        let body = self.body.check(inputs, controls);
        let body = body.map_err(|e| e.within("residual body"))?;
        match &self.shortcut {
            Some(conv) => {
                let shortcut = conv
                    .check(inputs, controls)
                    .map_err(|e| e.within("shortcut"))?;
                channels("shortcut", shortcut, body)?;
            }
            None if body > inputs => channels("residual body", body, inputs)?,
            None => {}
        }
        Ok(body)
    }

    fn cost(&self) -> Option<Cost> {
        let shortcut = self.shortcut.as_ref().map(Part::cost);
        total([self.body.cost()].into_iter().chain(shortcut))
    }

    fn context(&self) -> Option<usize> {
        let shortcut = self.shortcut.as_ref().map_or(Some(0), Part::context)?;
        Some(self.body.context()?.max(shortcut))
    }

    fn shape(&self) -> String {
        format!("[{}] + input", self.body.shape())
    }

    fn depth(&self, limit: usize) -> usize {
        1 + self.body.depth(limit - 1)
    }
}
