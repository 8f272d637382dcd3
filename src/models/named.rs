//! A network's weights by name: where they are, as numbers, and put into a network of the same
//! shape.

use super::EffectModel;
use super::parts::numbers;
use crate::network::Weights;
use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::prelude::*;
use std::collections::BTreeMap;

/// A parameter as the user sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// `branches.0.encoder`, …
    pub path: String,
    /// Lengths of its axes.
    pub shape: Vec<usize>,
    /// What optimisers know it by.
    pub id: ParamId,
}

/// All parameters of a network, in order.
pub fn parameters<M: Module>(model: &M) -> Vec<Parameter> {
    let mut found = Vec::new();
    walk(model, |parameter, _| found.push(parameter));
    found
}

/// Calls `meet` with every parameter, and with what reads its numbers, in order.
fn walk<M: Module>(model: &M, meet: impl FnMut(Parameter, &dyn Fn() -> Vec<f32>)) {
    struct Walk<F> {
        place: Place,
        meet: F,
    }
    impl<F: FnMut(Parameter, &dyn Fn() -> Vec<f32>)> ModuleVisitor for Walk<F> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let parameter = Parameter {
                path: self.place.name(),
                shape: param.dims().to_vec(),
                id: param.id,
            };
            (self.meet)(parameter, &|| numbers(param));
        }
        fn enter_module(&mut self, name: &str, _container: &str) {
            self.place.0.push(name.to_string());
        }
        fn exit_module(&mut self, _name: &str, _container: &str) {
            self.place.0.pop();
        }
    }
    let place = Place::default();
    model.visit(&mut Walk { place, meet });
}

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
        let mut found = Vec::new();
        walk(self, |Parameter { path, shape, .. }, numbers| {
            found.push(Weights {
                name: path,
                shape,
                values: numbers(),
            });
        });
        found
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
