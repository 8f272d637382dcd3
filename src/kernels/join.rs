//! Many lists of numbers behind each other as one: the weights of a network whose operator wants
//! them so.

use burn::tensor::Tensor;

use super::bridge::{Form, MOST_PARTS, form_of, output_on_card};
use super::gpu::join::CardJoin;

/// All of `parts` behind each other; at least one.
pub fn join(parts: Vec<Tensor<1>>) -> Tensor<1> {
    let on_card = match parts.len() <= MOST_PARTS {
        true => Ok(()),
        false => Err(format!(" of {} parts", parts.len())),
    };
    match form_of(&parts[0], "join", on_card) {
        Form::Card => {
            let lens = parts.iter().map(|part| part.dims()[0]).collect();
            let inputs = parts.into_iter().map(Tensor::into_dispatch).collect();
            output_on_card(CardJoin { lens }, inputs)
        }
        Form::Host | Form::Composed => Tensor::cat(parts, 0),
    }
}
