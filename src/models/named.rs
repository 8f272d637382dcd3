//! A network's weights by name, as numbers: out of a network, and into one of the same shape.

use super::EffectModel;
use crate::network::Weights;
use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::prelude::*;
use std::collections::BTreeMap;

/// Where a walk over a network stands.
#[derive(Default)]
struct Place(Vec<String>);

impl Place {
    /// The first name is the network's kind: the same for all.
    fn name(&self) -> String {
        self.0.get(1..).unwrap_or_default().join(".")
    }
}

impl EffectModel {
    /// All weights in order.
    pub fn weights(&self) -> Vec<Weights> {
        #[derive(Default)]
        struct Collect {
            place: Place,
            found: Vec<Weights>,
        }
        impl ModuleVisitor for Collect {
            fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
                self.found.push(Weights {
                    name: self.place.name(),
                    shape: param.dims().to_vec(),
                    values: super::parts::numbers(param),
                });
            }
            fn enter_module(&mut self, name: &str, _container: &str) {
                self.place.0.push(name.to_string());
            }
            fn exit_module(&mut self, _name: &str, _container: &str) {
                self.place.0.pop();
            }
        }
        let mut collect = Collect::default();
        self.visit(&mut collect);
        collect.found
    }

    /// The same network with these weights: one entry for each of its own, of equal shape.
    ///
    /// # Errors
    /// The first weight that is missing, has another shape, or has no place in the network.
    pub fn with_weights(self, weights: Vec<Weights>) -> Result<Self, String> {
        struct Put {
            place: Place,
            given: BTreeMap<String, Weights>,
            wrong: Option<String>,
        }
        impl ModuleMapper for Put {
            fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
                let name = self.place.name();
                let shape = param.dims();
                let wrong = match self.given.remove(&name) {
                    Some(given) if given.shape == shape => {
                        let data = TensorData::new(given.values, shape);
                        return param.map(|old| Tensor::from_data(data, &old.device()));
                    }
                    Some(given) => format!(
                        "{name} has the shape {:?} there and {shape:?} here",
                        given.shape
                    ),
                    None => format!("{name} is missing there"),
                };
                self.wrong.get_or_insert(wrong);
                param
            }
            fn enter_module(&mut self, name: &str, _container: &str) {
                self.place.0.push(name.to_string());
            }
            fn exit_module(&mut self, _name: &str, _container: &str) {
                self.place.0.pop();
            }
        }
        let given = weights.into_iter().map(|w| (w.name.clone(), w));
        let mut put = Put {
            place: Place::default(),
            given: given.collect(),
            wrong: None,
        };
        let model = self.map(&mut put);
        let surplus = put.given.into_keys().next();
        match put
            .wrong
            .or(surplus.map(|name| format!("{name} has no place here")))
        {
            Some(wrong) => Err(wrong),
            None => Ok(model),
        }
    }
}
