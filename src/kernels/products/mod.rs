//! The matrix products that every operator here is made of, in two families:
//!
//! - with time in the vector's lanes, on [rows] of samples `[row][time]`: [`combine`] (weights ×
//!   rows) and [`row_products`] (rows × rows, the weights' gradient), with [`copies`] of rows done
//!   [`aside`];
//! - with [units] in the lanes, for recurrences, where one moment must be finished before the next
//!   begins.
//!
//! [`transpose`] leads from one to the other. This room knows nothing of layers or tensors.

mod aside;
pub(crate) mod combine;
pub(crate) mod copies;
pub(crate) mod row_products;
pub(crate) mod rows;
pub(crate) mod transpose;
pub(crate) mod units;
