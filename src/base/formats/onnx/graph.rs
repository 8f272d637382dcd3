//! An ONNX graph that grows node by node. Knows ONNX's messages, not networks.

use crate::protobuf::{bytes, float, number, text};

/// The version of the operators.
const OPERATORS: u64 = 17;
/// The version of the file.
const FILE: u64 = 8;
const FLOAT: u64 = 1;
const INT64: u64 = 7;

/// A signal `[1, channels, time]` in the graph.
#[derive(Clone, Debug)]
pub(super) struct Signal {
    pub(super) name: String,
    pub(super) channels: usize,
    /// Samples that it is shorter than the padded input: its end is the input's end.
    pub(super) lost: usize,
}

/// What a node is told beside its inputs.
pub(super) enum Attribute<'a> {
    Int(&'a str, usize),
    Ints(&'a str, &'a [usize]),
    Float(&'a str, f32),
    Text(&'a str, &'a str),
}

impl Attribute<'_> {
    fn message(&self) -> Vec<u8> {
        let (name, kind, value) = match self {
            Self::Float(name, value) => (name, 1, float(2, *value)),
            Self::Int(name, value) => (name, 2, number(3, *value as u64)),
            Self::Text(name, value) => (name, 3, text(4, value)),
            Self::Ints(name, values) => {
                let each = values.iter().map(|value| number(8, *value as u64));
                (name, 7, each.collect::<Vec<_>>().concat())
            }
        };
        [text(1, name), value, number(20, kind)].concat()
    }
}

/// A graph to be.
#[derive(Default)]
pub(super) struct Graph {
    nodes: Vec<u8>,
    constants: Vec<u8>,
    count: usize,
}

impl Graph {
    fn fresh(&mut self, what: &str) -> String {
        self.count += 1;
        format!("{}{}", what.to_lowercase(), self.count)
    }

    /// A node with one output, which it returns.
    pub(super) fn node(
        &mut self,
        operator: &str,
        inputs: &[&str],
        attributes: &[Attribute],
    ) -> String {
        let output = self.fresh(operator);
        let mut node: Vec<u8> = inputs.iter().flat_map(|input| text(1, input)).collect();
        node.extend(text(2, &output));
        node.extend(text(3, &output));
        node.extend(text(4, operator));
        node.extend(attributes.iter().flat_map(|a| bytes(5, &a.message())));
        self.nodes.extend(bytes(1, &node));
        output
    }

    fn tensor(&mut self, dims: &[usize], kind: u64, data: &[u8]) -> String {
        let name = self.fresh("constant");
        let mut tensor: Vec<u8> = dims.iter().flat_map(|dim| number(1, *dim as u64)).collect();
        tensor.extend(number(2, kind));
        tensor.extend(text(8, &name));
        tensor.extend(bytes(9, data));
        self.constants.extend(bytes(5, &tensor));
        name
    }

    /// Numbers.
    pub(super) fn floats(&mut self, dims: &[usize], values: &[f32]) -> String {
        let data: Vec<u8> = values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect();
        self.tensor(dims, FLOAT, &data)
    }

    /// Whole numbers.
    pub(super) fn ints(&mut self, values: &[i64]) -> String {
        let data: Vec<u8> = values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect();
        self.tensor(&[values.len()], INT64, &data)
    }

    /// From `start` up to, without, `end` (from the end where it is negative) along an axis.
    pub(super) fn slice(&mut self, of: &str, axis: i64, start: i64, end: i64) -> String {
        let [start, end, axis] = [start, end, axis].map(|value| self.ints(&[value]));
        self.node("Slice", &[of, &start, &end, &axis], &[])
    }

    /// The file: one input, one output, facts for people.
    pub(super) fn model(
        self,
        input: &Signal,
        output: &Signal,
        facts: &[(&str, String)],
    ) -> Vec<u8> {
        let mut graph = self.nodes;
        graph.extend(text(2, "effigy"));
        graph.extend(self.constants);
        graph.extend(bytes(11, &value(input)));
        graph.extend(bytes(12, &value(output)));
        let mut model = number(1, FILE);
        model.extend(text(2, "effigy"));
        model.extend(text(3, env!("CARGO_PKG_VERSION")));
        model.extend(bytes(7, &graph));
        model.extend(bytes(8, &[text(1, ""), number(2, OPERATORS)].concat()));
        for (key, fact) in facts {
            model.extend(bytes(14, &[text(1, key), text(2, fact)].concat()));
        }
        model
    }
}

/// `float[1, channels, samples]`.
fn value(signal: &Signal) -> Vec<u8> {
    let fixed = |dim: usize| bytes(1, &number(1, dim as u64));
    let shape = [
        fixed(1),
        fixed(signal.channels),
        bytes(1, &text(2, "samples")),
    ]
    .concat();
    let tensor = [number(1, FLOAT), bytes(2, &shape)].concat();
    [text(1, &signal.name), bytes(2, &bytes(1, &tensor))].concat()
}
