//! Rows cut out of one long list of numbers, at places that take little to tell: windows of recordings
//! that lie on a card.

use burn::tensor::{Tensor, TensorData};

use super::bridge::{is_on_card, output_on_card, uploaded};
use super::composed;
use super::gpu::gather::{CardGather, Row, place};

/// `[batch, channels, len]` of `list`, a row for every channel of every item.
///
/// # Panics
/// There are not as many rows, or one goes beyond the list's end.
pub fn gather(list: Tensor<1>, rows: &[Row], shape: [usize; 3]) -> Tensor<3> {
    let [batch, channels, len] = shape;
    assert_eq!(rows.len(), batch * channels, "gather: rows");
    let end = list.dims()[0];
    let is_inside = |row: &Row| !matches!(row, Row::From(start) if start + len > end);
    assert!(rows.iter().all(is_inside), "gather: rows within the list");
    if !is_on_card(&list) {
        return composed::gather(list, rows, shape);
    }
    let places: Vec<f32> = rows.iter().flat_map(|&row| place(row)).collect();
    let places = TensorData::new(places, [rows.len(), 4]);
    let places: Tensor<2> = uploaded(places, &list.device());
    let inputs = vec![list.into_dispatch(), places.into_dispatch()];
    output_on_card(CardGather { shape }, inputs)
}
